"""Events of workers and jobs, and who receives them: listeners (health recorder, progress bars) and extensions.

Listeners are a list: each receives every event, in order. An extension is a listener with work of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

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


Event: TypeAlias = Up | JobStarted | JobDelivered | JobFailed | HealthWritten
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

    @property
    def is_busy(self) -> bool:
        """Whether there is work left that can be done now."""


def notify(listeners: Iterable[Listener], event: Event) -> None:
    """Passes an event to every listener, in order."""
    for listener in listeners:
        listener.on_event(event)
