"""What a person at the terminal sees while jobs run: rich progress bars, or nothing where nobody looks."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aura_daemon import file_names
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, Produced
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.delivery import Delivered
from aura_daemon.workers import protocol


def for_stderr() -> SilentListener:
    """Progress bars where stderr is a terminal."""
    return ProgressBars() if sys.stderr.isatty() else SilentListener()


class SilentListener:
    """The log says it all."""

    worker_log_level: str | None = None
    """What the child may write to the same terminal; None: as configured."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    def started(self, job: Job, source: Source) -> None:
        """Nothing to show."""

    def loading(self, message: protocol.Loading) -> None:
        """Nothing to show."""

    def progress(self, message: protocol.Progress) -> None:
        """Nothing to show."""

    def delivered(self, delivered: Delivered, produced: Produced) -> None:
        """Nothing to show."""

    def failed(self, job_id: str, source: Source, failure: Failure) -> None:
        """Nothing to show."""


class ProgressBars(SilentListener):
    """One bar for the job that runs; our own log scrolls above it, and the child is kept from writing across it."""

    worker_log_level = "WARNING"

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),  # prompts may hold [brackets]
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._name = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, job: Job, source: Source) -> None:
        """A new bar; the one of an attempt that came to nothing goes."""
        self._end()
        what = job.request.prompt if isinstance(job.request, GenerateRequest) else "caption"
        self._name = f"{file_names.escaped(source.path)}: {what[:40]}"
        self._task = self._progress.add_task(self._name, total=None)

    def loading(self, message: protocol.Loading) -> None:
        """Loading shows the model, and how much of it has come."""
        if self._task is not None:
            total = message.total_bytes or None
            self._progress.update(
                self._task, description=f"loading {message.model}", total=total, completed=message.done_bytes
            )

    def progress(self, message: protocol.Progress) -> None:
        """A step more."""
        if self._task is not None:
            self._progress.update(self._task, description=self._name, total=message.steps, completed=message.step)

    def delivered(self, delivered: Delivered, produced: Produced) -> None:
        """The bar goes."""
        self._end()

    def failed(self, job_id: str, source: Source, failure: Failure) -> None:
        """The bar goes."""
        self._end()

    def _end(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
