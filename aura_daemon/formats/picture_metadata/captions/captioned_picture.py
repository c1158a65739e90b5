"""What writing a caption into a picture gives: the changes, or why there are none. In: nothing. Out: these two."""

from __future__ import annotations

from dataclasses import dataclass

from aura_daemon.jobs.picture_copies import Change


class CannotHold(Exception):
    """A picture that no caption is written into; its text says why, as the end of a sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionedPicture:
    """The changes by which a picture gets its caption, and what was found on the way."""

    extension: str
    """With the dot, of the format that its bytes have."""
    changes: tuple[Change, ...]
    has_replaced: bool
    """Whether another description gave way to the caption."""
    width: int | None = None
    """Pixels, as stored; None where only a decoder finds out."""
    height: int | None = None
