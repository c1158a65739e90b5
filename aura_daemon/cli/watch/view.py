"""What `status --watch` shows of one look. In: a status, results, the size of the terminal. Out: what rich renders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aura_daemon.cli.results.history import table
from aura_daemon.daemon.history import HistoryEntry
from aura_daemon.daemon.status import DaemonStatus, models_text
from aura_daemon.errors import with_mend
from aura_daemon.file_names import escaped
from aura_daemon.formats.readable import bytes_text
from aura_daemon.health import heartbeat
from aura_daemon.health.document import CurrentJob, Health, Status
from aura_daemon.health.worker_table import is_fleet, troubles, worker_counts, worker_table
from aura_daemon.jobs.lifecycle import OPEN

_STYLES: Final = {
    Status.STARTING: "cyan",
    Status.OK: "green",
    Status.DEGRADED: "yellow",
    Status.PAUSED: "yellow",
    Status.STOPPING: "cyan",
    Status.STOPPED: "red",
}

LABELS: Final = 9
"""Characters that stand before what goes on."""

MOST_WORKERS: Final = 8

BAR_WIDTH: Final = 32
FEWEST_RESULTS: Final = 3
NARROW: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One look."""

    status: DaemonStatus
    results: tuple[HistoryEntry, ...]
    outbox: Path
    now: datetime


def view(seen: Seen, *, width: int, height: int) -> RenderableType:
    """The whole view: the head, what goes on, what is held up, and as many results as there is room for."""
    parts: list[RenderableType] = [_head(seen, width), Text(), _going_on(seen, width)]
    if notes := list(_notes(seen, width)):
        parts += [Text(), Group(*notes)]
    measuring = Console(width=width, height=height)
    room = max(FEWEST_RESULTS, height - len(measuring.render_lines(Group(*parts))) - 2)
    if seen.results:
        rows = table(seen.results[:room], seen.outbox, now=seen.now, width=width)
        parts += [Text(), Text("last results", "dim"), rows]
    return Group(*parts)


def change_of(seen: Seen) -> tuple[Any, ...]:
    """What must differ for another line of plain output."""
    health = seen.status.health
    running = tuple(worker.current.id for worker in health.workers if worker.current) if health is not None else ()
    current = (health.current.id if health is not None and health.current is not None else "", *running)
    holdups = tuple((holdup.what, holdup.reason) for holdup in health.holdups) if health is not None else ()
    state = health.status if health is not None and seen.status.is_running else None
    counts = tuple((seen.status.job_counts or {}).values())
    return state, current, holdups, counts, seen.status.journal_error


def line_of(seen: Seen) -> str:
    """A look as one line of text."""
    status, health, counts = seen.status, seen.status.health, seen.status.job_counts or {}
    words = [str(health.status) if health is not None and status.is_running else status.absence]
    if status.is_running and health is not None and health.current is not None:
        words.append(f"running {health.current.source} ({health.current.kind})")
    words.append(f"{sum(counts.get(state, 0) for state in OPEN)} queued")
    words += [f"{counts[name]} {name}" for name in ("done", "failed") if counts.get(name)]
    if status.is_running and health is not None:
        words += [f"held up {one.what}: {with_mend(one.reason, one.mend)}" for one in health.holdups]
    return ", ".join((*words, *filter(None, [status.journal_error])))


def span(seconds: float) -> str:
    """A duration in its two largest units: `2 h 5 min`."""
    whole = max(0, int(seconds))
    for name, size, small, small_size in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // small_size
            return f"{whole // size} {name}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def _head(seen: Seen, width: int) -> Table:
    health = seen.status.health
    text = Text("aura-daemon  ", "bold")
    if health is None or not seen.status.is_running:
        last = f", last seen {span(heartbeat.age_s(health))} ago" if health is not None else ""
        text.append(f"○ {seen.status.absence}", "red").append(last, "dim")
    else:
        text.append(f"● {health.status}", f"bold {_STYLES[health.status]}")
        since = (seen.now - datetime.fromisoformat(health.since)).total_seconds() if health.since else 0
        text.append(f" for {span(since)}", "dim")
    head = Table.grid(expand=True)
    head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    head.add_column(no_wrap=True, justify="right", style="dim")
    head.add_row(text, f"{seen.now:%H:%M:%S}" if width >= NARROW else "")
    return head


def _going_on(seen: Seen, width: int) -> Table:
    rows = Table.grid(padding=(0, 2, 0, 0), expand=True)
    rows.add_column(style="dim", no_wrap=True, width=LABELS - 2)
    rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    health, counts = seen.status.health, seen.status.job_counts
    if health is not None and seen.status.is_running:
        if is_fleet(health):
            label, lines = "workers", _workers(health, width - LABELS)
        else:
            label, lines = "running", _running(health.current, width)
        for number, line in enumerate(lines):
            rows.add_row("" if number else label, line)
        rows.add_row("queue", _queue(health))
        if not is_fleet(health):
            rows.add_row("memory", _memory(health))
            device = f"  on {health.device} ({health.device_name}), rung {health.rung}" if health.device else ""
            rows.add_row("models", Text(models_text(health)).append(device, "dim"))
    elif counts is not None:
        waiting = sum(counts.get(state, 0) for state in OPEN)
        rows.add_row("queue", f"{waiting} wait for a daemon" if waiting else "empty")
    else:
        rows.add_row("journal", Text(seen.status.journal_error or "nothing has run here yet", "yellow"))
    if counts is not None:
        rows.add_row("so far", _so_far(counts, health))
    if health is not None:
        rows.add_row("folders", Text(f"{health.inbox} → {health.outbox}", "dim"))
    return rows


def _workers(health: Health, width: int) -> Iterator[RenderableType]:
    """How many do what, then a table."""
    yield Text(worker_counts(health))
    head, *lines = worker_table(health, width=width, most=MOST_WORKERS)
    yield Text(head, "dim")
    for line in lines:
        yield Text(line)


def _running(current: CurrentJob | None, width: int) -> Iterator[RenderableType]:
    if current is None:
        yield Text("nothing", "dim")
        return
    several = f", {current.batch} at once" if current.batch > 1 else ""
    yield Text(current.source, "bold").append(f"  {current.kind}{several}", "not bold dim")
    if current.loading:
        done, total = float(current.loading_done_bytes), float(current.loading_total_bytes)
        text = f"loading {current.loading}"
        text += f", {bytes_text(int(done))} of {bytes_text(int(total))}" if total else ""
    else:
        done, total = float(current.step), float(current.steps)
        text = current.progress
        text += f", {span(current.eta_s)} to go" if current.eta_s is not None else ""
    bar = Table.grid(padding=(0, 1, 0, 0))
    bar.add_column()
    bar.add_column(no_wrap=True, overflow="ellipsis")
    bar.add_row(ProgressBar(total=total or None, completed=done, width=min(BAR_WIDTH, width // 3)), text)
    yield bar


def _queue(health: Health) -> Text:
    depth = health.queue_depth
    text = Text(f"{depth} job{'s' * (depth != 1)}") if depth else Text("empty", "dim")
    if health.oldest_waiting and health.oldest_waiting_s is not None:
        text.append(f"  oldest {health.oldest_waiting} for {span(health.oldest_waiting_s)}", "dim")
    if health.unsettled_files:
        text.append(f"  {health.unsettled_files} arriving", "dim")
    return text


def _memory(health: Health) -> Text:
    memory = health.memory
    parts = [f"worker {bytes_text(memory.worker_bytes)}"] if memory.worker_bytes else []
    used, free = memory.device_used_bytes, memory.device_free_bytes
    if used is not None and free is not None and health.device not in (None, "cpu"):
        parts.append(f"{health.device} {bytes_text(used)} of {bytes_text(used + free)}")
    return Text("  ".join([*parts, f"free {bytes_text(memory.machine_available_bytes)}"]))


def _so_far(counts: dict[str, int], health: Health | None) -> Text:
    text = Text(f"{counts.get('done', 0)} done", "green" if counts.get("done") else "")
    failed = counts.get("failed", 0)
    text.append(f"  {failed} failed", "red" if failed else "dim")
    if health is not None and health.job_p50_s is not None:
        text.append(f"  {health.job_p50_s:.1f} s a job", "dim")
    return text


def _notes(seen: Seen, width: int) -> Iterator[Text]:
    """What somebody should know or mend."""
    health = seen.status.health
    if health is None or not seen.status.is_running:
        return
    for holdup in health.holdups:
        text = Text("held up  ", "bold yellow").append(f"{holdup.what}: ", "bold")
        text.append(with_mend(holdup.reason, holdup.mend), "not bold default")
        yield text.append(f" (again in {span(holdup.retry_in_s)})", "dim")
    if health.status is Status.PAUSED and health.last_error:
        yield Text("paused   ", "bold yellow").append(health.last_error, "not bold default")
    for trouble in troubles(health):
        yield Text("no place ", "bold yellow").append(trouble, "not bold default")
    for copy in health.conflict_copies[:2]:
        yield Text("conflict ", "bold yellow").append(f"{escaped(copy)}: decide which one you want", "not bold default")
    if left := sum(health.left_alone.values()):
        yield Text(f"{left} file{'s' * (left != 1)} left alone: `aura-daemon status` says why", "dim")
