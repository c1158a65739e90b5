"""Tells the service manager how the daemon is: READY, STATUS, WATCHDOG, RELOADING, STOPPING. In: events, turns.

The watchdog is fed by the turns of the daemon's own loop, and while a job runs only as long as its worker shows signs
of life: a loop that hangs, or that no longer notices a hung worker, is restarted by the manager.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from aura_daemon.health.listener import DaemonPhase, Event, FileHandled, HealthWritten, JobStarted, PhaseChanged
from aura_daemon.service.notify_socket import NotifySocket
from aura_daemon.service.status_line import status_line
from aura_daemon.workers.protocol import Finished, Loading, Placed, Progress, Ready
from aura_daemon.workers.silence import Silence

FEEDS: Final = 3
"""How often the watchdog is fed within its time."""

SLACK_S: Final = 60.0
"""Seconds of silence beyond `deadline`, which should have ended the job, after which the watchdog is not fed."""

FIRST_LOOK_S: Final = 600.0
"""Seconds until READY once the journal is open, instead of the unit's TimeoutStartSec: a large tree, or a slow NAS."""

STOP_SLACK_S: Final = 30.0
"""Seconds for a stop beyond `stop_timeout`: results are written, the worker is ended."""


class ServiceNotices:
    """The extension of one daemon that speaks to the service manager."""

    def __init__(
        self,
        notify_socket: NotifySocket,
        *,
        watchdog_s: float | None,
        deadline_s: float,
        stop_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`watchdog_s`: None where the manager does not look; `deadline_s`, `stop_timeout_s`: as configured."""
        self._socket = notify_socket
        self._feed_every_s = watchdog_s / FEEDS if watchdog_s is not None else None
        self._stop_s = stop_timeout_s + STOP_SLACK_S
        self._clock = clock
        self._silence = Silence(deadline_s + SLACK_S, clock)
        self._running: set[str] = set()
        self._fed_s = clock()
        self._status = ""
        self._socket.send(_extended(FIRST_LOOK_S))

    def on_event(self, event: Event) -> None:
        """Tells of phases and of the status; takes note of signs of life."""
        match event:
            case PhaseChanged():
                self._tell(event.phase)
            case HealthWritten():
                self._say(status_line(event.document))
            case JobStarted():
                if not self._running:
                    self._silence.begin()
                self._running.add(event.job.id)
            case Finished():
                self._running.discard(event.job_id)
                self._silence.heard()
            case FileHandled():
                self.work()  # thousands of files in one turn are progress, too
            case Progress() | Loading() | Placed() | Ready():
                self._silence.heard()
            case _:
                pass

    def waitables(self) -> Sequence[int]:
        """None: the manager says nothing."""
        return ()

    def due_in_s(self) -> float | None:
        """Seconds until the watchdog is fed; soon where the manager has not taken a message."""
        if not self._socket.is_open:
            return None
        if self._socket.has_kept:
            return 1.0
        return max(0.0, self._fed_s + self._feed_every_s - self._clock()) if self._feed_every_s is not None else None

    def work(self) -> None:
        """Feeds the watchdog when that is due."""
        self._silence.look()
        self._socket.flush()
        if self._feed_every_s is None or self._clock() < self._fed_s + self._feed_every_s:
            return
        self._fed_s = self._clock()
        if not self._running or self._silence.exceeded_s() is None:
            self._socket.send("WATCHDOG=1")

    def close(self) -> None:
        """Ends; the next daemon opens a socket of its own."""
        self._socket.close()

    def _tell(self, phase: DaemonPhase) -> None:
        match phase:
            case DaemonPhase.WATCHING:
                self._socket.send("READY=1")
            case DaemonPhase.RELOADING:
                self._socket.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            case DaemonPhase.STOPPING:
                self._socket.send("STOPPING=1", _extended(self._stop_s))
            case _:
                assert_never(phase)

    def _say(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._socket.send(f"STATUS={status}")


def _extended(seconds: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}"
