"""A copy of a picture with other metadata, as the few bytes in which it differs. In: the original. Out: the copy.

So a picture of 50 MB crosses from the worker to the daemon as a few kB, and no copy is kept in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """The bytes from `start` up to `end` of the original give way to `content`."""

    start: int
    end: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureCopy:
    """How a copy is made of its original."""

    extension: str
    """With the dot: `.jpg`."""
    changes: tuple[Change, ...]
    """In their order in the file; none overlaps another."""
    original_sha256: str
    width: int | None = None
    """Pixels, as stored: EXIF may turn the picture; None where only a decoder finds out."""
    height: int | None = None

    def made_of(self, original: bytes) -> bytes:
        """The copy."""
        return changed(original, self.changes)


def changed(content: bytes, changes: Sequence[Change]) -> bytes:
    """The bytes with all changes."""
    pieces: list[bytes | memoryview] = []
    place = 0
    for change in changes:
        pieces += [memoryview(content)[place : change.start], change.content]
        place = change.end
    return b"".join([*pieces, memoryview(content)[place:]])
