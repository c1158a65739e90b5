"""Who is told what happens to workers and jobs, as it happens: health, progress bars; later metrics, hooks, a gallery.

Listeners are a list: each of them is told every event, in order.
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
    """A job was handed to a worker."""

    job: Job
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class JobDelivered:
    """The sidecar of a job is in the outbox."""

    delivered: Delivered
    produced: Produced


@dataclass(frozen=True, kw_only=True, slots=True)
class JobFailed:
    """A job failed for good, or a file asks for nothing that can be run."""

    id: str
    """Of the job; of the file where it has no job."""
    source: Source
    failure: Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthWritten:
    """The health document was written."""

    document: Health


Event: TypeAlias = Up | JobStarted | JobDelivered | JobFailed | HealthWritten
"""What workers report (`workers.protocol`), and what becomes of jobs."""


class Listener(Protocol):
    """Whoever wants to know."""

    def hear(self, event: Event) -> None:
        """Called in the daemon's loop: must not block, and must not raise."""


def tell(listeners: Iterable[Listener], event: Event) -> None:
    """Tells every listener."""
    for listener in listeners:
        listener.hear(event)
