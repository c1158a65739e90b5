"""Paths in the configuration. In: a value. Out: a path with `~` replaced, or why it names nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator

_NOT_NAME: Final = re.compile(r"[\x00-\x1f]")


def _folder(value: Path) -> Path:
    """A path with `~` replaced; raises ValueError where it names no folder."""
    text = os.fspath(value)
    if text in ("", ".") or _NOT_NAME.search(text):
        raise ValueError("must name a folder")
    try:
        return value.expanduser()
    except RuntimeError as error:
        raise ValueError(f"must name a folder: {error}") from None


def _file(value: Path) -> Path:
    """As `_folder`."""
    try:
        return _folder(value)
    except ValueError:
        raise ValueError("must name a file") from None


Folder = Annotated[Path, AfterValidator(_folder)]
File = Annotated[Path, AfterValidator(_file)]
