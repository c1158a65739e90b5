"""`python -m tests.torture`: tries every fault and prints a table. `--help` lists the options."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests import corpus
from tests.fuzzing import runs as fuzzing
from tests.fuzzing.targets import NAMES
from tests.support import dying
from tests.support.house import House
from tests.torture import faults, inputs, stops, tools
from tests.torture.ledger import Verdict, living

Fault = Callable[[House], Verdict]

STEPS = 20
"""The most steps of one example of the state machine."""

ALWAYS = 1_000_000
"""More often than any step is taken in a run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """How much of each fault is tried."""

    kills: int = 200
    stops: int = 80
    files: int = 10_000
    times: int = ALWAYS
    """The most occurrences of each named step."""
    examples: int = 400
    """Examples of the state machine, each of at most `STEPS` steps."""
    seed: int = 0
    """The seed of the state machine; 0 draws a new seed and prints it."""
    fuzz_s: float = 150.0
    """Seconds of fuzzing for the parser, and again for the image probe."""
    reader_s: float = 60.0
    """Seconds of coverage-guided fuzzing for each reader of `tests.fuzzing`; 0 leaves it out."""


def every_fault(extent: Extent) -> dict[str, tuple[Fault, str]]:
    """Name -> the fault, and why it cannot be made here (empty: it can)."""
    no_mounts = "" if faults.is_root_with_mounts() else "takes root and mount"
    no_limits = "" if faults.is_root_with_mounts() else "takes root"
    no_atheris = "" if fuzzing.is_here() else "atheris is not installed"
    no_fuse = "" if shutil.which("rclone") and shutil.which("fusermount3") else "rclone or fuse3 is not installed"
    found: dict[str, tuple[Fault, str]] = {
        f"kill -9 at {extent.kills} random instants": (partial(faults.killed_at_random, times=extent.kills), ""),
        f"{extent.stops} ordered stops, in any order": (partial(stops.stopped_at_random, times=extent.stops), ""),
        f"kill -9 at {len(dying.MOMENTS)} named steps": (partial(faults.killed_at_named_steps, times=extent.times), ""),
        f"a state machine of {extent.examples * STEPS} steps": (
            partial(faults.state_machine, examples=extent.examples, steps=STEPS, seed=extent.seed),
            "",
        ),
        "a worker killed under one job": (faults.killed_worker, ""),
    }
    for name, (program, deliver, variables) in tools.TOOLS.items():
        path = "/usr/sbin/sshd" if name.startswith("scp") else program
        missing = "" if shutil.which(path) else f"{path} is not installed"
        found[f"delivered by {name}"] = (partial(living, work=deliver, **variables), missing)
    return (
        found
        | {
            "the outbox's disk is full, then not": (faults.full_disk, no_mounts),
            "the outbox's quota is used up, then not": (
                faults.used_up_quota,
                no_mounts or ("" if shutil.which("mkfs.btrfs") else "btrfs-progs is not installed"),
            ),
            "the outbox is remounted read-only": (faults.read_only_outbox, no_mounts),
            "the journal's disk is full, then not": (faults.full_state_disk, no_mounts),
            "the inbox is unmounted and back": (faults.unmounted("inbox"), no_mounts),
            "the outbox is unmounted and back": (faults.unmounted("outbox"), no_mounts),
            "the inbox is read-only": (faults.read_only_inbox, no_mounts),
            "slow writers behind FUSE (rclone mount)": (faults.behind_fuse, no_fuse),
            "chmod 000, later mended": (
                faults.unreadable,
                "" if os.geteuid() != 0 or shutil.which("setpriv") else "setpriv is not installed",
            ),
            "the clock jumps by days": (
                faults.clock_jumps,
                "" if shutil.which("faketime") else "faketime is not installed",
            ),
            f"{extent.files} files at once, events overflow": (partial(faults.flood, count=extent.files), no_limits),
            "no inotify watch left": (faults.no_watches, no_limits),
            f"{len(faults.NAMES_OF_OTHERS)} names of other tools": (faults.names_of_others, ""),
            f"{len(corpus.inputs())} bad inputs": (inputs.whole_corpus, ""),
            f"the job parser, fuzzed for {extent.fuzz_s:g} s": (
                partial(inputs.fuzzed, strategy=inputs.TEXTS, read=inputs.read_as_text, seconds=extent.fuzz_s),
                "",
            ),
            f"the image probe, fuzzed for {extent.fuzz_s:g} s": (
                partial(inputs.fuzzed, strategy=inputs.IMAGES, read=inputs.read_as_image, seconds=extent.fuzz_s),
                "",
            ),
        }
        | {
            f"{reader}, fuzzed for {extent.reader_s:g} s by coverage": (
                partial(inputs.fuzzed_by_coverage, reader=reader, seconds=extent.reader_s),
                no_atheris,
            )
            for reader in (NAMES if extent.reader_s else ())
        }
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Every fault, and a table of what came of it.")
    for extent in fields(Extent):
        parser.add_argument(f"--{extent.name.replace('_', '-')}", type=type(extent.default), default=extent.default)
    parser.add_argument("--only", default="", help="faults whose name holds this")
    options = vars(parser.parse_args())
    only = options.pop("only")
    # Whatever a script starts in the background ignores Ctrl-C, and its children do until they handle it themselves.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rows: list[tuple[str, Verdict | None, str, float]] = []
    for name, (fault, missing) in every_fault(Extent(**options)).items():
        if only not in name:
            continue
        began_s = time.monotonic()
        verdict, note = (None, f"not tried: {missing}") if missing else tried(name, fault)
        rows.append((name, verdict, note, time.monotonic() - began_s))
        print(f"{name}: {note or 'survived'} ({rows[-1][3]:.0f} s)", file=sys.stderr, flush=True)
    show(rows)
    failed = [name for name, verdict, note, _ in rows if note and not note.startswith("not tried")]
    return 1 if failed else 0


def tried(name: str, fault: Fault) -> tuple[Verdict | None, str]:
    """Tries one fault; returns the verdict and, in words, what went wrong."""
    with tempfile.TemporaryDirectory(prefix="aura-torture-", ignore_cleanup_errors=True) as folder:
        house = House(Path(folder))
        try:
            verdict = fault(house)
        except Exception as error:  # noqa: BLE001 - one fault must not keep the others from being tried
            traceback.print_exc()
            log = house.root / "log"
            print(log.read_text(errors="replace")[-3000:] if log.exists() else "", file=sys.stderr)
            return None, f"broke: {type(error).__name__}: {str(error)[:80]}"
        if verdict.survived == verdict.tried and not verdict.wrong:
            return verdict, ""
        log = house.root / "log"
        print(log.read_text(errors="replace")[-6000:] if log.exists() else "", file=sys.stderr)
        return verdict, f"lost {verdict.lost[:3]}, doubled {verdict.doubled[:3]}, wrong {verdict.wrong[:3]}"


def show(rows: list[tuple[str, Verdict | None, str, float]]) -> None:
    """Prints one line a fault."""
    table = Table(show_edge=False)
    table.add_column("fault")
    for title in ("tried", "survived", "lost", "doubled", "seconds"):
        table.add_column(title, justify="right")
    for name, verdict, note, seconds in rows:
        if verdict is None:
            table.add_row(name, "-", "-", "-", "-", note)
            continue
        counts = (verdict.tried, verdict.survived, len(verdict.lost), len(verdict.doubled))
        table.add_row(name, *map(str, counts), f"{seconds:.0f}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    sys.exit(main())
