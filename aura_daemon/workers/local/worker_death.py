"""Whose fault was the death of a worker process? In: how it ended. Out: the failure of the jobs that it ran.

A worker that a signal from outside ended before it was ready says nothing about its jobs or about this installation.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from typing import Final

from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.attempts import RunConditions, kind_when_killed
from aura_daemon.system.processes.stop_signals import KILL, STOP_SIGNALS

FROM_OUTSIDE: Final = STOP_SIGNALS | KILL
"""Signals that a process gets from others; the faults of its own code end it with others."""

MOST_EARLY_KILLS: Final = 3
"""Kills in a row, before the worker was ready, after which its jobs wait longer and longer."""

MACHINE_SIGNALS: Final = {
    "SIGILL": "torch, or a library, uses instructions that this processor lacks: install builds made for it",
    "SIGSYS": "the service unit forbids a system call that torch needs: widen its SystemCallFilter=",
    "SIGBUS": "a file that the model is read from could not be read: look at its disk and the system's log",
}
"""Signals that end a worker through a fault of the machine, whatever the job: its model is held up -> the mend."""

DISTRUSTED: Final = (
    "it is started anew for the next job; a file that does this to it again and again was made to: keep it for a report"
)

RESTARTED: Final = "it is started anew for the next job; see the log"

BROKEN_INSTALLATION: Final = (
    "no job can do anything about that: see the log; most likely torch or another library is broken"
)
"""Advice for a worker that dies by itself while it starts. That is not the fault of its job, which waits as for a
missing model."""

NO_MEMORY_TO_START: Final = (
    "End other programs that use memory, or let this machine, its service unit or its container have more memory."
)

KILLED_EARLY: Final = (
    "Something on this machine kills the worker (a person, a service manager, a guard of memory such as earlyoom): "
    "see the system's log."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerDeath:
    """How a worker process ended while it had jobs."""

    ending: str
    """In words: `was killed by signal 9 (SIGKILL)`."""
    killed_by: signal.Signals | None = None
    was_oom_killed: bool = False
    was_ready: bool = True
    placed: tuple[RunConditions, ...] = ()
    """Of its jobs, as far as it came."""
    early_kills: int = 1
    """Workers in a row, with this one, that were killed from outside before they were ready."""

    @property
    def was_killed_from_outside(self) -> bool:
        """Whether another process killed it, as far as the signal tells."""
        return self.killed_by in FROM_OUTSIDE and not self.was_oom_killed

    def failure(self) -> Failure:
        """The failure of its jobs."""
        text = f"the worker process {self.ending}"
        if self.was_oom_killed and self.placed:
            message = "the kernel's out-of-memory killer took the worker process"
            return Failure(kind=kind_when_killed(self.placed), message=message, mend=RESTARTED)
        if self.killed_by is not None and (mend := MACHINE_SIGNALS.get(self.killed_by.name)) is not None:
            message = f"{text}, which is this machine's fault"
            return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=mend)
        if self.was_ready:
            return Failure(kind=FailureKind.CRASHED, message=text, mend=RESTARTED)
        if self.was_oom_killed:
            message = "the kernel's out-of-memory killer took the worker process before it was ready to run anything"
            return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=NO_MEMORY_TO_START)
        message = f"{text}, before it was ready to run anything"
        if not self.was_killed_from_outside:
            return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=BROKEN_INSTALLATION)
        if self.early_kills < MOST_EARLY_KILLS:
            return Failure(kind=FailureKind.INTERRUPTED, message=message, mend=RESTARTED)
        message = f"{message}, as {self.early_kills - 1} before it"
        return Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=message, mend=KILLED_EARLY)


def broken_protocol(fault: str) -> Failure:
    """The failure of the jobs of a worker that sent what no worker sends: damage to its memory, or a hostile file.

    It counts as a crash does: a file that does so to every worker ends as a failure.
    """
    message = f"the worker process sent what it must not, and was killed: {fault}"
    return Failure(kind=FailureKind.CRASHED, message=message, mend=DISTRUSTED)


def after_suspension(failure: Failure) -> Failure:
    """The failure of a job during which the machine was suspended or hibernated, which not every driver survives."""
    if failure.kind not in (FailureKind.CRASHED, FailureKind.DEADLINE):
        return failure
    message = f"{failure.message} (this machine was suspended meanwhile)"
    return replace(failure, kind=FailureKind.INTERRUPTED, message=message)
