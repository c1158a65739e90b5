"""The device files of this machine. In: /dev. Out: their names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEV: Final = Path("/dev")


def are_there(*names: str, dev: Path = DEV) -> bool:
    """Whether the machine has a device of any of these names."""
    return any((dev / name).exists() for name in names)
