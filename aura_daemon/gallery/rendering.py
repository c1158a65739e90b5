"""Entries -> HTML. Jinja2 escapes every text; the pages load nothing from elsewhere, and run no script but their own.

A fragment is one entry; it is rendered once and stands on the index first and on a page later. Where its addresses
begin depends on the page, so a mark stands there until then.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from aura_daemon import __version__
from aura_daemon.gallery.charts import Chart
from aura_daemon.gallery.entries import GalleryEntry, ratios, shortened_entry
from aura_daemon.gallery.paging import PAGES, Page
from aura_daemon.health.document import Holdup

FRAGMENTS_BYTES: Final = 200_000
"""Room for results on the index, so that all of it stays under 300 kB; those without room stand on the next page.

The results that only the index shows always find room, as each is given its share."""

LONGEST_TEXT: Final = 4_000
"""Characters of a text in an entry, at most; fewer where the entry would exceed its share of `FRAGMENTS_BYTES`."""

MOST_WORKERS: Final = 32
"""Workers that the index shows; how many more there are is told."""

_TEMPLATES: Final = Path(__file__).parent / "templates"
_ROOT_MARK: Final = "\0"
"""Stands for the way to the outbox in a fragment; no text holds it (`entries.clean`)."""

_FROM_PAGE: Final = "../" * (PAGES.count("/") + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueRow:
    """A job that runs or waits."""

    kind: str
    what: str
    """Its prompt, or its file's name."""
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerRow:
    """One of several workers, or of one on another machine."""

    name: str
    what: str
    """The file that asked for its job, or why it runs none."""
    place: str
    """Node, device, rung, models."""
    jobs: int
    """How many it runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexContent:
    """What the index shows beside the results."""

    now: str
    """UTC, ISO 8601."""
    status: str = ""
    holdups: Sequence[Holdup] = ()
    current: QueueRow | None = None
    workers: Sequence[WorkerRow] = ()
    queue: Sequence[QueueRow] = ()
    depth: int = 0
    """Jobs that have not ended."""
    total: int = 0
    """Results and failures ever."""


class Renderer:
    """Makes the pages of one outbox."""

    def __init__(self, *, title: str, page_size: int) -> None:
        self._title = title
        self._most_bytes = FRAGMENTS_BYTES // page_size

    def fragment(self, entry: GalleryEntry) -> str:
        """The HTML of one entry; texts are cut until the entry takes no more than its share of the index."""
        most = LONGEST_TEXT
        while True:
            text = self._render("entry.html.jinja", e=shortened_entry(entry, most), root=_ROOT_MARK)
            if len(text.encode()) <= self._most_bytes or most <= 16:
                return text
            most //= 2

    def index(
        self, content: IndexContent, fragments: Sequence[str], links: Sequence[str], chart: Chart | None
    ) -> bytes:
        """The index. `fragments`: newest first. `links`: names of the next older page and of the oldest, or nothing."""
        addresses = [f"{PAGES}/{name}" for name in links]
        told = sum(worker.jobs for worker in content.workers) or (content.current is not None)
        return self._render(
            "index.html.jinja",
            now=content.now,
            status=content.status,
            holdups=content.holdups,
            current=content.current,
            workers=content.workers[:MOST_WORKERS],
            further_workers=max(0, len(content.workers) - MOST_WORKERS),
            at_work=sum(worker.jobs > 0 for worker in content.workers),
            queue=content.queue,
            depth=content.depth,
            further=content.depth - len(content.queue) - told,
            total=f"{content.total:,}".replace(",", "\u202f"),
            fragments=_placed(fragments, ""),
            older=addresses[0] if addresses else "",
            oldest=addresses[1] if len(addresses) > 1 else "",
            chart=chart,
        ).encode()

    def page(self, page: Page, fragments: Sequence[str], *, newer: Page, older: Page | None) -> bytes:
        """A full page. `fragments`: newest first."""
        return self._render(
            "page.html.jinja",
            page=page,
            fragments=_placed(fragments, _FROM_PAGE),
            root=_FROM_PAGE,
            newer=newer.name,
            older=older.name if older is not None else "",
        ).encode()

    def redirect(self) -> bytes:
        """What stands in place of a page that is not full yet: the way to the index."""
        return self._render("redirect.html.jinja", root=_FROM_PAGE).encode()

    def _render(self, name: str, **values: object) -> str:
        return templates().get_template(name).render(title=self._title, **values)


@cache
def templates() -> Environment:
    """The templates, with our style and script in them; compiled once a process, when the first page is made."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    shapes = "".join(f".{name}{{--r:{ratio:g}}}" for name, ratio in ratios())
    css = (_TEMPLATES / "gallery.css").read_text(encoding="utf-8") + shapes
    script = (_TEMPLATES / "gallery.js").read_text(encoding="utf-8")
    environment.globals |= {
        "css": Markup(css),
        "script": Markup(script),
        "policy": policy(css, script),
        "version": __version__,
    }
    return environment


def policy(css: str, script: str) -> str:
    """The content security policy: our own style and script by their hashes, pictures from beside, nothing else."""
    return (
        f"default-src 'none'; style-src {_hashed(css)}; script-src {_hashed(script)}; "
        "img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _placed(fragments: Sequence[str], root: str) -> list[Markup]:
    return [Markup(fragment.replace(_ROOT_MARK, root)) for fragment in fragments]
