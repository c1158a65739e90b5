"""Which of several images a job takes: `image: "photos/*.jpg"`, `pick`. In: a pattern, names. Out: one name a job."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names as people count: `2.png` comes before `10.png`."""
    return tuple(sorted(names, key=_parts))


def _parts(name: str) -> list[str | int]:
    """A name with its numbers as numbers; text and numbers take turns, so that two names can be compared."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"([0-9]{1,18})", name))]
