"""When a file that is not claimed yet is to be judged. In: stamps of files and `now` in monotonic seconds. Out: paths.

A file is due at once when it is first seen or has changed; whoever judges it may hold it until it has been unchanged
for longer. Modification times may be old, preserved or in the future: they are compared with each other, never with a
clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from aura_daemon.watch.file_stamp import FileStamp

Seconds: TypeAlias = float


@dataclass(kw_only=True, slots=True)
class _Sighting:
    stamp: FileStamp
    first_s: Seconds
    unchanged_since_s: Seconds
    due_s: Seconds
    came_whole: bool


class Settling:
    """Remembers, for every file that is not claimed yet, since when it has looked the same and when it is due."""

    def __init__(self) -> None:
        self._sightings: dict[str, _Sighting] = {}
        self._queue: list[tuple[Seconds, Seconds, str]] = []
        """(due, first seen, path), a heap; entries that say otherwise than `_sightings` are out of date."""

    def __len__(self) -> int:
        return len(self._sightings)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._sightings))

    def __contains__(self, path: str) -> bool:
        return path in self._sightings

    def sight(self, path: str, stamp: FileStamp, now: Seconds, *, came_whole: bool = False) -> None:
        """Notes how a file looks now; a new one and a changed one are due at once."""
        seen = self._sightings.get(path)
        if seen is None:
            self._sightings[path] = seen = _Sighting(
                stamp=stamp, first_s=now, unchanged_since_s=now, due_s=now, came_whole=came_whole
            )
        elif seen.stamp != stamp:
            seen.stamp, seen.unchanged_since_s, seen.due_s, seen.came_whole = stamp, now, now, came_whole
        else:
            return
        heapq.heappush(self._queue, (seen.due_s, seen.first_s, path))

    def recall(self, path: str, now: Seconds) -> None:
        """Something happened to a file that looks as before (its writer closed it): it is due at once."""
        self._due(path, now)

    def hold(self, path: str, for_s: Seconds) -> None:
        """Makes a file wait until it has been unchanged for `for_s` (it looks incomplete, or misses its image)."""
        self._due(path, self._sightings[path].unchanged_since_s + for_s)

    def forget(self, path: str) -> None:
        """The file is claimed, judged or gone."""
        self._sightings.pop(path, None)

    def due(self, now: Seconds, most: int) -> list[str]:
        """Up to `most` files that are to be judged now, those first that were due first; they stay due."""
        found: list[tuple[Seconds, Seconds, str]] = []
        taken: set[str] = set()
        while self._queue and self._queue[0][0] <= now and len(found) < most:
            entry = heapq.heappop(self._queue)
            if self._is_valid(entry) and entry[2] not in taken:
                found.append(entry)
                taken.add(entry[2])
        for entry in found:
            heapq.heappush(self._queue, entry)
        return [path for _, _, path in found]

    def unchanged_s(self, path: str, now: Seconds) -> Seconds:
        """For how long the file has looked the same."""
        return now - self._sightings[path].unchanged_since_s

    def waited_s(self, path: str, now: Seconds) -> Seconds:
        """For how long the file has been known."""
        return now - self._sightings[path].first_s

    def stamp(self, path: str) -> FileStamp:
        """How the file looked last."""
        return self._sightings[path].stamp

    def came_whole(self, path: str) -> bool:
        """Whether it looks as it did when it was renamed to this name."""
        return self._sightings[path].came_whole

    def oldest(self) -> str | None:
        """The file that has been known for longest."""
        return min(self._sightings, key=lambda path: self._sightings[path].first_s, default=None)

    def next_s(self) -> Seconds | None:
        """When the next file is due, on the same clock; None where nothing waits."""
        while self._queue and not self._is_valid(self._queue[0]):
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def _is_valid(self, entry: tuple[Seconds, Seconds, str]) -> bool:
        seen = self._sightings.get(entry[2])
        return seen is not None and (seen.due_s, seen.first_s) == entry[:2]

    def _due(self, path: str, due_s: Seconds) -> None:
        seen = self._sightings[path]
        seen.due_s = due_s
        heapq.heappush(self._queue, (due_s, seen.first_s, path))
