"""The gallery of an outbox, as an extension of the daemon. In: events, the journal, sidecars. Out: pages, thumbnails.

What stands on which page is decided by the numbers under which the journal says what has ended, so that any page can
be made again. Nothing here disturbs a job: what cannot be written is tried again later, and a thumbnail that is lost is
replaced by its picture.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from loguru import logger

from aura_daemon.backoff import Backoff
from aura_daemon.gallery.charts import chart
from aura_daemon.gallery.entries import GalleryEntry
from aura_daemon.gallery.files import ForeignIndex, GalleryFiles
from aura_daemon.gallery.overview import is_other, overview
from aura_daemon.gallery.paging import INDEX, Page, Paging
from aura_daemon.gallery.rendering import FRAGMENTS_BYTES, Renderer
from aura_daemon.gallery.results import GalleryResults
from aura_daemon.health.document import Health
from aura_daemon.health.listener import Event, HealthWritten, JobDelivered, JobFailed
from aura_daemon.journal.ended import EndedRow
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.system.clock import utc_now

INDEX_INTERVAL_S: Final = 5.0
"""Shortest time between two writes of the index: outboxes are often synced."""

NEWS_S: Final = 1.0
"""How long news are waited for after the first one: as a job ends, the next one begins, and one index tells both."""

REBUILD_INTERVAL_S: Final = 0.1
"""Time between two turns in which pages are made again, as after an update or when someone deleted them."""

SLICE: Final = 16
"""Entries that are made before the time is looked at."""

CLOSING_S: Final = 2.0
"""Most time for what is left to do when the daemon ends."""

TURN_S: Final = 0.03
"""Most time of one turn, but for what is begun: a slice, a page."""

_RETRY_FIRST_S: Final = 5.0
_RETRY_MOST_S: Final = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shown:
    """An entry of the index."""

    entry: GalleryEntry
    fragment: str


class Gallery:
    """Writes the index and the pages. Implements `Extension`."""

    def __init__(
        self,
        journal: Journal,
        delivery: Delivery,
        *,
        page_size: int,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], str] = utc_now,
    ) -> None:
        self._journal = journal
        self._delivery = delivery
        self._files = GalleryFiles(delivery)
        self._size = page_size
        self._renderer = Renderer(title=delivery.root.name or "outbox", page_size=page_size)
        self._monotonic = monotonic
        self._now = now
        self._results = GalleryResults(journal, delivery, self._files)
        self._health: Health | None = None
        self._window: dict[int, _Shown] = {}
        """Number -> what the index shows."""
        self._seen = -1
        """The last number in the window, or before it; -1 until the journal was asked."""
        self._full = 0
        """How many pages were written, as they were full."""
        self._missing: deque[Page] = deque()
        self._is_behind = True
        self._news_s: float | None = float("-inf")
        """Since when the index misses something; None while it misses nothing."""
        self._written_s: float | None = None
        self._rebuilt: tuple[deque[EndedRow], list[str]] | None = None
        """Of the page that is made again: what is left to do, and what is done."""
        self._rebuilt_s = 0.0
        self._backoff = Backoff(first_s=_RETRY_FIRST_S, most_s=_RETRY_MOST_S)
        self._has_told_of_foreign = False

    def on_event(self, event: Event) -> None:
        """Notes what happened; `work` does the rest."""
        match event:
            case JobDelivered(delivered=delivered, produced=produced):
                self._is_behind = True
                self._results.note(delivered, produced)
            case JobFailed():
                self._is_behind = True
            case HealthWritten(document=document):
                if is_other(self._health, document) or not self._files.has_index():
                    self._note_news()
                self._health = document
            case _:
                pass

    def waitables(self) -> Sequence[int]:
        """Nothing but time and events makes work."""
        return ()

    def due_in_s(self) -> float | None:
        """Seconds until there is something to write."""
        now_s = self._monotonic()
        if self._backoff.until_s is not None:
            return max(0.0, self._backoff.until_s - now_s)
        if self._is_behind or self._results.has_thumbnails:
            return 0.0
        due = [self._index_due_s(self._news_s)] if self._news_s is not None else []
        due += [self._rebuilt_s + REBUILD_INTERVAL_S] if self._missing else []
        return max(0.0, min(due) - now_s) if due else None

    def work(self) -> None:
        """Does what is due."""
        if self.due_in_s() == 0.0:
            self._try(self._work, until_s=self._monotonic() + TURN_S)

    def close(self) -> None:
        """Writes what is left, as far as there is time."""
        self._written_s, until_s = None, self._monotonic() + CLOSING_S
        self._news_s = float("-inf")
        while self._try(self._work, until_s=until_s):
            self._rebuilt_s = 0.0
            has_work = self._is_behind or self._news_s is not None or self._missing
            if not has_work or self._monotonic() >= until_s:
                break

    def _try(self, work: Callable[[float], None], *, until_s: float) -> bool:
        """Works; a file system that refuses is left alone for a while, and jobs know nothing of it."""
        try:
            self._files.require_outbox()
            work(until_s)
        except ForeignIndex:
            self._tell_of_foreign()
            self._written_s, self._news_s = self._monotonic(), None
        except OSError as error:
            if self._backoff.failures == 0:
                logger.warning("the gallery cannot be written: {}; it is tried again", error.strerror or error)
            self._backoff.failed(self._monotonic())
            return False
        if self._backoff.failures:
            logger.info("the gallery can be written again")
        self._backoff.succeeded()
        return True

    def _work(self, until_s: float) -> None:
        if self._seen < 0:
            self._begin()
        while self._results.has_thumbnails:
            self._results.write_thumbnail()
            if self._monotonic() >= until_s:
                return
        while self._is_behind:
            self._catch_up()
            if self._monotonic() >= until_s:
                return
        now_s = self._monotonic()
        if self._missing and now_s >= self._rebuilt_s + REBUILD_INTERVAL_S:
            self._rebuild(self._missing[0], until_s)
            self._rebuilt_s = now_s
        if self._news_s is not None and now_s >= self._index_due_s(self._news_s):
            self._write_index()

    def _index_due_s(self, news_s: float) -> float:
        earliest_s = self._written_s + INDEX_INTERVAL_S if self._written_s is not None else float("-inf")
        return max(earliest_s, news_s + NEWS_S)

    def _note_news(self) -> None:
        if self._news_s is None:
            self._news_s = self._monotonic()

    # -- entries -------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Finds out what is there: which pages are missing, and where the index begins."""
        paging = Paging(size=self._size, ended=self._journal.last_ended())
        names = self._files.pages()
        for name in paging.strange(names):
            self._files.remove_page(name)
        self._missing = deque(paging.missing(names))
        self._full, self._seen = paging.full, paging.first_of_index - 1

    def _catch_up(self) -> None:
        """Makes entries of what has ended since; writes the pages that are full."""
        last = self._journal.last_ended()
        step = min(last, self._seen + SLICE)
        for row in self._journal.ended_between(self._seen + 1, step):
            self._add(row)
        self._seen = step
        paging = Paging(size=self._size, ended=step)
        while self._full < paging.full:
            page = paging.page(self._full)
            self._write_page(page, [shown.fragment for number, shown in self._window.items() if _is_on(number, page)])
            self._full += 1
        for number in [number for number in self._window if number < paging.first_of_index]:
            del self._window[number]
        self._is_behind = step < last
        if not self._is_behind:
            self._results.forget()

    def _add(self, row: EndedRow) -> None:
        """Puts an entry into the window; a job that was retried leaves its older place."""
        entry = self._results.entry(row)
        if entry is None:
            return
        for number in [number for number, shown in self._window.items() if shown.entry.id == row.id]:
            del self._window[number]
        self._window[row.number] = _Shown(entry=entry, fragment=self._renderer.fragment(entry))
        self._note_news()

    # -- pages ---------------------------------------------------------------------------------------------------------

    def _rebuild(self, page: Page, until_s: float) -> None:
        """Makes a page again from journal and sidecars, as far as there is time."""
        rows, fragments = self._rebuilt or (deque(self._journal.ended_between(page.first, page.last)), [])
        self._rebuilt = rows, fragments
        while rows and (not fragments or self._monotonic() < until_s):
            if (entry := self._results.entry(rows.popleft())) is not None:
                fragments.append(self._renderer.fragment(entry))
        if not rows:
            self._write_page(page, fragments)
            self._missing.popleft()
            self._rebuilt = None

    def _write_page(self, page: Page, fragments: Sequence[str]) -> None:
        """Writes a full page, and before it what stands for those beside it: no link leads nowhere."""
        paging = Paging(size=self._size, ended=page.last)
        newer, older = paging.newer(page), paging.older(page)
        self._stand_in(newer, *([older] if older is not None else []))
        content = self._renderer.page(page, list(reversed(fragments)), newer=newer, older=older)
        self._files.write_page(page.name, content)

    def _stand_in(self, *pages: Page) -> None:
        """Writes what stands for pages that are not full or not made again yet: it leads to the index."""
        for page in pages:
            if not self._files.holds_for(page.name):
                self._files.write_page(page.name, self._renderer.redirect())

    def _write_index(self) -> None:
        paging = Paging(size=self._size, ended=self._seen)
        fragments: list[str] = []
        room, first = FRAGMENTS_BYTES, paging.ended + 1
        for number in sorted(self._window, reverse=True):
            fragment = self._window[number].fragment
            room -= len(fragment.encode())
            if room < 0 and number < paging.first_on_no_page:
                break
            fragments.append(fragment)
            first = number
        links = paging.behind_index(first)
        self._stand_in(*links)
        content = overview(
            self._journal,
            self._health,
            now=self._now(),
            total=self._journal.count_ended(),
            is_for_few=self._results.is_for_few,
        )
        drawn = chart([self._window[number].entry for number in sorted(self._window)])
        self._files.write_index(self._renderer.index(content, fragments, [page.name for page in links], drawn))
        self._written_s, self._news_s = self._monotonic(), None

    # -- below ---------------------------------------------------------------------------------------------------------

    def _tell_of_foreign(self) -> None:
        if not self._has_told_of_foreign:
            place = self._delivery.root / INDEX
            logger.warning("no gallery: {} is not ours; move it away, or set gallery.outbox: false", place)
        self._has_told_of_foreign = True


def _is_on(number: int, page: Page) -> bool:
    return page.first <= number <= page.last
