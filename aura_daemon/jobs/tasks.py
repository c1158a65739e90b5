"""What a worker is given of a job: the request, and the bytes of the files that the request names."""

from __future__ import annotations

from dataclasses import dataclass, field

from aura_daemon.jobs.requests import Request


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
    cells: tuple[bytes | None, ...] = field(default=(), repr=False)
    """The pictures of a contact sheet; None for a picture that failed."""
