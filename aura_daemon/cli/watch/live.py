"""`status --watch`: how the daemon is, again and again; on a terminal a view, elsewhere a line a change."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.live import Live

from aura_daemon.cli.watch.view import Seen, change_of, line_of, view
from aura_daemon.config.loading import load
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.history import HistoryEntry, history
from aura_daemon.daemon.status import read_status
from aura_daemon.errors import UserError

INTERVAL_S: Final = 0.5
"""The daemon writes the health document no more often."""

MOST_RESULTS: Final = 40
TERMINATED: Final = 128 + signal.SIGTERM


def watch(config: Path | None, *, as_json: bool) -> int:
    """Ends with 0 at Ctrl-C, whatever the daemon does meanwhile."""
    settings = load(config).settings
    console = Console(highlight=False)
    is_alive = console.is_terminal and not console.is_dumb_terminal and not as_json
    try:
        if is_alive:
            _show(settings, console)
        else:
            _tell(settings, as_json=as_json)
    except KeyboardInterrupt:
        pass
    return 0


def _show(settings: Settings, console: Console) -> None:
    """The view, on a screen of its own; what it showed last stays when it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # the terminal gets its own screen back
    seen = None
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            for seen in _looks(settings):
                live.update(view(seen, width=console.width, height=console.height), refresh=True)
    finally:
        if seen is not None:
            console.print(view(seen, width=console.width, height=console.height - 1))


def _tell(settings: Settings, *, as_json: bool) -> None:
    """A line for each change; steps of a job and figures of memory are none."""
    before: Any = None
    for seen in _looks(settings):
        if (change := change_of(seen)) != before:
            before = change
            line = json.dumps(seen.status.document()) if as_json else f"{seen.now:%H:%M:%S} {line_of(seen)}"
            print(line, flush=True)


def _looks(settings: Settings) -> Iterator[Seen]:
    """What is to be seen, again and again; the journal is asked for results only when their number has changed."""
    state = settings.state_folder()
    results: tuple[HistoryEntry, ...] = ()
    counts: dict[str, int] | None = None
    while True:
        status = read_status(state, with_failures=False)
        if status.job_counts is not None and status.job_counts != counts:
            counts, results = status.job_counts, _results(settings)
        yield Seen(status=status, results=results, outbox=settings.outbox, now=datetime.now().astimezone())
        time.sleep(INTERVAL_S)


def _results(settings: Settings) -> tuple[HistoryEntry, ...]:
    try:
        return history(settings, most=MOST_RESULTS)
    except UserError:  # taken away since it was counted
        return ()
