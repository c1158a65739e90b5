"""Memory that other programs hold for now. In: how a job ran. Out: whether waiting may help, and the record of a wait.

Jobs of one demand (`jobs.queueing.demand_of`) wait together, so that one of them tries for all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aura_daemon.ladder.attempts import Attempt, RunConditions
from aura_daemon.ladder.measurements import refused_bytes
from aura_daemon.ladder.prediction import REFUSED

NEVER_FREE: Final = 0.05
"""Share of all memory that other programs never release."""

FIRST_WAIT_S: Final = 15.0

LONGEST_WAIT_S: Final = 300.0
"""Other programs come and go, and a try costs almost nothing: no model is loaded for it."""


def passes(conditions: RunConditions | None) -> bool:
    """Whether a job without enough memory on its last rung would have it if other programs released theirs."""
    if conditions is None:
        return False
    needed = max(conditions.expected_bytes, int(refused_bytes(conditions) * REFUSED))
    return conditions.room_bytes < needed <= conditions.total_bytes * (1 - NEVER_FREE)


def waited(attempt: Attempt, conditions: RunConditions, waited_s: float) -> Attempt:
    """An attempt after which its job waits; one that was never made, for lack of room, holds the time waited."""
    reason = f"{attempt.reason}; it waited for memory that other programs had"
    if conditions.expected_bytes <= conditions.room_bytes:
        return replace(attempt, reason=reason, waited=True)
    return replace(attempt, reason=reason, waited=True, rung=None, seconds=waited_s)
