"""`bench --intake`: how soon a file is claimed, and what a job costs besides its model.

The daemon and the disk are real; the worker computes nothing.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aura_daemon.bench import bare
from aura_daemon.bench.instant import InstantWorker
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.assembly import assemble_daemon
from aura_daemon.daemon.supervisor import SignalHandler
from aura_daemon.health import heartbeat
from aura_daemon.health.document import Status
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.system import logs
from aura_daemon.system.filesystems import file_system_of
from aura_daemon.system.processes.process_memory import peak_at_the_end_of
from aura_daemon.workers.pool import WorkerPool

START_DEADLINE_S = 30.0
PAUSE_S = 0.02
"""The longest pause between two deliveries of the latency run; the shortest is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drained:
    """Time and memory of a drain."""

    seconds: float
    peak_bytes: int


def intake(files: int, latencies: int, folder: Path | None) -> int:
    """Measures in a new folder below `folder` (by default the current one) and prints a table; 0."""
    with tempfile.TemporaryDirectory(prefix="aura-bench-", dir=folder or Path.cwd()) as name:
        place = Path(name).resolve()
        taken_s = measure_latency(place / "latency", latencies)
        drained = measure_drain(place / "drain", files)
        bare_s = measure_bare(place / "bare", files)
        kind = file_system_of(place)
    rows = [
        ("from a rename to the claim, p50", f"{statistics.median(taken_s) * 1000:.1f} ms", f"{latencies} files"),
        ("from a rename to the claim, p99", f"{_percentile(taken_s, 0.99) * 1000:.1f} ms", ""),
        ("a job, from the inbox to the archive", f"{drained.seconds / files * 1000:.2f} ms", f"{files} files"),
        ("the same renames, fsyncs and writes, bare", f"{bare_s / files * 1000:.2f} ms", ""),
        ("throughput of the bare loop reached", f"{bare_s / drained.seconds:.2f}", "of 1"),
        ("peak memory of the daemon", f"{drained.peak_bytes / 2**20:.0f} MiB", ""),
    ]
    table = Table("what", "figure", "of", show_edge=False, title=f"intake, on {kind or 'an unknown file system'}")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    return 0


def measure_latency(place: Path, count: int) -> list[float]:
    """Seconds from the rename of each of `count` prompt files to its claim, as the journal records it."""
    settings = _settings(place)
    with _start(settings, drain=False) as daemon:
        _wait_until_ready(settings, daemon)
        generator, renamed_s = random.Random(0), dict[str, float]()
        for number in range(count):
            temp, name = settings.inbox / f".{number}.tmp", f"{number}.yaml"
            temp.write_bytes(b"prompt: a small red circle on a blue background\n")
            time.sleep(generator.random() * PAUSE_S)
            renamed_s[name] = time.monotonic()
            temp.rename(settings.inbox / name)
        _wait_until_done(settings, daemon, count)
        daemon.terminate()
        daemon.wait()
    offset_s = time.time() - time.monotonic()
    with closing(Journal(settings.state_folder() / FILE_NAME, read_only=True)) as journal:
        claims = ((journal.latest_source(name), moment_s) for name, moment_s in renamed_s.items())
        return [source.claimed_at - offset_s - moment_s for source, moment_s in claims if source is not None]


def measure_drain(place: Path, count: int) -> Drained:
    """Time and peak memory of a daemon process that drains `count` prompt files."""
    settings = _settings(place)
    _fill(settings.inbox, count)
    began_s = time.monotonic()
    with _start(settings, drain=True) as daemon:
        peak_bytes = peak_at_the_end_of(daemon)
    if daemon.returncode != 0:
        raise RuntimeError(f"the daemon ended with {daemon.returncode}")
    return Drained(seconds=time.monotonic() - began_s, peak_bytes=peak_bytes)


def measure_bare(place: Path, count: int) -> float:
    """Seconds that the bare loop takes for the same files."""
    (place / "inbox").mkdir(parents=True)
    names = _fill(place / "inbox", count)
    seconds = bare.run(place, names)
    shutil.rmtree(place)
    return seconds


def child(root: str, mode: str) -> int:
    """Runs the daemon that is measured, in a process of its own; the exit code."""
    logs.set_up("ERROR", "text")
    settings = _settings(Path(root))
    drain = mode == "drain"
    with assemble_daemon(settings, WorkerPool([InstantWorker()]), drain=drain) as daemon:
        SignalHandler(daemon)
        summary = daemon.run()
    return int(summary.failed > 0 or (drain and summary.waiting > 0))


def _settings(root: Path) -> Settings:
    folders = {key: root / key for key in ("inbox", "outbox", "state")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return Settings(inbox=folders["inbox"], outbox=folders["outbox"], state=folders["state"])


def _fill(inbox: Path, count: int) -> list[str]:
    names = [f"{number:06d}.yaml" for number in range(count)]
    for name in names:
        (inbox / name).write_bytes(b"prompt: a small red circle on a blue background\n")
    return names


def _start(settings: Settings, *, drain: bool) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("AURA_")}
    arguments = [str(settings.inbox.parent), "drain" if drain else "run"]
    code = f"import sys; from {__name__} import child; sys.exit(child(*sys.argv[1:]))"
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment)


def _wait_until_ready(settings: Settings, daemon: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S
    while True:
        document = heartbeat.read(settings.state_folder())
        if document is not None and document.status is Status.OK:
            return
        if daemon.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError("the daemon did not start")
        time.sleep(0.05)


def _wait_until_done(settings: Settings, daemon: subprocess.Popen[bytes], count: int) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S + count
    while sum(1 for _ in settings.outbox.glob("*.json")) < count + 1:  # and health.json
        if daemon.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError("the daemon did not finish")
        time.sleep(0.1)


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
