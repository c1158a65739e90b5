"""When a file that is not claimed yet is to be judged. In: stamps of files and `now` in monotonic seconds. Out: paths.

A file is due at once when it is first seen or has changed; whoever judges the file may hold it until it has been
unchanged for longer. Modification times may be old, preserved or in the future: they are compared with each other,
never with a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, extension_of
from aura_daemon.watch.file_stamp import FileStamp

Seconds: TypeAlias = float

_Entry: TypeAlias = tuple[Seconds, Seconds, str]
"""When a file is due, when it was seen first, its path."""


class WaitsFor(StrEnum):
    """What ends the wait of a file that is not claimed yet."""

    TIME = "time"
    """The file settles, or the image that it names comes, or time runs out."""
    REPAIR = "repair"
    """Nobody can read or claim the file, or a writer does not let go of it."""
    FOLDER_DEFAULTS = "folder defaults"
    """Somebody must mend the settings of its folder."""
    OTHER_JOBS = "other jobs"
    """The image belongs to a job file, and is put away when the jobs of that file have ended."""


@dataclass(kw_only=True, slots=True)
class SettlingFile:
    """All that is known of one file that is neither claimed nor left alone."""

    stamp: FileStamp
    """How the file looked last."""
    first_s: Seconds
    unchanged_since_s: Seconds
    due_s: Seconds
    came_whole: bool
    """The file looks as it did when it was renamed to this name."""
    waits_for: WaitsFor = WaitsFor.TIME
    reason: str = ""
    """Why the file waits, as the log has it; empty before the file was judged."""

    def unchanged_s(self, now: Seconds) -> Seconds:
        """For how long the file has looked the same."""
        return now - self.unchanged_since_s

    def known_s(self, now: Seconds) -> Seconds:
        """For how long the file has been known."""
        return now - self.first_s


class Settling:
    """The files that are neither claimed nor left alone, by path, and the order in which they are due."""

    def __init__(self) -> None:
        self._files: dict[str, SettlingFile] = {}
        self._queues: tuple[list[_Entry], list[_Entry]] = ([], [])
        """Heaps, of all files but images and of images; entries that differ from `_files` are out of date."""

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._files))

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def __getitem__(self, path: str) -> SettlingFile:
        return self._files[path]

    def files(self) -> Iterator[SettlingFile]:
        """What is known of every file."""
        return iter(self._files.values())

    def sight(self, path: str, stamp: FileStamp, now: Seconds, *, came_whole: bool = False) -> None:
        """Notes how a file looks now; a new file and a changed one are due at once."""
        file = self._files.get(path)
        if file is None:
            self._files[path] = file = SettlingFile(
                stamp=stamp, first_s=now, unchanged_since_s=now, due_s=now, came_whole=came_whole
            )
        elif file.stamp != stamp:
            file.stamp, file.unchanged_since_s, file.came_whole = stamp, now, came_whole
        else:
            return
        self.recall(path, now)

    def recall(self, path: str, now: Seconds) -> None:
        """Something happened to a file that looks as before (its writer closed it): the file is due at once."""
        file = self._files[path]
        file.due_s = now
        heapq.heappush(self._queues[_is_image(path)], (now, file.first_s, path))

    def hold(self, path: str, for_s: Seconds) -> None:
        """Makes a file wait until it has been unchanged for `for_s` (it looks incomplete, or misses its image)."""
        self.recall(path, self._files[path].unchanged_since_s + for_s)

    def forget(self, path: str) -> None:
        """The file is claimed, left alone or gone."""
        self._files.pop(path, None)

    def due(self, now: Seconds, most: int) -> list[str]:
        """Up to `most` files that are to be judged now, those first that were due first; they stay due.

        Images come last: of the others one may name thousands of them, which are no jobs of their own then.
        """
        due: dict[str, None] = {}
        for queue in self._queues:
            found: list[_Entry] = []
            while queue and queue[0][0] <= now and len(due) < most:
                entry = heapq.heappop(queue)
                if self._is_valid(entry) and entry[2] not in due:
                    found.append(entry)
                    due[entry[2]] = None
            for entry in found:
                heapq.heappush(queue, entry)
        return list(due)

    def oldest(self) -> str | None:
        """The file that has been known for longest."""
        return min(self._files, key=lambda path: self._files[path].first_s, default=None)

    def next_s(self) -> Seconds | None:
        """When the next file is due, on the same clock; None where nothing waits."""
        for queue in self._queues:
            while queue and not self._is_valid(queue[0]):
                heapq.heappop(queue)
        return min((queue[0][0] for queue in self._queues if queue), default=None)

    def _is_valid(self, entry: _Entry) -> bool:
        file = self._files.get(entry[2])
        return file is not None and (file.due_s, file.first_s) == entry[:2]


def _is_image(path: str) -> bool:
    return extension_of(path) in IMAGE_EXTENSIONS
