"""What is held up (a kind of job without its model, an outbox without room, jobs for which there is no memory) and when
it is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aura_daemon.backoff import backoff_s
from aura_daemon.health.document import Holdup
from aura_daemon.jobs.requests import JobKind


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    since: str
    since_s: float
    until_s: float
    failures: int
    reason: str
    mend: str


class Holdups:
    """Named things that failed lately; each is left alone for a time that doubles with every failure in a row."""

    def __init__(self, *, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._held: dict[str, _Held] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def fail(self, what: str, *, reason: str, mend: str, now: float, at_most_s: float | None = None) -> float:
        """Holds something up; returns for how many seconds, at most so many."""
        before = self._held.get(what)
        failures = before.failures + 1 if before is not None else 1
        wait_s = backoff_s(failures, first_s=self._first_s, most_s=self._most_s)
        if at_most_s is not None:
            wait_s = min(wait_s, at_most_s)
        self._held[what] = _Held(
            since=before.since if before is not None else datetime.now(UTC).isoformat(timespec="seconds"),
            since_s=before.since_s if before is not None else now,
            until_s=now + wait_s,
            failures=failures,
            reason=reason,
            mend=mend,
        )
        return wait_s

    def clear(self, what: str) -> bool:
        """It works again; True where it did not before."""
        return self._held.pop(what, None) is not None

    def is_held(self, what: str, now: float) -> bool:
        """Whether it is too early for another try."""
        return what in self._held and now < self._held[what].until_s

    def held(self, now: float) -> list[str]:
        """All that it is too early to try again."""
        return [what for what, held in self._held.items() if now < held.until_s]

    def since_s(self, what: str) -> float | None:
        """When it failed first, on the clock of `now`; None where it works."""
        return self._held[what].since_s if what in self._held else None

    def has_failed(self, what: str) -> bool:
        """Whether it has failed and not worked since."""
        return what in self._held

    def next_s(self, now: float) -> float | None:
        """When the next thing may be tried again."""
        return min((held.until_s for held in self._held.values() if held.until_s > now), default=None)

    def records(self, now: float, *, named: str = "{}") -> list[Holdup]:
        """For the health document; `named`: what is said of their names."""
        return [
            Holdup(
                what=named.format(what),
                reason=held.reason,
                mend=held.mend,
                since=held.since,
                retry_in_s=round(max(0.0, held.until_s - now), 1),
            )
            for what, held in self._held.items()
        ]


JOURNAL: Final = "journal"
"""Name of the hold-up of a journal that cannot be written: nothing is claimed, run or put away meanwhile."""


OUTBOX: Final = "outbox"
"""Name of the hold-up of a file system that refuses results: nothing is run meanwhile."""


IMAGES: Final = {
    JobKind.CAPTION: "images",
    JobKind.GENERATE: "images to start from",
    JobKind.GRID: "pictures of a sheet",
}
"""Names of the hold-ups of images that are ours and cannot be read now: jobs of that kind wait meanwhile."""


SOURCES: Final = "sources"
"""Name of the hold-up of sources that cannot be read into the state folder or put where they belong."""
