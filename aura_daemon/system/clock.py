"""The time for recorded moments: starts with the wall clock and goes on with the monotonic clock. Out: seconds.

Claims keep their order, and waits their length, when the wall clock is set. Only a restart reads the wall clock again,
because the monotonic clock means nothing across boots; its time is then never before the last claim. Times shown to
people come from the wall clock itself.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime


class SteadyClock:
    """A clock in seconds since the epoch that never jumps."""

    def __init__(self, *, not_before: float = 0.0) -> None:
        """`not_before`: the last recorded moment; the clock starts no earlier, even if the wall clock was set back."""
        self._offset_s = max(time.time(), not_before) - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch, as the wall clock would show them had nobody set it since the start."""
        return time.monotonic() + self._offset_s


def suspended_s() -> float:
    """Seconds for which this machine was suspended or hibernated since its start; 0 where the system does not tell."""
    if sys.platform == "linux":
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic())
    return 0.0


def utc_now() -> str:
    """The wall clock in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
