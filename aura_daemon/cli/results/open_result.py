"""`open`: a result, in the program that the desktop has for it; its path where there is no desktop."""

from __future__ import annotations

import sys
from pathlib import Path

from aura_daemon.config.loading import load
from aura_daemon.daemon.history import Ending, HistoryEntry, HistoryFilter, history
from aura_daemon.file_names import escaped
from aura_daemon.system import desktop

NOTHING = 1

MOST_SEARCHED = 2000
"""Results that are looked through, the latest."""

MOST_DIGITS = 5
"""Longer numbers are names."""


def open_result(which: str, config: Path | None, *, prints: bool) -> int:
    """0; 1 where there is no such result. `which`: its number, 1 the newest; else its id, its name, or part of it."""
    settings = load(config).settings
    number = int(which) if which.isdecimal() and len(which) < MOST_DIGITS else None
    wanted = HistoryFilter(ending=Ending.DONE, text="" if number is not None else which)
    there = [entry for entry in history(settings, wanted, most=MOST_SEARCHED) if entry.is_there]
    found = _of_name(there, which) if number is None else next(iter(there[max(number, 1) - 1 :]), None)
    if found is None or found.output is None:
        print(f"error: {_missing(which, number, len(there))}", file=sys.stderr)
        return NOTHING
    place = found.output.absolute()
    reason = "" if prints else desktop.show(place)
    print(place)
    if reason:
        print(escaped(f"not opened: {reason}"), file=sys.stderr)
    return 0


def _of_name(found: list[HistoryEntry], which: str) -> HistoryEntry | None:
    """The newest entry that is called so, else the newest in which the text stands."""
    for entry in found:
        names = {entry.id, entry.source, *((entry.output.name, entry.output.stem) if entry.output else ())}
        if which in names:
            return entry
    return next(iter(found), None)


def _missing(which: str, number: int | None, count: int) -> str:
    if number is None:
        return f"no result is called {escaped(which)}: `aura-daemon history` lists them"
    return f"there are {count} results, no more" if count else "there is no result yet"
