"""Time of day for what is remembered: begins with the wall clock and goes on with the monotonic one.

Claims keep their order and waits their length when the wall clock is set; only a restart (another boot's monotonic
clock means nothing) takes the wall clock's word again, and never for a moment before the last claim. Stamps for people
come from the wall clock itself.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SteadyClock:
    """Seconds since the epoch that never jump."""

    def __init__(self, *, not_before: float = 0.0) -> None:
        """`not_before`: the last moment that is remembered; a wall clock that was set back does not lead behind it."""
        self._offset_s = max(time.time(), not_before) - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch, as the wall clock would have it had nobody touched it since the start."""
        return time.monotonic() + self._offset_s


def utc_now() -> str:
    """The wall clock in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
