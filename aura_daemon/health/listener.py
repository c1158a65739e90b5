"""Events of workers and jobs, and the listeners that receive them (health recorder, progress bars).

Listeners are a list: each receives every event, in order. Metrics, hooks or a gallery can be added as listeners.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


Event: TypeAlias = Up | JobStarted | JobDelivered | JobFailed | HealthWritten
"""The reports of workers (`workers.protocol`), and the daemon's own events."""


class Listener(Protocol):
    """Receives events."""

    def on_event(self, event: Event) -> None:
        """Receives an event in the daemon's loop; must not block and must not raise."""


def notify(listeners: Iterable[Listener], event: Event) -> None:
    """Passes an event to every listener, in order."""
    for listener in listeners:
        listener.on_event(event)
