"""The folders of the XDG base directory specification. In: the environment. Out: a folder."""

from __future__ import annotations

import os
from pathlib import Path


def xdg_folder(variable: str, below_home: str) -> Path | None:
    """A folder of the XDG base directory specification, which ignores relative paths; None without a home folder."""
    named = os.environ.get(variable, "")
    if Path(named).is_absolute():
        return Path(named)
    try:
        return Path.home() / below_home
    except RuntimeError:
        return None
