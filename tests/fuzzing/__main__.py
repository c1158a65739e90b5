"""`python -m tests.fuzzing --target NAME --seconds N`: fuzzes readers and prints a table."""

from __future__ import annotations

import argparse
import sys
from hashlib import sha256
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzzing.runs import FuzzRun, fuzzed, is_here, minimised
from tests.fuzzing.targets import NAMES


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzzes what reads strangers' bytes, guided by coverage.")
    parser.add_argument("--target", action="append", choices=sorted(NAMES), help="a reader; all without it")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each reader")
    parser.add_argument("--grown", type=Path, help="a folder where inputs that cover more are kept for the next run")
    parser.add_argument("--found", type=Path, default=Path("fuzz-findings"), help="where findings are written")
    parser.add_argument("--minimise", type=Path, help="only makes this input of --target shorter")
    given = parser.parse_args()
    targets: list[str] = given.target or list(NAMES)
    if given.minimise is not None:
        sys.stdout.buffer.write(minimised(targets[0], given.minimise.read_bytes()))
        return 0
    if not is_here():
        print("Atheris is not installed; it has wheels for Linux and CPython up to 3.13: pip install atheris")
        return 2
    runs = []
    for target in targets:
        runs.append(run := fuzzed(target, given.seconds, given.grown))
        if run.finding is not None:
            given.found.mkdir(exist_ok=True)
            place = given.found / f"{target}-{sha256(run.finding).hexdigest()[:8]}"
            place.write_bytes(run.finding)
            print(f"{target}: {run.reason}: {place}", file=sys.stderr, flush=True)
    show(runs)
    return 1 if any(run.finding is not None for run in runs) else 0


def show(runs: list[FuzzRun]) -> None:
    """Prints one line a reader."""
    table = Table(show_edge=False)
    table.add_column("reader")
    for title in ("seconds", "executions", "edges", "features"):
        table.add_column(title, justify="right")
    table.add_column("found")
    for run in runs:
        counts = (f"{run.seconds:.0f}", f"{run.executions:,}", str(run.edges), str(run.features))
        table.add_row(run.target, *counts, run.reason or "nothing")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    sys.exit(main())
