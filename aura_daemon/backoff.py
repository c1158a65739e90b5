"""How long to wait before something that failed is tried again. In: failures in a row. Out: seconds."""

from __future__ import annotations


def backoff_s(failures_in_a_row: int, *, first_s: float, most_s: float) -> float:
    """Seconds to wait after the n-th failure in a row: `first_s`, doubled with each further one, at most `most_s`."""
    if failures_in_a_row < 1:
        raise ValueError("there is nothing to wait for before the first failure")
    doublings = min(failures_in_a_row - 1, 62)
    return float(min(first_s * 2**doublings, most_s))
