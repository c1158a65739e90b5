"""Configurations of models, which anyone may have written. In: a path. Out: a JSON object, empty for anything else.

Nothing but a file is opened, no more of it is read than a configuration has, and what is nested too deep is no
configuration.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

MOST_BYTES: Final = 1 << 20
"""Of a configuration; the largest of a known model has 12 kB."""

MOST_INDEX_BYTES: Final = 4 << 20
"""Of the list of a model's tensors, where its weights are several files."""


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> Mapping[str, Any]:
    """A JSON object; empty where the file is none, too long, or cannot be read."""
    try:
        content = read_bounded(path, most_bytes)
        read = json.loads(content) if content is not None else None
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def read_bounded(path: Path, most_bytes: int) -> bytes | None:
    """The content of a file; None for one that is longer, and for what is no file. Raises OSError."""
    if not stat.S_ISREG(path.stat().st_mode):  # to open a named pipe would wait for its other end
        return None
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            return None
        content = file.read(most_bytes + 1)
    return content if len(content) <= most_bytes else None
