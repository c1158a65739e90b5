"""The workers of a daemon as a table for people. In: the health document, a width. Out: lines of text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from aura_daemon.formats.readable import shortened
from aura_daemon.health.document import CurrentJob, Health, WorkerRecord, WorkerState

COLUMNS: Final = ("worker", "node", "device", "rung", "model", "job")

FEWEST: Final = 8
"""Characters of a column, where the terminal is too narrow for all of it."""

FEWEST_OF_JOB: Final = 22
"""How far the job is has room there."""

_MAKERS: Final = ("NVIDIA ", "GeForce ")
"""What the names of devices begin with; the rest tells them apart."""

_WORDS: Final = {WorkerState.OFF: "off", WorkerState.WAITING: "waits for a place", WorkerState.IDLE: "idle"}


def is_fleet(health: Health) -> bool:
    """Whether there is more to tell than of one worker on this machine."""
    return len(health.workers) > 1 or any(worker.node or worker.trouble for worker in health.workers)


def worker_counts(health: Health) -> str:
    """How many workers do what: `4: 2 running, 1 idle, 1 waiting`."""
    states = Counter(worker.state for worker in health.workers)
    order = (WorkerState.RUNNING, WorkerState.IDLE, WorkerState.WAITING, WorkerState.OFF)
    return f"{len(health.workers)}: " + ", ".join(f"{states[state]} {state}" for state in order if states[state])


def troubles(health: Health) -> list[str]:
    """Why workers have no place, each reason once with their names; those that a hold-up tells are left out."""
    told = [holdup.reason for holdup in health.holdups]
    of: dict[str, list[str]] = {}
    for worker in health.workers:
        if worker.trouble and not any(worker.trouble in reason for reason in told):
            of.setdefault(worker.trouble, []).append(worker.name)
    return [", ".join(filter(None, names)) + ": " * any(names) + trouble for trouble, names in of.items()]


def worker_table(health: Health, *, width: int | None, most: int) -> list[str]:
    """A head and a line for each worker, at most `most` of them, then those that do something first.

    `width`: characters of a line; None: as many as it takes. A column in which nothing stands is left out.
    """
    workers: Sequence[WorkerRecord] = health.workers
    if len(workers) > most:
        workers = sorted(workers, key=lambda worker: worker.state is not WorkerState.RUNNING)[:most]
    rows = [_cells(worker) for worker in workers]
    is_filled = [any(row[column] for row in rows) for column in range(len(COLUMNS))]
    table = [[cell for cell, keeps in zip(row, is_filled, strict=True) if keeps] for row in (COLUMNS, *rows)]
    widths, has_nodes = _widths(table, width), is_filled[COLUMNS.index("node")]
    lines = ["  ".join(_padded(row, widths, has_nodes=has_nodes)).rstrip() for row in table]
    if (left := len(health.workers) - len(workers)) > 0:
        lines.append(f"and {left} more")
    return lines


def device_text(worker: WorkerRecord) -> str:
    """`cpu`, or what a GPU is called: `H200`, `RTX 4090`."""
    name = worker.device if worker.device == "cpu" else worker.device_name
    for maker in _MAKERS:
        name = (name or "").removeprefix(maker)
    return name or ""


def doing(worker: WorkerRecord) -> str:
    """What a worker does, in words: the file that asked for its job, how many run beside it, how far it is."""
    return f"{job_text(worker)}: {worker.current.progress}" if worker.current is not None else job_text(worker)


def job_text(worker: WorkerRecord) -> str:
    """The file that asked for a worker's job and how many run beside it, or why it runs none."""
    if worker.current is None:
        return _WORDS.get(worker.state, str(worker.state))
    others = f" and {len(worker.jobs) - 1} more" if len(worker.jobs) > 1 else ""
    return f"{worker.current.source}{others}"


def _cells(worker: WorkerRecord) -> tuple[str, str, str, str, str, str]:
    """What stands in `COLUMNS`; how far the job is comes first, as a long name is cut."""
    models = ", ".join(dict.fromkeys(name.rpartition("/")[2] for name in worker.models))
    steps = f"{_short(worker.current)} " if worker.current is not None else ""
    return worker.name, worker.node, device_text(worker), worker.rung or "", models, steps + job_text(worker)


def _short(job: CurrentJob) -> str:
    """How far a job is, without a word too many: `12/25`."""
    if job.loading:
        total = job.loading_total_bytes
        return "loading" + (f" {100 * job.loading_done_bytes // total} %" if total else "")
    return f"{job.step}/{job.steps}" if job.steps else "starting"


def _widths(table: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """Of each column; where a line has no room for all, the widest but those of name and job become narrower first."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if width is None:
        return widths
    gaps = 2 * (len(widths) - 1)
    job = min(widths[-1], FEWEST_OF_JOB)
    while sum(widths[:-1]) + gaps + job > width and max(widths[1:-1], default=0) > FEWEST:
        widest = max(range(1, len(widths) - 1), key=lambda column: (widths[column], column))  # the node the last
        widths[widest] -= 1
    widths[-1] = max(FEWEST, min(widths[-1], width - gaps - sum(widths[:-1])))
    return widths


def _padded(row: Sequence[str], widths: Sequence[int], *, has_nodes: bool) -> list[str]:
    """The cells as wide as their columns. Names of nodes begin alike and are told apart by their ends."""
    cells = [
        _cut_inside(cell, room) if has_nodes and column == 1 else shortened(cell, room)
        for column, (cell, room) in enumerate(zip(row, widths, strict=True))
    ]
    return [cell.ljust(room) for cell, room in zip(cells, widths, strict=True)]


def _cut_inside(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[most // 2 - most :]}"
