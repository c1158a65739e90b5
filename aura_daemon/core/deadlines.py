"""How long a worker may be silent before it is taken for hung. In: the pace of its steps. Out: seconds."""

from __future__ import annotations

from typing import Final

LEAST_S: Final = 60.0
"""Never less: a machine that swaps, or a disk that spins up, is not hung."""

SLACK: Final = 30.0
"""Steps that a job may be silent for; decoding takes as long as three to eight."""


def silence_s(*, step_s: float | None, configured_s: float) -> float:
    """Seconds without a sign of life; `step_s`: the longest step of late, None before the first one has ended."""
    if step_s is None:
        return configured_s
    return min(configured_s, max(LEAST_S, SLACK * step_s))
