"""`demo`: the shipped examples go through the very daemon that `run` runs."""

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
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.assembly import assemble_daemon, local_workers, settings_of
from aura_daemon.daemon.supervisor import SignalHandler
from aura_daemon.file_names import OWN_FOLDER
from aura_daemon.health.listener import Event, JobDelivered, JobFailed, JobStarted
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import EngineTiming
from aura_daemon.journal.records import Source
from aura_daemon.problems import cut
from aura_daemon.system import durable_files, logs


def demo(config: Path | None, log_format: str | None) -> int:
    """Exit code as for `once`."""
    settings = settings_of(config).settings
    folder = put_examples(settings)
    print(
        f"put the examples into {shown(folder)}; loading the models takes some seconds",
        flush=True,
    )
    chosen = log_format or settings.log_format
    with progress_bars.for_stderr() as listener:
        logs.set_up(listener.worker_log_level or settings.log_level, chosen)
        results = Results()
        pool = local_workers(settings, chosen, listener.worker_log_level)
        with assemble_daemon(settings, pool, listeners=(results, listener), drain=True) as daemon:
            results.expect_earlier(daemon.journal.unfinished_sources())
            stopper = SignalHandler(daemon)
            summary = daemon.run()
    results.print()
    print(f"\nhealth: {shown(settings.outbox / 'health.json')}")
    print("next: `make run` or `aura-daemon run`, then drop files into the inbox")
    # What an earlier life of this inbox left behind is told, but says nothing of the examples.
    return exit_code(replace(summary, failed=summary.failed - results.earlier_failed), stopper.stopped_by)


def put_examples(settings: Settings) -> Path:
    """Copies the examples into the inbox, into a folder of their own where it is not empty; returns the folder."""
    inbox = settings.inbox
    folder = inbox
    if any(not entry.name.startswith(".") for entry in inbox.iterdir()):
        tries = ("demo" if number == 1 else f"demo-{number}" for number in count(1))
        folder = next(inbox / name for name in tries if not (inbox / name).exists())
    for example in sorted(resources.files("aura_daemon").joinpath("examples").iterdir(), key=lambda file: file.name):
        durable_files.write(folder / example.name, example.read_bytes(), temp_folder=inbox / OWN_FOLDER / "tmp")
    return folder


class Results:
    """Remembers where the results are."""

    def __init__(self) -> None:
        self._rows: list[DemoRow] = []
        self._asked: dict[str, tuple[str, str]] = {}
        self._earlier: frozenset[str] = frozenset()
        self.earlier_failed = 0
        """Failures of what an earlier run had left in the queue."""

    def expect_earlier(self, sources: Iterable[Source]) -> None:
        """These were claimed before the examples were put there."""
        self._earlier = frozenset(source.id for source in sources)

    def hear(self, event: Event) -> None:
        """Remembers what was asked for, and what came of it."""
        match event:
            case JobStarted(job=job, source=source):
                prompt = cut(job.request.prompt) if isinstance(job.request, GenerateRequest) else ""
                self._asked[job.id] = (self._dropped(source), prompt)
            case JobDelivered(delivered=delivered, produced=produced):
                dropped, prompt = self._asked.get(delivered.job.id, ("", ""))
                said = f"says: {file_names.escaped(produced.text)}" if produced.text else ""
                result, took = shown(delivered.payload), spent(produced.timing)
                self._rows.append(DemoRow(dropped=dropped, asked=prompt, result=result, said=said, took=took))
            case JobFailed(source=source, failure=failure):
                said = file_names.escaped(f"failed: {failure.message} {failure.mend}")
                self._rows.append(DemoRow(dropped=self._dropped(source), said=said))
                self.earlier_failed += source.id in self._earlier
            case _:
                pass

    def _dropped(self, source: Source) -> str:
        name = file_names.escaped(source.path)
        return f"{name} (of an earlier run)" if source.id in self._earlier else name

    def print(self) -> None:
        """The table at the end."""
        console = Console(width=None if sys.stdout.isatty() else WIDTH_IN_A_FILE)
        console.print(table_of(self._rows, console.width))


WIDTH_IN_A_FILE: Final = 1000
"""Characters of a line where there is no terminal: enough to break nothing."""

_TITLES: Final = ("dropped", "result", "time")
_RULES: Final = 8
"""Characters of a line that hold no text: a blank on both sides of three columns, and two lines between them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoRow:
    """One job, in words that do no harm on a terminal."""

    dropped: str
    asked: str = ""
    result: str = ""
    said: str = ""
    took: str = ""

    def cells(self) -> tuple[str, str, str]:
        """A text a column."""
        return f"{self.dropped}\n{self.asked}".strip("\n"), f"{self.result}\n{self.said}".strip("\n"), self.took


def table_of(rows: Sequence[DemoRow], width: int) -> Table:
    """The rows in so many characters: where that is too few, sentences are broken, and names only as a last resort."""
    table = Table(show_edge=False)
    for title, column_width in zip(_TITLES, _widths(rows, width), strict=True):
        table.add_column(title, overflow="fold", width=column_width)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row.cells()))  # a Text's [brackets] are no markup
    return table


def _widths(rows: Sequence[DemoRow], width: int) -> tuple[int | None, int | None, int | None]:
    """Of the columns, so that no name is broken; None leaves it to rich: all fits, or it cannot be done."""
    whole = [_longest(*texts) for texts in zip(_TITLES, *(row.cells() for row in rows), strict=True)]
    least = _longest("dropped", *(row.dropped for row in rows)), _longest("result", *(row.result for row in rows))
    room = width - _RULES - whole[2]
    if whole[0] + whole[1] <= room or sum(least) > room:
        return None, None, None
    right = min(max(least[1], room // 2, room - whole[0]), room - least[0], whole[1])
    return room - right, right, whole[2]


def _longest(*texts: str) -> int:
    """Cells of the longest line."""
    return max(cell_len(line) for text in texts for line in text.split("\n"))


def shown(file: Path) -> str:
    """A path as one would type it here."""
    with suppress(ValueError, FileNotFoundError):
        file = file.relative_to(Path.cwd())
    return file_names.escaped(str(file))


def spent(timing: EngineTiming) -> str:
    """What the models needed, and what loading them needed where they were not there yet."""
    made_s = timing.encoded_s + timing.denoised_s + timing.decoded_s
    loading = f"\n+ {timing.loaded_s:.1f} s loading" if timing.loaded_s >= 0.05 else ""
    return f"{made_s:.1f} s{loading}"
