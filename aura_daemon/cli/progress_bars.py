"""What a person at the terminal sees while jobs run: rich progress bars, or nothing where stderr is no terminal."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aura_daemon import file_names
from aura_daemon.health.listener import Event, JobDelivered, JobFailed, JobStarted
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.workers import protocol


def for_stderr() -> SilentListener:
    """Progress bars where stderr is a terminal."""
    return ProgressBars() if sys.stderr.isatty() else SilentListener()


class SilentListener:
    """Shows nothing: the log tells everything."""

    worker_log_level: str | None = None
    """The log level of the child, which writes to the same terminal; None: as configured."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def on_event(self, event: Event) -> None:
        """Nothing to show."""


class ProgressBars(SilentListener):
    """One bar for the running job; the log scrolls above it, and the child logs only warnings, which may cross it."""

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
        self._job_id = self._name = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._progress.stop()

    def on_event(self, event: Event) -> None:
        """Updates the bar of the running job; a terminal that was closed meanwhile must not end the job."""
        with suppress(OSError):
            self._show(event)

    def _show(self, event: Event) -> None:
        match event:
            case JobStarted(job=job, source=source):
                self._end()  # the bar of an attempt that was given up, or whose result is on its way to the outbox
                what = job.request.prompt if isinstance(job.request, GenerateRequest) else job.kind
                self._job_id = job.id
                self._name = f"{file_names.escaped(source.path)}: {what[:40]}"
                self._task = self._progress.add_task(self._name, total=None)
            case JobDelivered(delivered=delivered) if delivered.job.id == self._job_id:
                self._end()
            case JobFailed(id=job_id) if job_id == self._job_id:
                self._end()
            case protocol.Loading() if self._task is not None:
                description, total = f"loading {event.model}", event.total_bytes or None
                self._progress.update(self._task, description=description, total=total, completed=event.done_bytes)
            case protocol.Progress() if self._task is not None:
                self._progress.update(self._task, description=self._name, total=event.steps, completed=event.step)

    def _end(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
