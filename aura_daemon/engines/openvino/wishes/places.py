"""Where converted models lie, and how the daemon notes that one is used. In: the environment. Out: a folder.

Importing this module imports nothing of the engines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.config.workers.services import is_place
from aura_daemon.system.files.xdg_folders import OPENVINO, own_cache

ABOUT: Final = "about.json"
"""Name and size of the model, and the versions; its age is that of the last job that used the conversion."""


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where converted models lie: in the service's cache folder, else the user's; None without a home folder."""
    base = own_cache(environment)
    return base / OPENVINO if base is not None else None


def note_used(folder: Path, place: str) -> None:
    """Notes that a job uses a conversion, by the name of its folder; raises ValueError where that is none."""
    if not is_place(place):
        raise ValueError("no folder of converted models is called so")
    with suppress(OSError):
        os.utime(folder / place / ABOUT, follow_symlinks=False)
