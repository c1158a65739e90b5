"""Where the models with random weights lie, for who must not import torch. In: the environment. Out: a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aura_daemon.system.files.xdg_folders import xdg_folder

GENERATOR: Final = "sd-1.4-random-1"
CHECKED_GENERATOR: Final = "sd-1.4-random-checked-1"
CAPTIONER: Final = "blip-base-random-2"
TINY_DECODER: Final = "taesd-random-1"
"""Folder names; the number tells what `bench.random_models` writes."""

SIZE_BYTES: Final = 3_200_000_000
"""Of all on the disk."""


def cache_folder() -> Path:
    """XDG's cache; a folder of the current one where there is no home."""
    return (xdg_folder("XDG_CACHE_HOME", ".cache") or Path.cwd()) / "aura-daemon" / "bench"
