"""`demo`: the shipped examples go through the very daemon that `run` runs."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import resources
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aura_daemon import durable, logs
from aura_daemon.cli import terminal
from aura_daemon.cli.compose import daemon_of, settings_of, worker_of
from aura_daemon.cli.running import Stopper, exit_code
from aura_daemon.cli.terminal import Silent
from aura_daemon.core import names
from aura_daemon.core.job import EngineTiming, Failure, GenerateRequest, Produced
from aura_daemon.core.names import OWN_FOLDER
from aura_daemon.delivery import Delivered
from aura_daemon.options import Settings
from aura_daemon.records import JobRow, SourceRow
from aura_daemon.workers import protocol


def demo(config: Path | None, log_format: str | None) -> int:
    """Exit code as for `once`."""
    settings = settings_of(config).settings
    folder = put_examples(settings)
    print(
        f"put the examples into {shown(folder)}; loading the models takes some seconds",
        flush=True,
    )
    chosen = log_format or settings.log_format
    with terminal.for_stderr() as listener:
        logs.set_up(listener.worker_log_level or settings.log_level, chosen)
        results = Results(listener)
        worker = worker_of(settings, chosen, listener.worker_log_level)
        with daemon_of(settings, worker, results, drain=True) as daemon:
            stopper = Stopper(daemon)
            summary = daemon.run()
    results.print()
    print(f"\nhealth: {shown(settings.outbox / 'health.json')}")
    print("next: `make run` or `aura-daemon run`, then drop files into the inbox")
    return exit_code(summary, stopper.stopped_by)


def put_examples(settings: Settings) -> Path:
    """Copies the examples into the inbox, into a folder of their own where it is not empty; returns the folder."""
    inbox = settings.inbox
    folder = inbox
    if any(not entry.name.startswith(".") for entry in inbox.iterdir()):
        tries = ("demo" if number == 1 else f"demo-{number}" for number in count(1))
        folder = next(inbox / name for name in tries if not (inbox / name).exists())
    for example in sorted(resources.files("aura_daemon").joinpath("examples").iterdir(), key=lambda file: file.name):
        durable.write(folder / example.name, example.read_bytes(), temp_folder=inbox / OWN_FOLDER / "tmp")
    return folder


class Results:
    """Hands everything on to a listener and remembers where the results are."""

    def __init__(self, listener: Silent) -> None:
        self._listener = listener
        self._rows: list[tuple[str, str, str, str]] = []
        self._asked: dict[str, str] = {}

    def started(self, job: JobRow, source: SourceRow) -> None:
        """Remembers what was asked for."""
        asked = f"\n{job.request.prompt}" if isinstance(job.request, GenerateRequest) else ""
        self._asked[job.id] = names.escaped(source.path) + asked
        self._listener.started(job, source)

    def loading(self, message: protocol.Loading) -> None:
        """Handed on."""
        self._listener.loading(message)

    def progress(self, message: protocol.Progress) -> None:
        """Handed on."""
        self._listener.progress(message)

    def delivered(self, delivered: Delivered, produced: Produced) -> None:
        """Remembers the result."""
        asked = self._asked.get(delivered.job.id, "")
        said = f"says: {produced.text}" if produced.text else ""
        self._rows.append((asked, said, shown(delivered.payload), spent(produced.timing)))
        self._listener.delivered(delivered, produced)

    def failed(self, job_id: str, source: SourceRow, failure: Failure) -> None:
        """Remembers the failure."""
        self._rows.append((names.escaped(source.path), f"failed: {failure.message} {failure.mend}", "", ""))
        self._listener.failed(job_id, source, failure)

    def print(self) -> None:
        """The table at the end."""
        table = Table(show_edge=False)
        for title in ("dropped", "result", "time"):
            table.add_column(title, overflow="fold")
        for asked, said, place, seconds in self._rows:
            result = "\n".join(part for part in (place, said) if part)
            table.add_row(*(Text(cell) for cell in (asked, result, seconds)))
        console = Console(width=None if sys.stdout.isatty() else 160)
        console.print(table)


def shown(file: Path) -> str:
    """A path as one would type it here."""
    with suppress(ValueError, FileNotFoundError):
        file = file.relative_to(Path.cwd())
    return names.escaped(str(file))


def spent(timing: EngineTiming) -> str:
    """What the models needed, and what loading them needed where they were not there yet."""
    made_s = timing.encoded_s + timing.denoised_s + timing.decoded_s
    loading = f"\n+ {timing.loaded_s:.1f} s loading" if timing.loaded_s >= 0.05 else ""
    return f"{made_s:.1f} s{loading}"
