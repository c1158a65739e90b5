"""What a worker is given of a job: the request, and the bytes of the files that the request names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aura_daemon.jobs.requests import Request


class PictureState(StrEnum):
    """What became of one picture of a set."""

    CAPTIONED = "captioned"
    KEPT = "kept"
    """Its text lay beside it already."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class SetPicture:
    """One picture of a set, with its caption."""

    file_name: str
    """Its path below the folder of the set."""
    image: str
    """Its path below the inbox."""
    place: str
    """Where it is read."""
    below: str = ""
    """A folder out of which no link may lead on the way; empty where the place is the daemon's own."""
    state: PictureState
    text: str = ""
    reason: str = ""
    """Why it has no caption."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One job of a batch, with the exact bytes that were claimed."""

    job_id: str
    request: Request
    image: bytes | None = field(default=None, repr=False)
    """The image that is captioned, or that a picture starts from."""
    image_name: str = ""
    """For messages."""
    mask: bytes | None = field(default=None, repr=False)
    further_images: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The other images that the request names, by these names."""
    cells: tuple[bytes | None, ...] = field(default=(), repr=False)
    """The pictures of a contact sheet; None for a picture that failed."""
    pictures: tuple[SetPicture, ...] = field(default=(), repr=False)
    """The pictures of a set; the worker reads them where they lie, one after the other."""

    @property
    def image_bytes(self) -> int:
        """Of all images that are handed over."""
        return sum(map(len, (self.image or b"", self.mask or b"", *self.further_images.values())))
