"""How long a worker may be silent. In: its signs of life, looks at the clock. Out: the allowed silence it has exceeded.

Only time in which the daemon looked counts: a daemon that was itself stopped meanwhile (SIGSTOP, a frozen container, a
paused machine) was stopped together with its worker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LEAST_S: Final = 60.0
"""Shortest allowed silence, in s: a machine that swaps, or a disk that spins up, does not hang."""

SLACK: Final = 30.0
"""Allowed silence in steps; decoding takes as long as three to eight steps."""

GAP_S: Final = 10.0
"""Seconds between two looks, which are a second apart, from which on the daemon itself was stopped."""


def silence_s(*, step_s: float | None, configured_s: float) -> float:
    """Allowed seconds without a message; `step_s`: the longest step of the batch, None before one has ended."""
    if step_s is None:
        return configured_s
    return min(configured_s, max(LEAST_S, SLACK * step_s))


class Silence:
    """The silence of one worker, which makes steps."""

    def __init__(self, configured_s: float, clock: Callable[[], float]) -> None:
        """`configured_s`: the longest allowed silence; `clock`: monotonic seconds."""
        self._configured_s = configured_s
        self._clock = clock
        self._now_s = clock()
        """Seconds for which this process ran, gaps left out, up to the last look."""
        self._looked_s = self._now_s
        self._heard_s = self._now_s
        self._stepped_s: float | None = None
        self._longest_step_s: float | None = None

    def look(self) -> None:
        """Looks at the clock: to be called once a second while a batch runs, before anything else."""
        now_s = self._clock()
        if now_s - self._looked_s < GAP_S:
            self._now_s += now_s - self._looked_s
        self._looked_s = now_s

    def begin(self) -> None:
        """A batch begins, whose pace is unknown."""
        self._looked_s = self._clock()
        self._heard_s, self._stepped_s, self._longest_step_s = self._now_s, None, None

    def heard(self) -> None:
        """The worker has sent a message."""
        self._heard_s = self._now_s

    def placed(self) -> None:
        """The next step will be the first of its kind: what precedes it is not its duration, and its pace is unknown.

        A benchmark goes from small pictures to large ones, whose first step may take longer than all those before.
        """
        self._stepped_s = self._longest_step_s = None

    def stepped(self) -> None:
        """The worker has made a step."""
        if self._stepped_s is not None:
            self._longest_step_s = max(self._longest_step_s or 0.0, self._now_s - self._stepped_s)
        self._stepped_s = self._now_s

    def exceeded_s(self) -> float | None:
        """The allowed silence, where the worker has been silent for longer; else None."""
        allowed_s = silence_s(step_s=self._longest_step_s, configured_s=self._configured_s)
        return allowed_s if self._now_s - self._heard_s > allowed_s else None
