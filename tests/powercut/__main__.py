"""`python -m tests.powercut`: cuts the power of whole machines and prints a table. `--help` lists the options."""

from __future__ import annotations

import argparse
import compileall
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.powercut import filesystems, machine
from tests.powercut.judging import Verdict
from tests.powercut.series import Instant, Series

MACHINES: Final = 2
"""At a time, by default: each takes a core."""

WITHOUT_FSYNC: Final = "libeatmydata.so"
"""A library under which no fsync of a program does anything."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Power cuts, and a table of what came of them.")
    parser.add_argument("--cuts", type=int, default=300, help="in all")
    parser.add_argument("--filesystems", default=",".join(filesystems.FILESYSTEMS), help="which, with commas between")
    parser.add_argument("--machines", type=int, default=MACHINES, help="at a time: each takes a core")
    parser.add_argument("--seed", type=int, default=0, help="of the instants; 0 draws one and prints it")
    parser.add_argument(
        "--without-fsync",
        action="store_true",
        help="the control: the daemon's fsyncs do nothing, so files must be lost",
    )
    parser.add_argument("--must-run", action="store_true", help="fail where no machine can be started")
    given = parser.parse_args()
    reason = machine.obstacle()
    tried = []
    for name in given.filesystems.split(","):
        if missing := reason or filesystems.obstacle(name, machine.MODULES):
            print(f"power cuts on {name}: skipped: {missing}", file=sys.stderr)
        else:
            tried.append(name)
    variables = _variables(is_control=given.without_fsync)
    if not tried or variables is None:
        return 1 if given.must_run else 0
    seed = given.seed or random.randrange(1, 1_000_000)
    print(f"seed {seed}", file=sys.stderr)
    for folder in ("aura_daemon", "tests/powercut", "tests/support"):  # the machines cannot write what they compile
        compileall.compile_dir(machine.ROOT / folder, quiet=2)
    began_s, steps = time.monotonic(), Counter[str]()
    with (
        tempfile.TemporaryDirectory(prefix="aura-powercut-") as folder,
        tempfile.TemporaryDirectory(prefix="aura-powercut-", dir=_memory()) as disks,
    ):
        all_series = _series(tried, given, seed, Path(folder), Path(disks), variables, steps)
        with ThreadPoolExecutor(max_workers=given.machines) as pool:
            list(pool.map(_run, all_series))
    series = [one for one, _ in all_series]
    if obstacle := next((one.obstacle for one in series if one.obstacle), ""):
        print(f"power cuts: skipped: no machine starts here: {obstacle}", file=sys.stderr)
        return 1 if given.must_run else 0
    show(tried, series)
    print(f"{len(+steps)} named steps met, {time.monotonic() - began_s:.0f} s")
    verdicts = [verdict for one in series for verdict in one.verdicts.values()]
    for verdict in verdicts:
        for what, names in (("lost", verdict.lost), ("doubled", verdict.doubled), ("torn", verdict.torn)):
            for name in names:
                print(f"{what}: {name}", file=sys.stderr)
    is_good = all(verdict.is_good for verdict in verdicts)
    return int(is_good if given.without_fsync else not is_good)


def _variables(*, is_control: bool) -> dict[str, str] | None:
    """Of the machines' first process; None where the control cannot be had."""
    if not is_control:
        return {}
    found = next(iter(sorted(Path("/usr/lib").rglob(WITHOUT_FSYNC))), None)
    if found is None:
        print(
            "power cuts: the control is skipped: libeatmydata is not installed (package libeatmydata1)", file=sys.stderr
        )
        return None
    return {"LD_PRELOAD": str(found)}


def _series(
    names: Sequence[str],
    given: argparse.Namespace,
    seed: int,
    folder: Path,
    disks: Path,
    variables: dict[str, str],
    steps: Counter[str],
) -> list[tuple[Series, int]]:
    """As many of each file system as there are machines, on disks of their own, each with its share of the cuts."""
    cuts, machines = given.cuts, given.machines
    count = machines * len(names)
    made = []
    for number in range(count):
        own = folder / str(number)
        own.mkdir()
        series = Series(
            filesystem=names[number // machines],
            folder=own,
            disk=disks / f"{number}",
            seed=seed + number,
            steps=steps,
            variables=variables,
        )
        made.append((series, cuts * (number + 1) // count - cuts * number // count))
    return made


def _run(given: tuple[Series, int]) -> None:
    series, cuts = given
    began_s = time.monotonic()
    series.run(cuts)
    print(f"{series.filesystem}: {cuts} cuts, {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)


def _memory() -> str | None:
    """Where the disks lie, as memory is as good as a disk for them. Machines do not see this folder."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and shutil.disk_usage(shared).free > filesystems.MIB << 10 else None


def show(names: Sequence[str], all_series: Sequence[Series]) -> None:
    """Prints one line for each file system and kind of instant."""
    table = Table(show_edge=False)
    table.add_column("the power is cut")
    for title in ("cuts", "tried", "survived", "lost", "doubled", "torn"):
        table.add_column(title, justify="right")
    for name in names:
        for instant in Instant:
            verdict = Verdict()
            for series in all_series:
                if series.filesystem == name:
                    verdict.add(series.verdicts[instant])
            counts = (verdict.cuts, verdict.tried, verdict.survived)
            wrong = (len(verdict.lost), len(verdict.doubled), len(verdict.torn))
            table.add_row(f"{name}, {instant}", *map(str, (*counts, *wrong)))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    sys.exit(main())
