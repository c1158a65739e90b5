"""A mount of NFS as it is to programs: what `lstat` tells of a file is from memory, until the file is opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest


def remember(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every status of a file in a folder be told as it was when it was asked for first, or the file opened last."""
    remembered: dict[str, os.stat_result] = {}
    ask, open_ = os.stat, os.open

    def stat(path: Any, **options: Any) -> os.stat_result:
        if not isinstance(path, os.PathLike) or Path(path).parent != folder:
            return ask(path, **options)
        name = Path(path).name
        if name not in remembered:
            remembered[name] = ask(path, **options)
        return remembered[name]

    def opened(path: Any, *arguments: Any, **options: Any) -> int:
        if isinstance(path, str | os.PathLike):
            remembered.pop(Path(path).name, None)
        return open_(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "open", opened)
