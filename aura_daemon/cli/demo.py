"""`demo`: the shipped examples go through the same daemon that `run` runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aura_daemon import file_names
from aura_daemon.cli import progress_bars
from aura_daemon.cli.run import exit_code
from aura_daemon.cli.setup.init import called
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.assembly import assemble_daemon, settings_of
from aura_daemon.daemon.supervisor import SignalHandler
from aura_daemon.file_names import OWN_FOLDER
from aura_daemon.gallery.paging import INDEX
from aura_daemon.health.listener import Event, JobDelivered, JobFailed, JobStarted
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import EngineTiming
from aura_daemon.journal.records import Source
from aura_daemon.problems import cut
from aura_daemon.system import durable_files, logs
from aura_daemon.workers.assembly import assemble_workers


def demo(config: Path | None, log_format: str | None) -> int:
    """Exit code as for `once`."""
    settings = settings_of(config).settings
    folder = put_examples(settings)
    print(f"put the examples into {shown(folder)}; loading the models takes some seconds", flush=True)
    chosen = log_format or settings.log_format
    with progress_bars.for_stderr() as listener:
        logs.set_up(listener.worker_log_level or settings.log_level, chosen)
        results = Results()
        pool = assemble_workers(settings, chosen, listener.worker_log_level)
        with assemble_daemon(settings, pool, listeners=(results, listener), drain=True) as daemon:
            results.expect_earlier(daemon.journal.unfinished_sources())
            stopper = SignalHandler(daemon)
            summary = daemon.run()
    results.print()
    print(f"\nhealth:  {shown(settings.outbox / 'health.json')}")
    if settings.gallery.outbox:
        print(f"gallery: {shown(settings.outbox / INDEX)}, for any browser")
    print(f"next:    `make run` or `{called()} run`, then drop files into the inbox")
    # Jobs that an earlier run left in the queue are listed, but their failures are not those of the examples.
    return exit_code(replace(summary, failed=summary.failed - results.earlier_failed), stopper.stopped_by)


def put_examples(settings: Settings) -> Path:
    """Copies the examples into an empty inbox, else into a new folder of the inbox; returns where they are."""
    folder = inbox = settings.inbox
    if any(not entry.name.startswith(".") for entry in inbox.iterdir()):
        names = ("demo" if number == 1 else f"demo-{number}" for number in count(1))
        folder = next(inbox / name for name in names if not (inbox / name).exists())
    for example in sorted(resources.files("aura_daemon").joinpath("examples").iterdir(), key=lambda file: file.name):
        durable_files.write(folder / example.name, example.read_bytes(), temp_folder=inbox / OWN_FOLDER / "tmp")
    return folder


class Results:
    """Keeps a row for each job."""

    def __init__(self) -> None:
        self._rows: list[DemoRow] = []
        self._started: dict[str, tuple[str, str]] = {}
        """Job id -> the file that was dropped, and its prompt."""
        self._earlier: frozenset[str] = frozenset()
        self.earlier_failed = 0
        """Failed jobs that an earlier run had left in the queue."""

    def expect_earlier(self, sources: Iterable[Source]) -> None:
        """Remembers sources that were claimed before the examples were put there."""
        self._earlier = frozenset(source.id for source in sources)

    def on_event(self, event: Event) -> None:
        """Adds the row of a result or a failure."""
        match event:
            case JobStarted(job=job, source=source):
                prompt = cut(job.request.prompt) if isinstance(job.request, GenerateRequest) else ""
                self._started[job.id] = (self._dropped(source), prompt)
            case JobDelivered(delivered=delivered, produced=produced):
                dropped, prompt = self._started.get(delivered.job.id, ("", ""))
                message = f"says: {file_names.escaped(produced.text)}" if produced.text else ""
                result, time = shown(delivered.payload), spent(produced.timing)
                self._rows.append(DemoRow(dropped=dropped, prompt=prompt, result=result, message=message, time=time))
            case JobFailed(source=source, failure=failure):
                message = file_names.escaped(f"failed: {failure.told}")
                self._rows.append(DemoRow(dropped=self._dropped(source), message=message))
                self.earlier_failed += source.id in self._earlier

    def _dropped(self, source: Source) -> str:
        name = file_names.escaped(source.path)
        return f"{name} (of an earlier run)" if source.id in self._earlier else name

    def print(self) -> None:
        """Prints the table of all rows."""
        console = Console(width=None if sys.stdout.isatty() else WIDTH_IN_A_FILE)
        console.print(table_of(self._rows, console.width))


WIDTH_IN_A_FILE: Final = 1000
"""Characters of a line where the output is no terminal: enough for every name on one line."""

_TITLES: Final = ("dropped", "result", "time")
_RULES: Final = 8
"""Characters of a line besides the texts: a blank on both sides of three columns, and two lines between them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoRow:
    """One job, in texts that are safe for a terminal."""

    dropped: str
    prompt: str = ""
    result: str = ""
    message: str = ""
    """The caption, or why the job failed."""
    time: str = ""

    def cells(self) -> tuple[str, str, str]:
        """A text a column."""
        return f"{self.dropped}\n{self.prompt}".strip("\n"), f"{self.result}\n{self.message}".strip("\n"), self.time


def table_of(rows: Sequence[DemoRow], width: int) -> Table:
    """A table of at most `width` characters: where that is too few, sentences are broken before names are."""
    table = Table(show_edge=False)
    for title, column_width in zip(_TITLES, _widths(rows, width), strict=True):
        table.add_column(title, overflow="fold", width=column_width)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row.cells()))  # a Text's [brackets] are no markup
    return table


def _widths(rows: Sequence[DemoRow], width: int) -> tuple[int | None, int | None, int | None]:
    """Widths of the columns that break no name; None leaves them to rich: everything fits, or nothing helps."""
    full = [_longest(*texts) for texts in zip(_TITLES, *(row.cells() for row in rows), strict=True)]
    least = _longest("dropped", *(row.dropped for row in rows)), _longest("result", *(row.result for row in rows))
    available = width - _RULES - full[2]
    if full[0] + full[1] <= available or sum(least) > available:
        return None, None, None
    right = min(max(least[1], available // 2, available - full[0]), available - least[0], full[1])
    return available - right, right, full[2]


def _longest(*texts: str) -> int:
    """The width of the longest line, in terminal cells."""
    return max(cell_len(line) for text in texts for line in text.split("\n"))


def shown(file: Path) -> str:
    """A path as a user would type it in the current folder."""
    with suppress(ValueError, FileNotFoundError):
        file = file.relative_to(Path.cwd())
    return file_names.escaped(str(file))


def spent(timing: EngineTiming) -> str:
    """The time that the models computed for, and the time that they took to load where they did."""
    made_s = timing.encoded_s + timing.denoised_s + timing.decoded_s
    loading = f"\n+ {timing.loaded_s:.1f} s loading" if timing.loaded_s >= 0.05 else ""
    return f"{made_s:.1f} s{loading}"
