"""How long to leave something alone that fails again and again: the time doubles with every failure, up to a limit."""

from __future__ import annotations


class Backoff:
    """How often something failed in a row, and until when it is left alone. Times are seconds of the caller's clock."""

    def __init__(self, *, first_s: float, most_s: float) -> None:
        """`first_s`: the wait after the first failure. `most_s`: the longest wait."""
        self._first_s = first_s
        self._most_s = most_s
        self.failures = 0
        self.until_s: float | None = None
        """When the next try is due; None before the first failure and after a success."""

    def failed(self, now: float, *, at_most_s: float | None = None) -> float:
        """Notes a failure; returns the seconds until the next try, at most `at_most_s`."""
        self.failures += 1
        wait_s = backoff_s(self.failures, first_s=self._first_s, most_s=self._most_s)
        if at_most_s is not None:
            wait_s = min(wait_s, at_most_s)
        self.until_s = now + wait_s
        return wait_s

    def succeeded(self) -> None:
        """Notes a success: the next failure counts as the first."""
        self.failures, self.until_s = 0, None

    def is_due(self, now: float) -> bool:
        """Whether something failed and it is time for the next try."""
        return self.until_s is not None and now >= self.until_s


def backoff_s(failures_in_a_row: int, *, first_s: float, most_s: float) -> float:
    """Seconds to wait after the n-th failure in a row: `first_s`, doubled with each further one, at most `most_s`."""
    if failures_in_a_row < 1:
        raise ValueError("there is nothing to wait for before the first failure")
    doublings = min(failures_in_a_row - 1, 62)
    return float(min(first_s * 2**doublings, most_s))
