"""`python -m tests.soak`: a soak, and a table of slopes. `--help` lists the options, `--table` reads an earlier run."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Final

from tests.soak.figures import FIGURES, rates
from tests.soak.run import Extent, Record, Soak
from tests.soak.slopes import Slope, slope_of
from tests.torture.ledger import place_of

FEWEST: Final = 4
"""Samples of which a slope can be told."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="A soak, and a table of slopes.")
    for extent in fields(Extent):
        parser.add_argument(f"--{extent.name}", type=type(extent.default), default=extent.default)
    parser.add_argument("--folder", type=Path, help="where it runs, and leaves soak.json; a temporary one by default")
    parser.add_argument("--table", type=Path, metavar="FILE", help="only print the table of an earlier soak.json")
    options = vars(parser.parse_args())
    folder, table = options.pop("folder"), options.pop("table")
    if table is not None:
        return show(Record.read(table))
    with tempfile.TemporaryDirectory(prefix="aura-soak-", ignore_cleanup_errors=True) as temporary:
        soak = Soak(place_of(folder or Path(temporary)), Extent(**options))

        def end(number: int, frame: object) -> None:
            soak.is_over = True

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        return show(soak.run())


def show(record: Record) -> int:
    """Prints what was found; 0 where all is flat and every file has its one fate."""
    print(
        f"{record.hours:.2f} hours at {record.extent.rate:g} jobs a minute; {record.fates['expected']} fates expected"
    )
    print("; ".join([*(f"{count} {name}" for name, count in record.done.items()), *record.notes]))
    slopes = slopes_of(record)
    print("\n| figure | unit | first | last | least | most | an hour | verdict |")
    print("|---|---|---:|---:|---:|---:|---:|---|")
    for one in slopes:
        values = (one.first, one.last, one.least, one.most, one.per_hour)
        cells = " | ".join(f"{value:.1f}" for value in values[:-1]) + f" | {one.per_hour:+.2f}"
        print(f"| {one.figure.name} | {one.figure.unit} | {cells} | {one.verdict} |")
    print("\n| lost | doubled | wrong |\n|---:|---:|---:|")
    breaches = [record.fates[name] for name in ("open or lost", "doubled", "wrong")]
    print("| " + " | ".join(str(len(one)) for one in breaches) + " |")
    for one in breaches:
        print("\n".join(one[:10]), end="\n" if one else "")
    return int(any(breaches) or not all(one.is_flat for one in slopes))


def slopes_of(record: Record) -> list[Slope]:
    """The slope of every figure; none of a run that was too short."""
    samples = rates(record.samples)
    if len(samples) < FEWEST:
        return []
    return [slope_of(figure, [(at_s, values[figure.name]) for at_s, values in samples]) for figure in FIGURES]


if __name__ == "__main__":
    sys.exit(main())
