"""What a person at the terminal sees while jobs run: rich progress bars, or nothing where stderr is no terminal.

Each job that runs has a bar of its own, as several workers make steps in turn.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aura_daemon import file_names
from aura_daemon.health.listener import Event, JobStarted
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.workers import protocol

MOST_BARS: Final = 8
"""A job that starts beside so many has no bar."""


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
    """A bar for each running job; the log scrolls above, and the children log only warnings, which may cross them."""

    worker_log_level = "WARNING"

    def __init__(self, console: Console | None = None) -> None:
        """`console`: where they are shown; None: on stderr."""
        self._console = console or Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),  # prompts may hold [brackets]
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._bars: dict[str, tuple[TaskID, str]] = {}
        """Job id -> its bar, and what it says while the job draws."""

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.progress.stop()

    def on_event(self, event: Event) -> None:
        """Updates the bar of a running job; a terminal that was closed meanwhile must not end the job."""
        with suppress(OSError):
            self._show(event)

    def _show(self, event: Event) -> None:
        match event:
            case JobStarted(job=job, source=source) if len(self._bars) < MOST_BARS and job.id not in self._bars:
                what = job.request.prompt if isinstance(job.request, GenerateRequest) else job.kind
                name = f"{file_names.escaped(source.path)}: {what[:40]}"
                self._bars[job.id] = self.progress.add_task(name, total=None), name
            case protocol.Finished(job_id=job_id) if job_id in self._bars:
                self.progress.remove_task(self._bars.pop(job_id)[0])
            case protocol.Loading(job_ids=job_ids):
                told, total = f"loading {event.model}", event.total_bytes or None
                for bar, _ in (self._bars[job_id] for job_id in job_ids if job_id in self._bars):
                    self.progress.update(bar, description=told, total=total, completed=event.done_bytes)
            case protocol.Progress(job_id=job_id) if job_id in self._bars:
                bar, name = self._bars[job_id]
                self.progress.update(bar, description=name, total=event.steps, completed=event.step)
