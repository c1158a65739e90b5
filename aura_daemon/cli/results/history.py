"""`history`: what ended, as a table for people or as lines of JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aura_daemon.config.amounts import duration_s
from aura_daemon.config.loading import load
from aura_daemon.daemon.history import Ending, HistoryEntry, HistoryFilter
from aura_daemon.daemon.history import history as entries_of
from aura_daemon.errors import Problem, UserError, with_mend
from aura_daemon.file_names import escaped
from aura_daemon.jobs.requests import JobKind

WIDE: Final = 72
"""Columns of a terminal that has room for prompts."""

MIDDLING: Final = 44
UNLIMITED: Final = 500
"""Columns where the output is no terminal."""


def history(wanted: HistoryFilter, config: Path | None, *, most: int, as_json: bool) -> int:
    """Prints the entries that are wanted."""
    settings = load(config).settings
    found = entries_of(settings, wanted, most=most)
    if as_json:
        for entry in found:
            print(json.dumps(entry.document(), ensure_ascii=False))
        return 0
    if not found:
        print("nothing has ended yet" if wanted == HistoryFilter() else "nothing that ended matches", file=sys.stderr)
        return 0
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = UNLIMITED
    console.print(table(found, settings.outbox, now=datetime.now().astimezone(), width=console.width))
    return 0


def wanted(text: str, *, kind: str | None, failed: bool | None, since: str | None, until: str | None) -> HistoryFilter:
    """The filter of the command line; raises UserError for a time that is none."""
    now = datetime.now().astimezone()
    return HistoryFilter(
        text=text,
        kind=JobKind(kind) if kind is not None else None,
        ending=None if failed is None else Ending.FAILED if failed else Ending.DONE,
        since=moment("since", since, now=now) if since is not None else None,
        until=moment("until", until, now=now) if until is not None else None,
    )


def moment(key: str, text: str, *, now: datetime) -> datetime:
    """A date, a date with a time, a time of today, or how long ago: `2h`."""
    word = text.strip()
    if (ago_s := duration_s(word)) is not None:
        with suppress(OverflowError):
            return now - timedelta(seconds=ago_s)
    words = {"now": now, "today": _midnight(now), "yesterday": _midnight(now) - timedelta(days=1)}
    if word in words:
        return words[word]
    for form in (word, f"{now.date().isoformat()}T{word}"):
        try:
            found = datetime.fromisoformat(form)
        except ValueError:
            continue
        return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)
    message = "must be a date (2026-05-31), a time ('2026-05-31 18:00', 18:00) or how long ago (30m, 2h, 3d)"
    raise UserError([Problem(key=key, message=message, given=escaped(text))])


def table(entries: Sequence[HistoryEntry], outbox: Path, *, now: datetime, width: int) -> Table:
    """A row an entry: when, result, how long it took, its prompt, caption or failure; of the last two, what fits."""
    columns = 5 if width >= WIDE else 4 if width >= MIDDLING else 3
    cells = [row_of(entry, outbox, now=now) for entry in entries]
    rows = Table.grid(padding=(0, 2, 0, 0), expand=columns == 5 and width < UNLIMITED)
    rows.add_column(no_wrap=True, style="dim")
    rows.add_column(no_wrap=True)
    longest = max((cell[2].cell_len for cell in cells), default=0)
    room = max(12, width // 3) if columns > 3 else width - 14
    rows.add_column(no_wrap=True, overflow="ellipsis", max_width=min(longest, room))
    rows.add_column(no_wrap=True, justify="right", style="dim")
    rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    del rows.columns[columns:]
    for row in cells:
        rows.add_row(*row[:columns])
    return rows


def row_of(entry: HistoryEntry, outbox: Path, *, now: datetime) -> tuple[Text, Text, Text, Text, Text]:
    """The cells of an entry."""
    is_done = entry.ending is Ending.DONE
    took = f"{entry.total_s:.1f} s" if entry.total_s is not None else ""
    name = _below(entry.output, outbox) if entry.output is not None else entry.source
    failure = entry.failure
    said = with_mend(failure.message, failure.mend) if failure is not None else " ".join(entry.text.split())
    if entry.kind is JobKind.BENCHMARK and is_done:
        said = "benchmark"
    return (
        Text(when(entry.ended_at, now=now)),
        Text("✓", "green") if is_done else Text("✗", "red"),
        Text(name, "" if entry.is_there else "strike dim"),
        Text(took),
        Text(escaped(said), "" if is_done else "red"),
    )


def when(moment: datetime, *, now: datetime) -> str:
    """A moment as short as it is clear: the time today, with the day before, with the year in another year."""
    local = moment.astimezone(now.tzinfo)
    if local.date() == now.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%b %d %H:%M}" if local.year == now.year else f"{local:%Y-%m-%d}"


def _below(path: Path, outbox: Path) -> str:
    return escaped(os.fspath(path.relative_to(outbox) if path.is_relative_to(outbox) else path))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
