"""Looks for a model in a process of its own, and prints what came of it: `-m tests.support.looking MODEL KIND`."""

from __future__ import annotations

import json
import sys

from aura_daemon.config.engine import ModelSettings
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.model_files.find import look_for_model
from aura_daemon.engines.model_files.hub import AbsentModel
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.results import Failure

FORMATS = {"generate": STABLE_DIFFUSION, "caption": CAPTIONS}


def main(model: str, kind: str) -> None:
    found = look_for_model(ModelSettings(model=model), FORMATS[kind], half=False)
    match found:
        case AbsentModel():
            answer: dict[str, object] = {"absent": found.missing_bytes}
        case Failure():
            answer = {"wrong": found.message}
        case _:
            answer = {"folder": str(found.folder), "bytes": found.size_bytes, "sha256": found.sha256}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
