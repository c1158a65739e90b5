"""The units of systemd that mount what folders lie on. In: the folders. Out: their names.

A unit that wants them starts after them, and also without them. RequiresMountsFor does too much: a service whose server
starts later than the machine would never start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence


def mount_units(folders: Sequence[str]) -> Iterator[str]:
    """Names for all that could be mounted on the way to the folders; systemd passes over those that nobody mounts."""
    parts = [[part for part in folder.split("/") if part] for folder in folders]
    for place in sorted({tuple(names[:depth]) for names in parts for depth in range(1, len(names) + 1)}):
        yield f"{_escaped(place)}.mount"


def _escaped(place: Sequence[str]) -> str:
    """As `systemd-escape --path` does it."""
    name = "-".join(re.sub(r"[^a-zA-Z0-9:_.]", _in_bytes, part) for part in place)
    return rf"\x2e{name[1:]}" if name.startswith(".") else name


def _in_bytes(character: re.Match[str]) -> str:
    return "".join(rf"\x{byte:02x}" for byte in character[0].encode(errors="surrogateescape"))
