"""Which of several images a job takes: `image: "photos/*.jpg"`, `pick`. In: a pattern, names. Out: one name a job."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from aura_daemon.jobfile.keys.generate import Pick

MOST_MATCHES: Final = 10_000
"""Images that a pattern may stand for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pictures:
    """The images that a pattern stands for, of which each job takes one."""

    names: tuple[str, ...]
    pick: Pick
    numbers: Iterator[int]
    """Which job of the file it is, from 0: shared by its documents."""

    def taken(self, seed: int) -> str:
        """The image of the next job: the one that its seed draws, or the next one, from the first again at the end."""
        number = next(self.numbers)
        if self.pick is Pick.RANDOM:
            number = int.from_bytes(hashlib.sha256(f"{seed}/image".encode()).digest()[:8], "big")
        return self.names[number % len(self.names)]


def expression_of(pattern: str) -> re.Pattern[str]:
    """What a path must be to fit a pattern: `*` is any part of a name, `**` any folders; case does not count."""
    parts = pattern.split("/")
    found = ""
    for part, following in pairwise((*parts, None)):
        if part == "**":
            found += r"(?:[^/]+/)*" if following is not None else r"[^/]+(?:/[^/]+)*"
            continue
        name = re.escape(part or "").replace(r"\*", "[^/]*")
        found += name + ("/" if following is not None else "")
    return re.compile(found, re.IGNORECASE)
