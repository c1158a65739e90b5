"""Events of workers and jobs, and who receives them: listeners (health recorder, progress bars) and extensions.

Listeners are a list: each receives every event, in order. An extension is a listener with work of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

from aura_daemon.health.document import Health
from aura_daemon.jobs.results import Failure, Produced
from aura_daemon.journal.records import Job, Source
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.outbox.delivery import Delivered
from aura_daemon.workers.protocol import Up


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStarted:
    """A worker was given a job."""

    job: Job
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class JobDelivered:
    """The sidecar of a job was written to the outbox."""

    delivered: Delivered
    produced: Produced


@dataclass(frozen=True, kw_only=True, slots=True)
class JobFailed:
    """A job failed for good, or a file contains no job that can run."""

    id: str
    """Id of the job, or of the file where it has no jobs."""
    source: Source
    failure: Failure
    job: Job | None = None
    """None: the file was refused, it holds no job that can run."""


class FollowUp(StrEnum):
    """What follows from a failed attempt, decided by `dispatch.retry_policy`."""

    RETRY = "retry"
    GIVE_BACK = "give_back"
    STEP_DOWN = "step_down"
    WAIT_FOR_MODEL = "wait_for_model"
    WAIT_FOR_MEMORY = "wait_for_memory"
    GIVE_UP = "give_up"
    """A `JobFailed` tells of it too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptFailed:
    """An attempt of a job failed, or was refused before it began, and what follows is journaled."""

    job: Job
    failure: Failure
    follow_up: FollowUp
    tried: RunConditions | None
    """None where it ended before a rung was chosen."""


class WorkerEnd(StrEnum):
    """Why a worker ended while the daemon goes on; the next job starts another."""

    DIED = "died"
    """It crashed, was killed from outside, or was ended at its deadline."""
    GROWN = "grown"
    """Its memory grew from job to job."""
    IDLE = "idle"
    """There was nothing to do for `unload_after`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerEnded:
    """A worker's process has ended."""

    why: WorkerEnd


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthWritten:
    """The health document was written."""

    document: Health


@dataclass(frozen=True, kw_only=True, slots=True)
class FileHandled:
    """A file was claimed and its jobs journaled, or its source put away: one of thousands in a turn of the loop."""

    source: Source


class DaemonPhase(StrEnum):
    """A part of a daemon's life, as a service manager wants to know it."""

    WATCHING = "watching"
    """It has begun to watch the inbox; or a configuration that was read again is in force, or refused."""
    RELOADING = "reloading"
    """It reads its configuration again."""
    STOPPING = "stopping"
    """It was told to stop, and no other daemon follows in this process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseChanged:
    """The daemon has entered a phase."""

    phase: DaemonPhase


Event: TypeAlias = (
    Up
    | JobStarted
    | JobDelivered
    | JobFailed
    | AttemptFailed
    | WorkerEnded
    | HealthWritten
    | PhaseChanged
    | FileHandled
)
"""The reports of workers (`workers.protocol`), and the daemon's own events."""


class Listener(Protocol):
    """Receives events."""

    def on_event(self, event: Event) -> None:
        """Receives an event in the daemon's loop; must not block and must not raise."""


class Extension(Listener, Protocol):
    """A part of the daemon with work of its own beside files and jobs, done in the daemon's loop."""

    def waitables(self) -> Sequence[int]:
        """Descriptors that are readable when there is work."""

    def due_in_s(self) -> float | None:
        """Seconds until there is work; None where only an event or a descriptor brings some."""

    def work(self) -> None:
        """Does what is due, within some 50 ms; called at every turn of the loop. Must not raise."""

    def close(self) -> None:
        """Ends: the daemon stops, or another one with a new configuration follows."""


@runtime_checkable
class Awaited(Protocol):
    """What an extension offers too whose work a drain waits for."""

    def finishes(self) -> bool:
        """Told that a drain has nothing else to do; returns whether this has nothing left either."""


def notify(listeners: Iterable[Listener], event: Event) -> None:
    """Passes an event to every listener, in order."""
    for listener in listeners:
        listener.on_event(event)
