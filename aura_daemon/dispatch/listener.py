"""Who is told what happens to jobs, as it happens."""

from __future__ import annotations

from typing import Protocol

from aura_daemon.jobs.results import Failure, Produced
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.delivery import Delivered
from aura_daemon.workers.protocol import Loading, Progress


class Listener(Protocol):
    """Who wants to know as it happens: the terminal's progress bars."""

    def started(self, job: Job, source: Source) -> None: ...
    def loading(self, message: Loading) -> None: ...
    def progress(self, message: Progress) -> None: ...
    def delivered(self, delivered: Delivered, produced: Produced) -> None: ...
    def failed(self, job_id: str, source: Source, failure: Failure) -> None: ...
