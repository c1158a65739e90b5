"""Which ControlNets jobs may name. In: the configured folder. Out: names, and where each lies."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from aura_daemon.config.engine import EMBEDDED
from aura_daemon.jobs.guidance.controls import CONTROLNETS, EMBEDDED_READS
from aura_daemon.jobs.prompts.lora_names import EXTENSION

CONFIGURATION: Final = "config.json"
"""What a folder in diffusers format holds."""


def controlnets_named(folder: Path | None, models: Iterable[str]) -> tuple[str, ...]:
    """The names that jobs may write: of the folder first, which may hold another one of a short name.

    `models`: that draw. None of Stable Diffusion fits the embedded one, which has a ControlNet of its own.
    """
    own = tuple(name for name, _ in controlnets_below(folder)) if folder is not None else ()
    others = CONTROLNETS if any(model != EMBEDDED for model in models) else EMBEDDED_READS
    return tuple(dict.fromkeys((*own, *others, EMBEDDED)))


def controlnets_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and place of each ControlNet: the path below `folder` of a folder in diffusers format, or of a file.

    A folder that does not exist holds none; what begins with a dot is none, and links to folders are not followed.
    """
    for place, folders, files in os.walk(folder):
        here = Path(place)
        if here != folder and CONFIGURATION in files:
            folders.clear()
            yield here.relative_to(folder).as_posix(), here
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(EXTENSION) and not name.startswith("."):
                file = here / name
                yield file.relative_to(folder).as_posix()[: -len(EXTENSION)], file
