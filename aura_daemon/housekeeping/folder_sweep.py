"""Deletes what is too old or too much in one folder of ours, in small steps. In: what is kept. Out: what went.

No link is followed and nothing is deleted outside the folder: every file is reached through descriptors of its folders.
Files that belong together go together. A crash between two steps leaves nothing that the next sweep does not find.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.config.housekeeping import KeptFor
from aura_daemon.system.files.walking import WalkedFolder, remove_if_empty, walk

GRAIN_S: Final = 60
"""Files are compared by size in groups of one minute, so that a hundred thousand need no memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """A folder of ours, what in it is ours, and how long it is kept."""

    name: str
    """As the log calls it."""
    root: Path
    """The folder that the user named, in which `folder` lies; a link on the way to it is the user's own."""
    folder: PurePosixPath
    """Below the root; no part of it may be a link."""
    kept: KeptFor
    groups: Callable[[WalkedFolder], Iterator[tuple[str, ...]]]
    """The names of those files in one folder that are ours, together as they go together, in the order in which they
    are deleted. No names at all for a file that is not ours: looking at it is a step, too."""
    is_deep: bool = True
    """Whether folders in it are looked into."""
    gone: Callable[[int], None] = lambda freed_bytes: None
    """Told of every deletion."""


@dataclass(frozen=True, slots=True)
class _Group:
    folder: WalkedFolder
    names: tuple[str, ...]
    changed_s: float
    size_bytes: int

    @property
    def minute(self) -> int:
        return int(self.changed_s // GRAIN_S)


@dataclass(kw_only=True, slots=True, eq=False)
class FolderSweep:
    """One sweep of one area."""

    area: Area
    now: float
    """Seconds since the epoch."""
    deleted: int = field(init=False, default=0)
    freed_bytes: int = field(init=False, default=0)
    _emptied: set[str] = field(init=False, default_factory=set)
    _has_failed: bool = field(init=False, default=False)

    def steps(self) -> Iterator[None]:
        """Does the sweep, a file or so a step; raises OSError where the folder cannot be read."""
        kept = self.area.kept
        oldest_s = self.now - kept.age if kept.age is not None else float("-inf")
        sizes: Counter[int] = Counter()
        if kept.size is not None:
            for group in self._groups():
                if group is not None and group.changed_s >= oldest_s:
                    sizes[group.minute] += group.size_bytes
                yield
        boundary, excess_bytes = _boundary(sizes, kept.size)
        for group in self._groups():
            if group is None:
                yield
                continue
            is_too_much = group.minute < boundary or (group.minute == boundary and excess_bytes > 0)
            if group.changed_s < oldest_s:
                self._delete(group)
            elif is_too_much and self._delete(group) and group.minute == boundary:
                excess_bytes -= group.size_bytes
            yield
        self._remove_empty_folders()

    def told(self) -> str:
        """What went, in words."""
        files = "1 file" if self.deleted == 1 else f"{self.deleted:,} files"
        return f"{files} deleted, {self.freed_bytes / 1e6:,.1f} MB freed"

    def _groups(self) -> Iterator[_Group | None]:
        """What is ours in the area, and None for what is not; empty where it does not exist."""
        area = self.area
        for folder in walk(area.root / area.folder, below=area.root, is_deep=area.is_deep):
            for names in area.groups(folder):
                yield _group(folder, names)

    def _delete(self, group: _Group) -> bool:
        shown = file_names.escaped(os.path.normpath(os.path.join(group.folder.path, group.names[0])))  # noqa: PTH118
        try:
            for name in group.names:
                group.folder.delete(name)
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                logger.warning("retention: {} of the {} cannot be deleted: {}", shown, self.area.name, error.strerror)
            return False
        logger.debug("retention: {} of the {} is deleted", shown, self.area.name)
        self.deleted += 1
        self.freed_bytes += group.size_bytes
        self.area.gone(group.size_bytes)
        self._emptied.add(group.folder.path)
        return True

    def _remove_empty_folders(self) -> None:
        """Removes the folders whose last file went, and those above them that held nothing else."""
        area = self.area
        places = {PurePosixPath(folder) for folder in self._emptied}
        places |= {above for place in places for above in place.parents}
        for place in sorted(places - {PurePosixPath()}, key=lambda place: len(place.parts), reverse=True):
            remove_if_empty(area.root / area.folder / place, below=area.root)


def _boundary(sizes: Counter[int], most_bytes: int | None) -> tuple[int, int]:
    """The minute before which everything goes, and how many bytes of that minute itself."""
    kept_bytes = 0
    for minute in sorted(sizes, reverse=True):
        kept_bytes += sizes[minute]
        if most_bytes is not None and kept_bytes > most_bytes:
            return minute, kept_bytes - most_bytes
    return -1, 0


def _group(folder: WalkedFolder, names: tuple[str, ...]) -> _Group | None:
    """Files that go together; None where one of them is no regular file or is gone.

    Their age counts from their last change of any kind: a file that is archived keeps its old time of modification.
    """
    changed_s, size_bytes = 0.0, 0
    if not names:
        return None
    for name in names:
        if (status := folder.status(name)) is None:
            return None
        changed_s = max(changed_s, status.st_mtime, status.st_ctime)
        size_bytes += status.st_size
    return _Group(folder, names, changed_s, size_bytes)
