"""The lines of a worker's log, on their way into the log file. In: lines. Out: as many as anybody can read.

A worker that was taken over, or a library in a loop, could fill the disk with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aura_daemon.workers.protocol import LogLine

BURST: Final = 2000
"""Lines that are written however fast they come: a start at level DEBUG, with tracebacks."""

PER_S: Final = 50.0
"""Lines a second that are written for as long as they come."""


class LogLines:
    """The lines of one worker."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._seen_s = clock()
        self._room = float(BURST)
        self._left_out = 0

    def write(self, line: LogLine, node: str = "") -> None:
        """Writes a line, or leaves it out where there have been too many, and says afterwards how many were.

        `node`: the machine that the worker runs on, where that is another one.
        """
        from aura_daemon.system import logs  # commands that start no worker need not import loguru

        prefix = f"{logs.WORKER}{node} " if node else logs.WORKER
        now_s = self._clock()
        self._room = min(float(BURST), self._room + (now_s - self._seen_s) * PER_S)
        self._seen_s = now_s
        if self._room < 1.0:
            self._left_out += 1
            return
        self._room -= 1.0
        if self._left_out:
            told = f"{self._left_out:,} lines were left out: there were too many"
            logs.relay("WARNING", told, prefix=prefix)
            self._left_out = 0
        logs.relay(line.level, line.message, prefix=prefix)
