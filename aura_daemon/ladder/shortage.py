"""Memory that other programs have for now. In: how a job ran, what it asks for. Out: whether more of it is to be had.

Jobs of one demand wait for it together, so that one of them tries for all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aura_daemon.ladder.attempts import Attempt, RunConditions
from aura_daemon.ladder.measurements import refused_bytes
from aura_daemon.ladder.prediction import REFUSED

NEVER_FREE: Final = 0.05
"""Of all memory, what other programs never give back."""

FIRST_WAIT_S: Final = 15.0

LONGEST_WAIT_S: Final = 300.0
"""Other programs come and go, and a try costs next to nothing: nothing is loaded for it."""


def passes(tried: RunConditions | None) -> bool:
    """Whether a job that had no memory on its last rung would have it if other programs gave theirs back."""
    if tried is None:
        return False
    needed = max(tried.expected_bytes, int(refused_bytes(tried) * REFUSED))
    return tried.room_bytes < needed <= tried.total_bytes * (1 - NEVER_FREE)


def waited(attempt: Attempt, tried: RunConditions, waited_s: float) -> Attempt:
    """An attempt after which its job waits; one that was not made, for want of room, tells how long it has waited."""
    reason = f"{attempt.reason}; it waited for memory that other programs had"
    if tried.expected_bytes <= tried.room_bytes:
        return replace(attempt, reason=reason, waited=True)
    return replace(attempt, reason=reason, waited=True, rung=None, seconds=waited_s)
