"""Detects a worker whose memory grows from job to job. In: its memory after each job. Out: whether to restart it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from aura_daemon.workers.pool import MEMORY_SAMPLES

LEAST_GROWTH_BYTES: Final = 512 << 20
"""A smaller growth does not justify the cost of loading the models again."""

_PARTS: Final = 4


def grows(resident_bytes: Sequence[int]) -> bool:
    """Whether memory grew steadily over the last `MEMORY_SAMPLES` jobs, with the same models loaded.

    The lowest sample of each quarter must exceed that of the one before: memory that rises and falls is no leak.
    """
    recent = list(resident_bytes)[-MEMORY_SAMPLES:]
    if len(recent) < MEMORY_SAMPLES:
        return False
    size = MEMORY_SAMPLES // _PARTS
    lowest = [min(recent[start : start + size]) for start in range(0, MEMORY_SAMPLES, size)]
    rises = all(before < after for before, after in pairwise(lowest))
    return rises and lowest[-1] - lowest[0] >= LEAST_GROWTH_BYTES
