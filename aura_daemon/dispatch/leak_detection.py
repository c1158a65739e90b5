"""Whether a worker's memory grows from job to job. In: what it had after each. Out: is it to be started anew?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

WATCHED: Final = 24
"""Jobs that are looked at: allocators take a dozen to come to rest."""

LEAST_GROWTH_BYTES: Final = 512 << 20
"""Less is not worth what loading the models again costs."""

_PARTS: Final = 4


def grows(resident_bytes: Sequence[int]) -> bool:
    """True where the last `WATCHED` jobs, with the same models loaded, left more and more behind.

    Each quarter's lowest figure must exceed the one before: memory that comes and goes is no leak.
    """
    recent = list(resident_bytes)[-WATCHED:]
    if len(recent) < WATCHED:
        return False
    size = WATCHED // _PARTS
    lowest = [min(recent[start : start + size]) for start in range(0, WATCHED, size)]
    rises = all(before < after for before, after in pairwise(lowest))
    return rises and lowest[-1] - lowest[0] >= LEAST_GROWTH_BYTES
