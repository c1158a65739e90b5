"""Which files have stopped changing. In: stamps of files and `now` in monotonic seconds. Out: those that have settled.

Modification times may be old, preserved or in the future: they are compared with each other, never with a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Seconds: TypeAlias = float


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """What tells one state of a file from the next, as `lstat` gives it."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int


@dataclass(kw_only=True, slots=True)
class _Sighting:
    stamp: Stamp
    first_s: Seconds
    unchanged_since_s: Seconds
    hold_s: Seconds


class Stability:
    """Remembers, for every file that is not claimed yet, since when it has looked the same."""

    def __init__(self, settle_s: Seconds) -> None:
        self.settle_s = settle_s
        self._sightings: dict[str, _Sighting] = {}

    def __len__(self) -> int:
        return len(self._sightings)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._sightings))

    def __contains__(self, path: str) -> bool:
        return path in self._sightings

    def sight(self, path: str, stamp: Stamp, now: Seconds) -> None:
        """Notes how a file looks now; a changed stamp starts its wait anew."""
        seen = self._sightings.get(path)
        if seen is None:
            self._sightings[path] = _Sighting(stamp=stamp, first_s=now, unchanged_since_s=now, hold_s=self.settle_s)
        elif seen.stamp != stamp:
            seen.stamp, seen.unchanged_since_s, seen.hold_s = stamp, now, self.settle_s

    def hold(self, path: str, for_s: Seconds) -> None:
        """Makes a file wait until it has been unchanged for `for_s` (it looks incomplete, or misses its image)."""
        self._sightings[path].hold_s = for_s

    def forget(self, path: str) -> None:
        """The file is claimed, judged or gone."""
        self._sightings.pop(path, None)

    def settled(self, now: Seconds) -> list[str]:
        """Files unchanged for as long as they must be, oldest first."""
        ready = [path for path, seen in self._sightings.items() if now - seen.unchanged_since_s >= seen.hold_s]
        return sorted(ready, key=lambda path: self._sightings[path].first_s)

    def unchanged_s(self, path: str, now: Seconds) -> Seconds:
        """For how long the file has looked the same."""
        return now - self._sightings[path].unchanged_since_s

    def waited_s(self, path: str, now: Seconds) -> Seconds:
        """For how long the file has been known."""
        return now - self._sightings[path].first_s

    def stamp(self, path: str) -> Stamp:
        """How the file looked last."""
        return self._sightings[path].stamp

    def next_s(self) -> Seconds | None:
        """When the next file may have settled, on the same clock; None where nothing waits."""
        return min((seen.unchanged_since_s + seen.hold_s for seen in self._sightings.values()), default=None)
