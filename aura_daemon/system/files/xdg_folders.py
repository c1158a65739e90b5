"""The folders of the XDG base directory specification. In: the environment. Out: a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

OPENVINO: Final = "openvino"
"""Folder of the converted models in this program's cache."""


def xdg_folder(variable: str, below_home: str) -> Path | None:
    """A folder of the XDG base directory specification, which ignores relative paths; None without a home folder."""
    named = os.environ.get(variable, "")
    if Path(named).is_absolute():
        return Path(named)
    try:
        return Path.home() / below_home
    except RuntimeError:
        return None


def own_cache(environment: Mapping[str, str]) -> Path | None:
    """Where this program keeps what it can make again: the service's cache folder, else one in the user's."""
    managed = environment.get("CACHE_DIRECTORY", "").split(":")[0]
    if managed:
        return Path(managed)
    base = xdg_folder("XDG_CACHE_HOME", ".cache")
    return base / "aura-daemon" if base is not None else None
