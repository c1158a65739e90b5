"""`bench --first-step`, `bench --jobs N`: what the daemon costs beside its model. The worker is real."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aura_daemon.bench import first_steps, steady
from aura_daemon.bench.first_steps import FirstStep

COLD, WARM, PAIRS = 3, 10, 5
"""How many cold starts, prompts of a warm worker, and pairs of runs are measured."""


def first_step(folder: Path | None) -> int:
    """Measures in a new folder below `folder` (by default the current one) and prints a table; 0."""
    with tempfile.TemporaryDirectory(prefix="aura-bench-", dir=folder or Path.cwd()) as name:
        measured = first_steps.measure(Path(name).resolve(), cold=COLD, warm=WARM)
    table = _table("medians, in seconds", f"cold worker ({COLD})", f"warm worker ({WARM})")
    parts: dict[str, Callable[[FirstStep], float]] = {
        "from the rename until its job is queued": lambda step: step.claimed_s,
        "until the worker gets it": lambda step: step.started_s,
        "until the worker begins (cold: its start, imports)": lambda step: step.placed_s,
        "until its first step is done (cold: the model loads)": lambda step: step.stepped_s,
        "from dropping a prompt to its first step": lambda step: step.whole_s,
    }
    for what, part in parts.items():
        table.add_row(what, *(f"{_median(part, steps):.3f}" for steps in (measured.cold, measured.warm)))
    _print(table)
    return 0


def jobs(count: int, folder: Path | None) -> int:
    """Measures in a new folder below `folder` (by default the current one) and prints a table; 0."""
    with tempfile.TemporaryDirectory(prefix="aura-bench-", dir=folder or Path.cwd()) as name:
        pairs = steady.measure(Path(name).resolve(), jobs=count, pairs=PAIRS)
    table = _table(f"{count} jobs, seconds", "daemon", "bare loop", "throughput of the bare loop reached")
    for number, pair in enumerate(pairs, start=1):
        table.add_row(f"pair {number}", f"{pair.daemon_s:.2f}", f"{pair.bare_s:.2f}", f"{pair.ratio:.2f}")
    daemon_s = statistics.median(pair.daemon_s for pair in pairs)
    bare_s = statistics.median(pair.bare_s for pair in pairs)
    ratio = statistics.median(pair.ratio for pair in pairs)
    table.add_row("median", f"{daemon_s:.2f}", f"{bare_s:.2f}", f"{ratio:.2f}")
    _print(table)
    return 0


def _median(part: Callable[[FirstStep], float], steps: Sequence[FirstStep]) -> float:
    return statistics.median(map(part, steps))


def _table(*titles: str) -> Table:
    table = Table(titles[0], show_edge=False)
    for title in titles[1:]:
        table.add_column(title, justify="right")
    return table


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 110).print(table)
