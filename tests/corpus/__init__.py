"""Bad inputs, kept as files: mutated job files, sidecars, prompts and images. `python -m tests.corpus.make` wrote them.

An input that broke something goes into `files/` as well, under a name that says what it was.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

FILES: Final = Path(__file__).parent / "files"
FOUND: Final = Path(__file__).parent / "readers"
"""What `tests.fuzzing` found, in a folder for each of its readers."""


@cache
def inputs() -> dict[str, bytes]:
    """Name -> bytes, sorted by name; no two names have a stem in common."""
    return {file.name: file.read_bytes() for file in sorted(FILES.iterdir())}


@cache
def findings_of(reader: str) -> dict[str, bytes]:
    """Name -> bytes of the inputs that once broke a reader of `tests.fuzzing`."""
    folder = FOUND / reader
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())} if folder.is_dir() else {}
