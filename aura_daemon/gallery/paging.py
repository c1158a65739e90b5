"""Which results stand on which page, and what the pages are called. In: counts. Out: ranges of numbers, names.

Results are numbered from 1 in the order in which they ended (`journal.ended`). A page holds a fixed range of numbers,
and its name tells which: once the range is full, the page never changes. The index holds what is on no full page yet,
and the last full page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aura_daemon.file_names import GALLERY_FOLDER

INDEX: Final = "index.html"
PAGES: Final = f"{GALLERY_FOLDER}/pages"
THUMBNAILS: Final = f"{GALLERY_FOLDER}/thumbnails"

_PAGE_NAME: Final = re.compile(r"results-([0-9]{7,})-([0-9]{7,})[.]html")


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A range of numbers; `first` and `last` belong to it."""

    first: int
    last: int

    @property
    def name(self) -> str:
        """Its file, in the folder of pages."""
        return f"results-{self.first:07d}-{self.last:07d}.html"


@dataclass(frozen=True, kw_only=True, slots=True)
class Paging:
    """The pages of `ended` results, `size` a page."""

    size: int
    ended: int

    @property
    def full(self) -> int:
        """How many pages are full."""
        return self.ended // self.size

    @property
    def first_of_index(self) -> int:
        """The lowest number on the index: the first of the last full page, or 1."""
        return max(0, self.full - 1) * self.size + 1

    @property
    def first_on_no_page(self) -> int:
        """The first number that only the index shows."""
        return self.full * self.size + 1

    def page(self, index: int) -> Page:
        """A full page, counted from 0."""
        return Page(first=index * self.size + 1, last=(index + 1) * self.size)

    def page_of(self, number: int) -> Page:
        """The page that holds a number."""
        return self.page((number - 1) // self.size)

    def older(self, page: Page) -> Page | None:
        """The page before one; None for the first."""
        return self.page_of(page.first - 1) if page.first > 1 else None

    def newer(self, page: Page) -> Page:
        """The page after one; there is a file of its name as soon as `page` is full (`redirects_to_index`)."""
        return self.page_of(page.last + 1)

    def behind_index(self, first: int) -> list[Page]:
        """The page that the index leads to, and the oldest one; `first`: the lowest number on the index."""
        next_page = self.full - (1 if first <= self.first_of_index else 0) - 1
        return [self.page(index) for index in sorted({next_page, 0}, reverse=True) if next_page >= 0]

    def missing(self, names: Iterable[str]) -> list[Page]:
        """The full pages of which there is no file, newest first. `names`: of the files that are there."""
        present = set(names)
        pages = (self.page(index) for index in reversed(range(self.full)))
        return [page for page in pages if page.name not in present]

    def strange(self, names: Iterable[str]) -> list[str]:
        """Files of pages of another size: the setting was changed."""
        found = ((name, page) for name in names if (page := page_named(name)) is not None)
        return [name for name, page in found if page != self.page_of(page.first)]


def page_named(name: str) -> Page | None:
    """The page that a file holds by its name; None for any other file."""
    match = _PAGE_NAME.fullmatch(name)
    return Page(first=int(match[1]), last=int(match[2])) if match is not None and int(match[1]) > 0 else None


def thumbnail_name(job_id: str) -> str:
    """Where the thumbnail of a job lies, below the outbox: in a folder for each day, as ids begin with the day."""
    return f"{THUMBNAILS}/{job_id[:8]}/{job_id}.webp"
