"""Events of workers and jobs, and who receives them: listeners (health recorder, progress bars) and extensions.

Listeners are a list: each receives every event, in order. An extension is a listener with work of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from aura_daemon.health.document import Health
from aura_daemon.jobs.results import Failure, Produced
from aura_daemon.journal.records import Job, Source
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


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthWritten:
    """The health document was written."""

    document: Health


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


Event: TypeAlias = Up | JobStarted | JobDelivered | JobFailed | HealthWritten | PhaseChanged
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


def notify(listeners: Iterable[Listener], event: Event) -> None:
    """Passes an event to every listener, in order."""
    for listener in listeners:
        listener.on_event(event)
