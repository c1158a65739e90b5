"""A hook that runs: a child process in a session of its own. In: an argument list, variables, bytes. Out: how it ended.

Nothing blocks. Its last lines are kept; at its time limit its process group is ended. It inherits no descriptor but
the three standard ones. Whatever it leaves in the background is its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from aura_daemon import file_names
from aura_daemon.journal.hook_events import HOOK_OK
from aura_daemon.system.processes import sessions

OUTPUT_BYTES: Final = 4096
"""The end of what a hook writes, which is kept."""

OUTPUT_LINES: Final = 5

TERM_S: Final = 2.0
"""Seconds from SIGTERM at the time limit to SIGKILL."""

REAP_S: Final = 1.0
"""Seconds in which a killed hook must end, else it is left: another user\'s (sudo), or one on a disk that is gone."""

POLL_S: Final = 0.1
"""How often a hook is looked at where the system has no descriptor for the end of a process."""


class HookProcess:
    """One run of a hook."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[bytes, bytes],
        content: bytes,
        *,
        time_limit_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts it, with `content` on its standard input; raises OSError where that is impossible."""
        self._clock = clock
        self._time_limit_s = time_limit_s
        self._due_s = clock() + time_limit_s
        """When it is to be ended, by the next means."""
        self._is_killed = False
        self._ended_because = ""
        self._tail = b""
        self._process = sessions.started(command, environment, content)
        self._output = self._process.stdout
        self._end = sessions.descriptor_of_end(self._process)

    def waitables(self) -> list[int]:
        """Descriptors that are readable when it has written something or ended."""
        output = [self._output.fileno()] if self._output is not None else []
        return [*output, self._end] if self._end is not None else output

    def due_in_s(self) -> float:
        """Seconds until its time limit, or until it is to be looked at."""
        left_s = max(0.0, self._due_s - self._clock())
        return left_s if self._end is not None else min(left_s, POLL_S)

    def poll(self) -> str | None:
        """What became of it, in words (`HOOK_OK`); None while it runs."""
        self._read()
        code = self._process.poll()
        if code is None:
            if (now_s := self._clock()) >= self._due_s:
                return self._hasten(now_s)
            return None
        if self._ended_because:
            sessions.signal_group(self._process, kills=True)  # what it started, and what ignored the first signal
        self._read()  # what it wrote since, before it ended
        self._close()
        return self._told(code)

    def end(self, because: str) -> str:
        """Kills it with its process group; returns what became of it, in words."""
        self._ended_because = because
        sessions.signal_group(self._process, kills=True)
        try:
            self._process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            return self._left_alone()
        self._read()
        self._close()
        return because

    @property
    def output(self) -> str:
        """The last lines that it wrote, on one line."""
        lines = [line.strip() for line in self._tail.decode(errors="replace").splitlines() if line.strip()]
        return file_names.escaped(" | ".join(lines[-OUTPUT_LINES:]))

    def _hasten(self, now_s: float) -> str | None:
        """Does the next thing that makes it end; returns what became of it where nothing is left to do."""
        if not self._ended_because:
            self._ended_because = f"it ran for longer than {self._time_limit_s:g} s and was ended"
            sessions.signal_group(self._process, kills=False)
            self._due_s = now_s + TERM_S
        elif not self._is_killed:
            sessions.signal_group(self._process, kills=True)
            self._is_killed, self._due_s = True, now_s + REAP_S
        else:
            return self._left_alone()
        return None

    def _left_alone(self) -> str:
        self._read()
        self._close()
        return f"{self._ended_because}, but cannot be: it is left alone"

    def _told(self, code: int) -> str:
        if self._ended_because:
            return self._ended_because
        if code == 0:
            return HOOK_OK
        if code > 0:
            return f"it ended with exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"it was killed by signal {name}"

    def _read(self) -> None:
        """Reads what it has written since; at most once around, so that a flood cannot hold up the loop."""
        for _ in range(16):
            if self._output is None:
                return
            part = self._output.read(OUTPUT_BYTES)
            if part is None:  # nothing more for now
                return
            if not part:
                self._output.close()
                self._output = None
            self._tail = (self._tail + part)[-OUTPUT_BYTES:]

    def _close(self) -> None:
        """Closes the descriptors; a process that it left in the background may still hold the other end."""
        if self._output is not None:
            self._output.close()
            self._output = None
        if self._end is not None:
            os.close(self._end)
            self._end = None
