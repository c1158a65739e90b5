"""What is held up (a kind of job without its model, an outbox without room, jobs without memory), and until when."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from aura_daemon.backoff import Backoff
from aura_daemon.health.document import MEMORY_FOR, Holdup
from aura_daemon.jobs.requests import JobKind
from aura_daemon.system.clock import utc_now

JOURNAL: Final = "journal"
"""Hold-up of a journal that cannot be written: nothing is claimed, run or put away meanwhile."""

OUTBOX: Final = "outbox"
"""Hold-up of a file system that refuses results: a worker whose result it refused gets no other job meanwhile."""

IMAGES: Final = {
    JobKind.CAPTION: "images",
    JobKind.GENERATE: "images to start from",
    JobKind.GRID: "pictures of a sheet",
}
"""Hold-ups of claimed images that cannot be read now: jobs of that kind wait meanwhile."""

SOURCES: Final = "sources"
"""Hold-up of sources that cannot be read into the state folder or put where they belong."""

_MEMORY: Final = MEMORY_FOR.format("")


def memory_for(demand: str) -> str:
    """Hold-up of the jobs of one demand (`jobs.requests.demand_of`) for which there is no memory now."""
    return MEMORY_FOR.format(demand)


@dataclass(kw_only=True, slots=True)
class _Held:
    backoff: Backoff
    since: str
    since_s: float
    reason: str = ""
    mend: str = ""

    @property
    def until_s(self) -> float:
        return self.backoff.until_s or 0.0


class Holdups:
    """Named things that failed lately; each is left alone for a time that doubles with every failure in a row.

    Times are seconds on the clock of `now`.
    """

    def __init__(self, *, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._held: dict[str, _Held] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def fail(
        self,
        what: str,
        *,
        reason: str,
        mend: str,
        now: float,
        longest_first_s: float = inf,
        longest_s: float = inf,
        at_most_s: float | None = None,
    ) -> float:
        """Holds something up; returns for how many seconds.

        `longest_first_s`, `longest_s`: bounds of the first wait and of every wait, beside those of the constructor.
        `at_most_s`: bounds this wait alone.
        """
        if what not in self._held:
            backoff = Backoff(first_s=min(self._first_s, longest_first_s), most_s=min(self._most_s, longest_s))
            self._held[what] = _Held(backoff=backoff, since=utc_now(), since_s=now)
        held = self._held[what]
        held.reason, held.mend = reason, mend
        return held.backoff.failed(now, at_most_s=at_most_s)

    def clear(self, what: str) -> bool:
        """Notes that a thing works again; True where it had failed."""
        return self._held.pop(what, None) is not None

    def is_held(self, what: str, now: float) -> bool:
        """Whether it is too early for another try."""
        return what in self._held and not self._held[what].backoff.is_due(now)

    def held_demands(self, now: float) -> list[str]:
        """The demands for memory that it is too early to try again."""
        return [
            what.removeprefix(_MEMORY)
            for what, held in self._held.items()
            if what.startswith(_MEMORY) and not held.backoff.is_due(now)
        ]

    def since_s(self, what: str) -> float | None:
        """When a thing failed first; None where it works."""
        return self._held[what].since_s if what in self._held else None

    def has_failed(self, what: str) -> bool:
        """Whether a thing has failed and not worked since."""
        return what in self._held

    def next_s(self, now: float) -> float | None:
        """When the next thing may be tried again."""
        return min((held.until_s for held in self._held.values() if held.until_s > now), default=None)

    def records(self, now: float) -> list[Holdup]:
        """For the health document; memory last."""
        return [
            Holdup(
                what=what,
                reason=held.reason,
                mend=held.mend,
                since=held.since,
                retry_in_s=round(max(0.0, held.until_s - now), 1),
            )
            for what, held in sorted(self._held.items(), key=lambda item: item[0].startswith(_MEMORY))
        ]
