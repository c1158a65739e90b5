"""Finds a model in a process of its own and prints what came of it: `python -m tests.support.finding MODEL
KIND`.

The hub's client reads its environment when it is imported, so each test of the hub needs a new process.
"""

from __future__ import annotations

import json
import sys

from aura_daemon.config.engine import ModelSettings
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.model_files.find import find_model
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.results import Failure
from tests.support.listening import Listener

FORMATS = {"generate": STABLE_DIFFUSION, "caption": CAPTIONS}


def main(model: str, kind: str, revision: str | None = None) -> None:
    listener = Listener()
    found = find_model(ModelSettings(model=model, revision=revision), FORMATS[kind], half=False, reporter=listener)
    if isinstance(found, Failure):
        answer = {"kind": found.kind, "message": found.message, "mend": found.mend}
    else:
        answer = {"folder": str(found.folder), "sha256": found.sha256}
    print(json.dumps({**answer, "loads": listener.loads, "torch": "torch" in sys.modules}))


if __name__ == "__main__":
    main(*sys.argv[1:])
