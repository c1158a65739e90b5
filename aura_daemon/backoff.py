"""How long to leave something alone that fails again and again: doubling, bounded."""

from __future__ import annotations


def backoff_s(failures_in_a_row: int, *, first_s: float, most_s: float) -> float:
    """Seconds to leave something alone after it failed for the n-th time in a row: doubling, bounded."""
    if failures_in_a_row < 1:
        raise ValueError("there is nothing to wait for before the first failure")
    doublings = min(failures_in_a_row - 1, 62)
    return float(min(first_s * 2**doublings, most_s))
