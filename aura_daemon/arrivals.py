"""What lies in the inbox and is not ours yet: sightings -> settled -> judged. In: looks. Out: files to claim.

Remembers why files are left alone, so that each is judged once, logged once and counted in health until it changes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from loguru import logger

from aura_daemon.core import names
from aura_daemon.core.routing import SourceKind
from aura_daemon.core.stability import Stability, Stamp
from aura_daemon.intake import Intake, Leave, Ready, Wait
from aura_daemon.watching import Look

UNREADABLE_S: Final = 30.0
"""How long a file that cannot be opened is left unchanged before the next try."""

AT_ONCE: Final = 64
"""Files judged between two looks at everything else, so that the heart keeps beating with ten thousand of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A file that is to be claimed now."""

    path: str
    kind: SourceKind
    settled_s: float
    """From first sight to now."""


class Arrivals:
    """Everything in the inbox that has no journal entry yet."""

    def __init__(self, intake: Intake, *, settle_s: float) -> None:
        self._intake = intake
        self._stability = Stability(settle_s)
        self._left: dict[str, tuple[Stamp, str]] = {}
        self._reasons: Counter[str] = Counter()
        self._waiting: dict[str, str] = {}
        self._refused: set[str] = set()

    @property
    def pending(self) -> tuple[str, ...]:
        """Files that have not settled: to be looked at again."""
        return tuple(self._stability)

    @property
    def refused(self) -> int:
        """How many of those the file system lets nobody read or claim; only somebody's mend ends their wait."""
        return len(self._refused)

    def left_alone(self) -> dict[str, int]:
        """Files that are no jobs, counted by reason."""
        return {reason: count for reason, count in self._reasons.items() if count}

    def oldest(self, now: float) -> tuple[str, float] | None:
        """The pending file that has been known for longest, and for how many seconds."""
        ages = ((self._stability.waited_s(path, now), path) for path in self._stability)
        age_s, path = max(ages, default=(0.0, ""))
        return (names.escaped(path), age_s) if path else None

    def next_s(self) -> float | None:
        """When the next file may have settled."""
        return self._stability.next_s()

    def take(self, look: Look, now: float) -> None:
        """Notes what a look brought."""
        for sighting in look.seen:
            left = self._left.get(sighting.path)
            if left is not None and left[0] == sighting.stamp:
                continue
            self._welcome_back(sighting.path)
            if sighting.is_regular:
                self._stability.sight(sighting.path, sighting.stamp, now)
            else:
                self._leave(
                    sighting.path,
                    sighting.stamp,
                    "a link, pipe, socket or device; only regular files are opened",
                )
        gone = set(look.gone)
        if look.complete:
            gone = ({*self._left, *self._stability}) - {sighting.path for sighting in look.seen}
        for path in gone:
            self._welcome_back(path)
            self.forget(path)

    def ready(self, now: float) -> list[Arrival]:
        """Judges what has settled and returns what is to be claimed."""
        found: list[Arrival] = []
        for path in self._stability.settled(now)[:AT_ONCE]:
            stamp = self._stability.stamp(path)
            try:
                judgement = self._intake.judge(path, stamp, unchanged_s=self._stability.unchanged_s(path, now))
            except FileNotFoundError:
                self.forget(path)
                continue
            except OSError as error:
                self.postpone(path, now, f"it cannot be read: {error.strerror}")
                continue
            self._refused.discard(path)
            match judgement:
                case Ready(kind=kind):
                    settled_s = self._stability.waited_s(path, now)
                    found.append(Arrival(path=path, kind=kind, settled_s=settled_s))
                case Wait(unchanged_s=unchanged_s, reason=reason):
                    self._stability.hold(path, unchanged_s)
                    self._say_once(path, reason)
                case Leave(reason=reason):
                    self._leave(path, stamp, reason)
        return found

    def postpone(self, path: str, now: float, reason: str) -> None:
        """The file system refused to let it be read or claimed: try again later."""
        self._stability.hold(path, self._stability.unchanged_s(path, now) + UNREADABLE_S)
        self._refused.add(path)
        self._say_once(path, reason)

    def forget(self, path: str) -> None:
        """The file is claimed or gone."""
        self._stability.forget(path)
        self._waiting.pop(path, None)
        self._refused.discard(path)

    def _leave(self, path: str, stamp: Stamp, reason: str) -> None:
        self.forget(path)
        reason = names.escaped(reason)  # it may name an extension, which need not be text
        self._left[path] = (stamp, reason)
        self._reasons[reason] += 1
        logger.debug("left alone: {}: {}", names.escaped(path), reason)

    def _welcome_back(self, path: str) -> None:
        left = self._left.pop(path, None)
        if left is not None:
            self._reasons[left[1]] -= 1

    def _say_once(self, path: str, reason: str) -> None:
        if self._waiting.get(path) != reason:
            self._waiting[path] = reason
            logger.info("waiting: {}: {}", names.escaped(path), reason)
