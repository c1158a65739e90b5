"""The chart of a benchmark as SVG: a bar for each size, stacked of its stages, and a line for each size over the runs.

In: the run, earlier runs. Out: text. Text stays text, so that it can be searched, read aloud and copied. The colours
suit a light and a dark page, and can be told apart by who sees colours otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from xml.etree import ElementTree as Xml

from aura_daemon.file_names import escaped
from aura_daemon.formats.benchmarks.comparison import STAGES, comparable, per_minute_words, stages_of
from aura_daemon.formats.benchmarks.table import conditions
from aura_daemon.formats.readable import (
    bytes_text,
    minute_text,
    number_text,
    rounded_up,
    seconds_text,
    shortened,
    size_text,
)
from aura_daemon.jobs.benchmarks import BenchmarkRun, SizeFigures

WIDTH_PX: Final = 760
_LEFT_PX: Final = 24
_BARS_PX: Final = 124
"""Where bars begin."""
_LONGEST_PX: Final = 392
"""Of a bar."""
_BAR_PX: Final = 26
_ROW_PX: Final = 62
_LINES_PX: Final = 150
"""Height of the chart of earlier runs."""
_LINES_RIGHT_PX: Final = 590
_LEAST_LABEL_PX: Final = 58
"""Width of a part that has room for its seconds."""

_MOST_CHARACTERS: Final = 110
"""Of a line of text."""

_COLOURS: Final = ("#6e56cf", "#2563eb", "#0f766e", "#b45309", "#be185d", "#64748b", "#15803d", "#a21caf")
"""Of stages and of sizes; white text can be read on each."""

_STYLE: Final = """
svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; max-width: 100%; height: auto }
text { fill: #1e293b; font-size: 13px } .page { fill: #ffffff }
.title { font-size: 18px; font-weight: 600 } .head { font-size: 14px; font-weight: 600 }
.soft { fill: #64748b; font-size: 12px } .on { fill: #ffffff; font-size: 12px }
.end { text-anchor: end } .middle { text-anchor: middle }
.rule { stroke: #e2e8f0 } .line { fill: none; stroke-width: 2 } .dot { stroke: #ffffff; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e2e8f0 } .page { fill: #0f172a } .soft { fill: #94a3b8 } .on { fill: #ffffff }
  .rule { stroke: #334155 } .dot { stroke: #0f172a } .part { filter: brightness(1.15) }
  .line, .dot { filter: brightness(1.5) }
}
"""
"""Plain rules first: not every viewer knows variables or dark pages."""


def chart(run: BenchmarkRun, earlier: Sequence[BenchmarkRun]) -> str:
    """The whole chart; `earlier`: of the same model, the oldest first."""
    same = comparable(run, earlier)
    lines_from_px = 136 + _ROW_PX * len(run.sizes)
    height_px = lines_from_px + (_LINES_PX + 42 if same else 0)
    svg = Xml.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH_PX} {height_px}",
            "width": str(WIDTH_PX),
            "height": str(height_px),
            "role": "img",
            "aria-labelledby": "title",
        },
    )
    title = f"{run.model} on {run.device_name}"
    Xml.SubElement(svg, "title", {"id": "title"}).text = f"Benchmark: {_short(title)}, {_told(run)}"
    Xml.SubElement(svg, "style").text = _STYLE
    Xml.SubElement(svg, "rect", {"class": "page", "width": "100%", "height": "100%", "rx": "10"})
    _write(svg, _LEFT_PX, 38, title, "title")
    _write(svg, _LEFT_PX, 60, conditions(run), "soft")
    _legend(svg, run)
    longest_s = max(_of_one(one) for one in run.sizes) or 1.0
    for number, size in enumerate(run.sizes):
        _bar(svg, size, 116 + _ROW_PX * number, longest_s, run.of)
    if same:
        _lines(svg, [*same, run], lines_from_px)
    return Xml.tostring(svg, encoding="unicode") + "\n"


def _told(run: BenchmarkRun) -> str:
    """The rates, for who does not see the chart."""
    return ", ".join(
        f"{size_text(one.name)}: {number_text(one.per_minute)} {per_minute_words(run.of)}" for one in run.sizes
    )


def _legend(svg: Xml.Element, run: BenchmarkRun) -> None:
    """The stages that are there, each with its colour."""
    left = float(_LEFT_PX)
    present = stages_of(run.sizes)
    for (field, name), colour in zip(STAGES.items(), _COLOURS, strict=False):
        if field not in present:
            continue
        square = {"x": f"{left:g}", "y": "80", "width": "12", "height": "12", "rx": "3"}
        Xml.SubElement(svg, "rect", {**square, "fill": colour, "class": "part"})
        _write(svg, left + 18, 91, name, "soft")
        left += 40 + 6.6 * len(name)


def _bar(svg: Xml.Element, size: SizeFigures, top: float, longest_s: float, of: str) -> None:
    """The stages of one picture, one after the other, and its figures."""
    _write(svg, _LEFT_PX, top + 18, size_text(size.name), "head")
    whole_s = _of_one(size)
    medians = {field: size.median_s(field) for field in STAGES}
    in_all_s = sum(medians.values()) or 1.0
    left, scale = float(_BARS_PX), _LONGEST_PX * whole_s / longest_s / in_all_s
    for (field, name), colour in zip(STAGES.items(), _COLOURS, strict=False):
        width = medians[field] * scale
        if width <= 0:
            continue
        told = seconds_text(medians[field] / size.batch)
        shape = {"x": f"{left:.2f}", "y": f"{top:g}", "width": f"{width:.2f}", "height": f"{_BAR_PX}"}
        part = Xml.SubElement(svg, "rect", {**shape, "fill": colour, "class": "part"})
        Xml.SubElement(part, "title").text = f"{name}: {told}"
        if width >= _LEAST_LABEL_PX:
            _write(svg, left + width / 2, top + 17, told, "on middle")
        left += width
    _write(svg, left + 10, top + 18, f"{number_text(size.per_minute)} {per_minute_words(of)}", "head")
    made = "a caption" if of == "caption" else "an image"
    below = (
        f"{seconds_text(whole_s)} {made} · load {seconds_text(size.load_s)}"
        f" · peak {bytes_text(size.peak_bytes)} · rung {size.rung}"
    )
    _write(svg, _BARS_PX, top + _BAR_PX + 16, below, "soft")


def _lines(svg: Xml.Element, runs: Sequence[BenchmarkRun], top: float) -> None:
    """The rate of each size over the runs, the latest on the right."""
    last = runs[-1]
    _write(svg, _LEFT_PX, top + 14, f"The last {len(runs)} runs: {per_minute_words(last.of)}", "head")
    top += 36
    bottom = top + _LINES_PX - 36
    rates = {size.name: [run.size(size.width, size.height) for run in runs] for size in last.sizes}
    most = rounded_up(max(one.per_minute for sizes in rates.values() for one in sizes if one is not None))
    for share in (0.0, 0.5, 1.0):
        height = bottom - share * (bottom - top)
        ends = {"x1": "72", "x2": f"{_LINES_RIGHT_PX}", "y1": f"{height:g}", "y2": f"{height:g}"}
        Xml.SubElement(svg, "line", {"class": "rule", **ends})
        _write(svg, 64, height + 4, f"{most * share:,.6g}", "soft end")
    step = (_LINES_RIGHT_PX - 96) / (len(runs) - 1)
    labels: list[float] = []
    for sizes, colour in zip(rates.values(), _COLOURS[1:] + _COLOURS[:1], strict=False):
        points = [
            (
                96 + step * place,
                bottom - one.per_minute / most * (bottom - top),
                f"{minute_text(runs[place].finished)}: ",
                one,
            )
            for place, one in enumerate(sizes)
            if one is not None
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in points)
        Xml.SubElement(svg, "polyline", {"class": "line", "points": path, "stroke": colour})
        for x, y, when, one in points:
            middle = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "4"}
            dot = Xml.SubElement(svg, "circle", {**middle, "fill": colour, "class": "dot"})
            Xml.SubElement(dot, "title").text = when + number_text(one.per_minute)
        labels.append(points[-1][1])
    for height, size in zip(_apart(labels), last.sizes, strict=True):
        _write(svg, _LINES_RIGHT_PX + 12, height + 4, f"{size_text(size.name)}: {number_text(size.per_minute)}")
    _write(svg, 72, bottom + 20, minute_text(runs[0].finished), "soft")
    _write(svg, _LINES_RIGHT_PX, bottom + 20, f"{minute_text(last.finished)} UTC", "soft end")


def _apart(heights: Sequence[float]) -> list[float]:
    """The same heights in px, moved down where two labels would cover each other."""
    order = sorted(range(len(heights)), key=lambda number: heights[number])
    moved = list(heights)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + 16)
    return moved


def _of_one(size: SizeFigures) -> float:
    """Seconds of one picture."""
    return size.median_s("whole_s") / size.batch


def _write(svg: Xml.Element, x: float, y: float, text: str, kind: str = "") -> None:
    place = {"x": f"{x:.1f}".removesuffix(".0"), "y": f"{y:.1f}".removesuffix(".0")}
    Xml.SubElement(svg, "text", {**place, "class": kind} if kind else place).text = _short(text)


def _short(text: str) -> str:
    return shortened(" ".join(escaped(text).split()), _MOST_CHARACTERS)
