"""What stands beside the results, and must be true too: every hook once or told, and a gallery without holes.

In: a house whose daemons ran under `variables` or `settings`. Out: complaints, for when no daemon runs.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from aura_daemon.gallery.paging import INDEX, PAGES
from aura_daemon.journal.hook_events import HOOK_OK, HookKind, HookState
from aura_daemon.journal.journal import FILE_NAME
from tests.support.house import House
from tests.support.light_worker import THUMBNAILS

PAGE_SIZE: Final = 10

_LINKS: Final = re.compile(r'(?:href|src|data-full)="([^"#:]+)"')
_ENTRY: Final = re.compile(r'<li class="tile [^>]* id="([^"]+)">')


def _hook(house: House) -> list[str]:
    """A hook that writes down of which event it was told."""
    return ["sh", "-c", 'echo "$AURADAEMON_EVENT_ID" >> "$0"', str(house.root / "told")]


def settings(house: House) -> dict[str, Any]:
    """Everything on, and nothing ever old enough to be deleted."""
    hook, kept = _hook(house), {"age": "1000d"}
    return {
        "hooks": {"on_done": hook, "on_failed": hook},
        "gallery": {"outbox": True, "page_size": PAGE_SIZE},
        "retention": {"archive": kept, "failed": kept, "journal": kept},
        "metrics": {"textfile": house.root / "aura.prom"},
    }


def variables(house: House) -> dict[str, str]:
    """The same for a process."""
    found = {THUMBNAILS: "1"}
    for section, keys in settings(house).items():
        for key, value in keys.items():
            name = f"AURA_{section}__{key}".upper()
            match value:
                case {"age": age}:
                    found[f"{name}__AGE"] = age
                case Path():
                    found[name] = str(value)
                case _:
                    found[name] = json.dumps(value)
    return found


def complaints(house: House, *, hooks_are_over: bool) -> Iterator[str]:
    """What is wrong after a daemon has ended with nothing left to do. `hooks_are_over`: it was a drain."""
    if (house.state / FILE_NAME).exists():
        yield from hook_complaints(house, are_over=hooks_are_over)
        yield from _of_gallery(house)


def hook_complaints(house: House, *, are_over: bool) -> Iterator[str]:
    """Hooks that ran twice, or did not run and are not told; between two daemons some may be due."""
    place = house.root / "told"
    told = Counter(place.read_text("utf-8").split() if place.exists() else [])
    with closing(sqlite3.connect(house.state / FILE_NAME)) as database:
        rows = database.execute(
            "SELECT subject || '-' || kind, min(state), min(outcome), count(*) FROM hook_events GROUP BY 1"
        ).fetchall()
        done = [f"{job}-{HookKind.DONE}" for (job,) in database.execute("SELECT id FROM jobs WHERE state = 'done'")]
    known = {event for event, *_ in rows}
    yield from (f"a hook was told of {event}, of which the journal knows nothing" for event in told.keys() - known)
    yield from (f"no hook will be told of {event}" for event in set(done) - known)
    for event, state, outcome, recorded in rows:
        name = f"the hook of {event} ({state}: {outcome})"
        if told[event] > recorded:
            yield f"{name} ran {told[event]} times"
        if recorded == 1 and state == HookState.DUE and told[event]:
            yield f"{name} has run, and will again"
        if recorded == 1 and outcome == HOOK_OK and not told[event]:
            yield f"{name} never ran"
        if are_over and state != HookState.ENDED:
            yield f"{name} is neither run nor told"


def _of_gallery(house: House) -> Iterator[str]:
    pages = [
        place for place in (house.outbox / INDEX, *sorted((house.outbox / PAGES).glob("*.html"))) if place.exists()
    ]
    shown: set[str] = set()
    for page in pages:
        text = page.read_text("utf-8")
        name = page.relative_to(house.outbox)
        if not text.endswith("</html>\n"):
            yield f"{name} is half a page"
        shown.update(_ENTRY.findall(text))
        for link in _LINKS.findall(text):
            if not (page.parent / unquote(unescape(link), errors="surrogateescape")).exists():
                yield f"{name} leads to {link}, which is not there"
    with closing(house.journal()) as journal:
        ended = {row.id for row in journal.ended_between(1, journal.last_ended())}
    yield from (f"{missing} has ended and stands on no page" for missing in sorted(ended - shown))
