"""Reads files that others may have put there. In: a place, a folder out of which nothing may lead. Out: bytes."""

from __future__ import annotations

from pathlib import Path

from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import is_others_link


def content_below(place: str, below: str, most_bytes: int) -> bytes | None:
    """The content of a regular file; None where it cannot be read, is longer, or is not meant to be read here.

    `below`: a folder out of which no link may lead on the way; empty where the place is the daemon's own.
    """
    folder = Path(below) if below else None
    try:
        read = regular_files.read(Path(place), most_bytes=most_bytes + 1, below=folder)
    except OSError:
        return None
    is_others = folder is not None and is_others_link(read.status, folder)
    return None if is_others or len(read.content) > most_bytes else read.content
