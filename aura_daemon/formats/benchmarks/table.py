"""The page of a benchmark as Markdown. In: the run, earlier runs. Out: text.

Names and settings may hold anything: what is not a number of ours stands in code spans, or is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from aura_daemon.file_names import escaped
from aura_daemon.formats.benchmarks.comparison import (
    LIBRARIES,
    Changed,
    FigureChange,
    changed,
    comparable,
    figure_changes,
    per_minute_words,
    previous,
    stages_of,
)
from aura_daemon.formats.readable import (
    bytes_text,
    minute_text,
    number_text,
    seconds_text,
    share_text,
    shortened,
    size_text,
)
from aura_daemon.jobs.benchmarks import BenchmarkRun

WIDE_SPREAD: Final = 0.1
"""As a share: runs that differ by more are remarked on."""

BUSY: Final = 0.5
"""Load average a core from which on others were busy, or the daemon was just before."""

_MOST_CHARACTERS: Final = 120
"""Of one text."""


def page(run: BenchmarkRun, earlier: Sequence[BenchmarkRun]) -> str:
    """The whole page; `earlier`: of the same model, the oldest first."""
    parts = [_heading(run), _figures(run), "\n".join(_explained(run)), *_remarks(run)]
    last = previous(run, earlier)
    if last is not None:
        parts += _since(last, run)
    same = comparable(run, earlier)
    if same:
        parts += ["## Earlier runs", _history(run, same)]
    return "\n\n".join(parts) + "\n"


def conditions(run: BenchmarkRun, mark: Callable[[str], str] = str) -> str:
    """How the figures were made, in one line. `mark`: what is done with names."""
    place = f"{run.dtype} on {mark(run.device)}"
    if run.processor:
        place += f", {run.processor}, {run.threads} thread{'s' * (run.threads != 1)}"
    settings = dict(run.settings)
    parts = [place]
    if "steps" in settings:
        parts.append(f"{settings['steps']} steps of {mark(settings['scheduler'])}")
        parts.append(f"guidance {settings['guidance_scale']}")
        parts.append(f"batch {settings['batch']}")
    else:
        parts.append(f"at most {settings.get('max_new_tokens', '?')} tokens")
    return " · ".join(parts)


def _heading(run: BenchmarkRun) -> str:
    title = f"# {_text(run.model)} on {_text(run.device_name)}"
    return f"{title}\n\n{conditions(run, mark=_code)} · {minute_text(run.finished)} UTC"


def _figures(run: BenchmarkRun) -> str:
    made = "caption" if run.of == "caption" else "image"
    sizes = run.sizes
    rows = [
        (f"**{per_minute_words(run.of)}**", [f"**{number_text(one.per_minute)}**" for one in sizes]),
        (f"time of one {made}", [seconds_text(one.median_s("whole_s") / one.batch) for one in sizes]),
        ("spread of the runs", [share_text(one.spread) for one in sizes]),
        ("load the model", [seconds_text(one.load_s) for one in sizes]),
        ("first run", [seconds_text(one.first_s) for one in sizes]),
    ]
    for field, name in stages_of(sizes).items():
        rows.append((name, [seconds_text(one.median_s(field)) for one in sizes]))
        if field == "steps_s":
            rows.append(("one step", [seconds_text(one.median_s("step_s")) for one in sizes]))
    rows.append(("peak memory", [bytes_text(one.peak_bytes) for one in sizes]))
    rows.append(("rung", [_code(one.rung) for one in sizes]))
    if any(one.batch > 1 for one in sizes):
        rows.append(("drawn at once", [str(one.together) for one in sizes]))
    return _table(["", *(size_text(one.name) for one in sizes)], rows)


def _explained(run: BenchmarkRun) -> Iterator[str]:
    times = "1 run" if run.repeats == 1 else f"{run.repeats} runs"
    of = "" if run.of == "caption" else " of each size"
    yield f"Medians of {times}{of}, after the first, which warms up; it began with no model loaded."
    batch = max(one.batch for one in run.sizes)
    if batch > 1:
        yield f"First run and stages are of {batch} images together."
    yield f"Load average before: {number_text(run.load_average)} on {run.cores} core{'s' * (run.cores != 1)}."
    libraries = [f"{name.replace('_', '-')} {_code(version)}" for name, version in run.versions if name in LIBRARIES]
    if libraries:
        yield f"Versions: {', '.join(libraries)}."
    yield "Beside this page lie a chart and the sidecar with all figures, which, dropped into the inbox, runs it again."


def _remarks(run: BenchmarkRun) -> Iterator[str]:
    """What a reader should know before the figures are trusted, as one list; nothing where there is nothing to say."""
    lines = [f"{size_text(one.name)} was not measured: {_text(one.reason)}" for one in run.not_run]
    lines += [_text(note) for note in run.notes]
    lines += [
        f"{size_text(one.name)}: fastest and slowest run are {share_text(one.spread)} apart: something else was at work"
        for one in run.sizes
        if one.spread > WIDE_SPREAD
    ]
    lines += [
        f"{size_text(one.name)}: memory was enough for {one.together} of {one.batch} images at once"
        for one in run.sizes
        if one.together < one.batch
    ]
    if run.load_average > BUSY * run.cores:
        lines.append(
            "the machine was busy before, with the daemon's own jobs or with others'; an idle one gives better figures"
        )
    if lines:
        yield "Before you compare:\n\n" + "\n".join(f"- {line}" for line in lines)


def _since(last: BenchmarkRun, run: BenchmarkRun) -> Iterator[str]:
    yield f"## Since the last run, {minute_text(last.finished)} UTC"
    what = changed(last, run)
    yield "Changed: " + "; ".join(map(_change, what)) + "." if what else "Nothing that is known of has changed."
    changes = figure_changes(last, run)
    sizes = list(dict.fromkeys(one.size for one in changes))
    found = {(one.figure, one.size): one for one in changes}
    rows = [
        (figure, [_figure_change(found[figure, size]) if (figure, size) in found else "" for size in sizes])
        for figure in dict.fromkeys(one.figure for one in changes)
    ]
    yield _table(["", *map(size_text, sizes)], rows)


def _change(change: Changed) -> str:
    what = " ".join(map(size_text, change.what.replace("_", " ").split()))
    return f"{what} {_code(change.before)} → {_code(change.after)}"


def _figure_change(change: FigureChange) -> str:
    return f"{_amount(change.figure, change.before)} → {_amount(change.figure, change.after)}: {change.in_words}"


def _amount(figure: str, amount: float) -> str:
    if figure.endswith("a minute"):
        return number_text(amount)
    return bytes_text(int(amount)) if figure == "peak memory" else seconds_text(amount)


def _history(run: BenchmarkRun, earlier: Sequence[BenchmarkRun]) -> str:
    """Images a minute of this run and those before, the latest first, with what changed before each."""
    runs = [*earlier, run]
    rows = []
    for number, one in enumerate(runs):
        figures = [one.size(size.width, size.height) for size in run.sizes]
        what = changed(runs[number - 1], one) if number else ()
        cells = [number_text(figure.per_minute) if figure is not None else "" for figure in figures]
        rows.append((minute_text(one.finished), [*cells, "; ".join(map(_change, what))]))
    head = [per_minute_words(run.of), *(size_text(one.name) for one in run.sizes), "changed"]
    if not any(cells[-1] for _, cells in rows):
        head, rows = head[:-1], [(name, cells[:-1]) for name, cells in rows]
    return _table(head, rows[::-1])


def _table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table whose columns line up in a plain text editor too."""
    lines = [list(head), *([name, *cells] for name, cells in rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(head))]
    right = [column > 0 and head[column] != "changed" for column in range(len(head))]

    def row(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = ["-" * (width - 1) + ":" if to_right else "-" * width for width, to_right in zip(widths, right, strict=True)]
    return "\n".join([row(lines[0]), row(rule), *map(row, lines[1:])])


def _text(text: str) -> str:
    """Any text as one line of Markdown, with nothing in it that is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", _short(text))


def _code(text: str) -> str:
    """Any text as a code span of one line."""
    return f"`{_short(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _short(text: str) -> str:
    return shortened(" ".join(escaped(text).split()), _MOST_CHARACTERS)
