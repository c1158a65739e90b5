"""Which pictures and texts lie in one folder. In: a folder of the inbox. Out: its names, by keys that forgive spelling.

A listing serves every question that is asked during one look at the inbox. A large folder is not listed at every look:
between two listings passes so much time that listing stays a small share of it, however many files come and go.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aura_daemon.file_names import collision_key
from aura_daemon.formats.file_types import PICTURE_EXTENSIONS, extension_of
from aura_daemon.watch.ignored_names import name_to_be

TEXT: Final = ".txt"

PAUSE: Final = 10.0
"""Between two listings of a folder passes this many times the time that a listing takes."""

FREE_S: Final = 0.002
"""A folder that is listed in less time is listed whenever somebody asks."""

MOST_NAMES: Final = 300_000
"""Names remembered of all folders; beyond that, the folders that were listed first are forgotten."""

MOST_FOLDERS: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderListing:
    """The names in one folder, as they were at one moment."""

    listed_at: float
    """When the listing began, in seconds of the clock of `FolderListings`."""
    took_s: float
    names: int
    pictures: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Key of the stem -> the pictures of that stem."""
    coming: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Key of the stem of a picture -> unfinished files of other tools that will get its name."""
    texts: tuple[str, ...] = ()

    @property
    def again_at(self) -> float:
        """From when on the folder may be listed again."""
        return self.listed_at + (PAUSE * self.took_s if self.took_s > FREE_S else 0.0)

    def pictures_of(self, text: str) -> Iterator[str]:
        """The pictures to which a text belongs by its name."""
        for stem, name in picture_keys(text):
            found = self.pictures.get(stem, ())
            yield from (picture for picture in found if name is None or collision_key(picture) == name)

    def coming_for(self, text: str) -> Iterator[str]:
        """The unfinished files that become pictures to which a text belongs."""
        for stem, name in picture_keys(text):
            found = self.coming.get(stem, ())
            yield from (file for file in found if name is None or collision_key(name_to_be(file)) == name)

    def lone_texts(self) -> list[str]:
        """The texts without a picture."""
        return [text for text in self.texts if next(self.pictures_of(text), None) is None]


class FolderListings:
    """The listings of the folders of one inbox."""

    def __init__(self, inbox: Path, *, now: Callable[[], float]) -> None:
        """`now`: seconds on a clock that does not jump."""
        self._inbox = inbox
        self._now = now
        self._asked_at: float | None = None
        self._listings: dict[str, FolderListing] = {}
        """By folder, the one that was listed last at the end."""
        self._names = 0

    @property
    def asked_at(self) -> float:
        """The moment for which questions are asked: of the whole look, where `look` was called."""
        return self._now() if self._asked_at is None else self._asked_at

    def look(self) -> None:
        """To be called before the files of one look are judged: they share what is listed from now on."""
        self._asked_at = self._now()

    def of(self, folder: str, *, since: float) -> FolderListing:
        """The names in a folder, listed after `since` where the folder may be listed again by now; raises OSError."""
        known = self._listings.get(folder)
        if known is not None and (known.listed_at >= since or self._now() < known.again_at):
            return known
        self._listings.pop(folder, None)
        self._listings[folder] = listing = self._listed(folder)
        self._names += listing.names - (known.names if known is not None else 0)
        while len(self._listings) > 1 and (self._names > MOST_NAMES or len(self._listings) > MOST_FOLDERS):
            self._names -= self._listings.pop(next(iter(self._listings))).names
        return listing

    def _listed(self, folder: str) -> FolderListing:
        started = self._now()
        try:
            with os.scandir(self._inbox / folder) as entries:
                names = [entry.name for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            names = []
        pictures: dict[str, tuple[str, ...]] = {}
        coming: dict[str, tuple[str, ...]] = {}
        texts = []
        for name in names:
            extension = extension_of(name)
            if name.startswith(".") or extension not in PICTURE_EXTENSIONS:
                if extension == TEXT:
                    texts.append(name)
                elif extension_of(later := name_to_be(name)) in PICTURE_EXTENSIONS:
                    _add(coming, later, name)
            else:
                _add(pictures, name, name)
        return FolderListing(
            listed_at=started,
            took_s=self._now() - started,
            names=len(names),
            pictures=pictures,
            coming=coming,
            texts=tuple(texts),
        )


def picture_keys(text: str) -> Iterator[tuple[str, str | None]]:
    """The keys of the pictures to which a text belongs: of the stem, and of the whole name where that counts too.

    `cat.jpg.txt` belongs to `cat.jpg`, and to `cat.jpg.png`.
    """
    stem = text.rpartition(".")[0]
    key = collision_key(stem)
    yield key, None
    if extension_of(stem) in PICTURE_EXTENSIONS:
        yield collision_key(stem.rpartition(".")[0]), key


def _add(found: dict[str, tuple[str, ...]], named: str, name: str) -> None:
    key = collision_key(named.rpartition(".")[0])
    found[key] = (*found.get(key, ()), name)
