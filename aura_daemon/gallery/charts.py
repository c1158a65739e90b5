"""Two charts over the last results: seconds per stage, and the rung. In: entries. Out: shapes for an inline SVG."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_daemon.formats.readable import rounded_up, seconds_text
from aura_daemon.gallery.entries import STAGES, EntryKind, GalleryEntry
from aura_daemon.ladder.rungs import Rung

MOST_BARS: Final = 60
WIDTH: Final = 720
LEFT: Final = 44
"""Room for the numbers of the axis."""

TOP: Final = 8
HEIGHT: Final = 150
"""Of the bars."""

RUNG_ROW: Final = 22
RUNGS_TOP: Final = TOP + HEIGHT + 26
NAMES: Final = dict(zip(STAGES, ("load", "encode", "denoise", "decode", "write"), strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One stage of one result."""

    stage: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One result: its bars, and its mark on the row of its rung."""

    title: str
    bars: tuple[Bar, ...]
    rung_x: float
    rung_y: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRow:
    """One line of the legend."""

    stage: str
    name: str
    median: str
    longest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """Everything the drawing needs."""

    columns: tuple[Column, ...]
    ticks: tuple[tuple[float, str], ...]
    """Heights of the axis' lines, and what they say."""
    rungs: tuple[tuple[float, str], ...]
    stages: tuple[StageRow, ...]
    path: str
    """The way from rung to rung."""
    height: float
    summary: str


def chart(entries: Sequence[GalleryEntry]) -> Chart | None:
    """The chart of the last results with figures, oldest first; None where fewer than two have any."""
    measured = [entry for entry in entries if entry.stages and entry.kind is not EntryKind.FAILURE][-MOST_BARS:]
    if len(measured) < 2:
        return None
    most_s = rounded_up(max(sum(entry.stages.values()) for entry in measured))
    order = {rung.value: place for place, rung in enumerate(Rung)}
    rungs = sorted({entry.rung for entry in measured}, key=lambda rung: (order.get(rung, len(order)), rung))
    rows = {rung: RUNGS_TOP + place * RUNG_ROW for place, rung in enumerate(rungs)}
    step = (WIDTH - LEFT) / len(measured)
    columns = tuple(
        _column(entry, LEFT + place * step, step, most_s, rows[entry.rung]) for place, entry in enumerate(measured)
    )
    ways = [f"{'L' if place else 'M'}{column.rung_x:g} {column.rung_y:g}" for place, column in enumerate(columns)]
    stages = tuple(
        StageRow(
            stage=stage,
            name=NAMES[stage],
            median=seconds_text(statistics.median(times)),
            longest=seconds_text(max(times)),
        )
        for stage in STAGES
        if max(times := [entry.stages[stage] for entry in measured]) >= 0.0005
    )
    medians = ", ".join(f"{row.name} {row.median}" for row in stages)
    return Chart(
        columns=columns,
        ticks=tuple((TOP + HEIGHT * (1 - share), _tick(most_s * share)) for share in (0, 0.5, 1)),
        rungs=tuple((rows[rung], rung) for rung in rungs),
        stages=stages,
        path="".join(ways),
        height=RUNGS_TOP + len(rungs) * RUNG_ROW,
        summary=f"Time per stage of the last {len(measured)} results; medians: {medians}. Rungs: {', '.join(rungs)}.",
    )


def _column(entry: GalleryEntry, x: float, step: float, most_s: float, rung_y: float) -> Column:
    gap = min(3.0, step * 0.25)
    bars, y = [], float(TOP + HEIGHT)
    for stage in STAGES:
        height = round(HEIGHT * entry.stages[stage] / most_s, 1)
        if height <= 0:
            continue
        y -= height
        width = round(min(step - gap, 28.0), 1)
        bars.append(Bar(stage=stage, x=round(x + (step - width) / 2, 1), y=round(y, 1), width=width, height=height))
    told = ", ".join(
        f"{NAMES[stage]} {seconds_text(entry.stages[stage])}" for stage in STAGES if entry.stages[stage] > 0
    )
    title = f"{entry.name}: {told}; rung {entry.rung}"
    return Column(title=title, bars=tuple(bars), rung_x=round(x + step / 2, 1), rung_y=rung_y)


def _tick(seconds: float) -> str:
    """A round number of seconds, without zeros behind the point."""
    return "0" if seconds == 0 else f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"
