"""Operations that failed lately and are retried later: a model to load, a full outbox, jobs that lack memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from aura_daemon.backoff import Backoff
from aura_daemon.health.document import MEMORY_FOR, Holdup
from aura_daemon.jobs.requests import JobKind
from aura_daemon.system.clock import utc_now

JOURNAL: Final = "journal"
"""The journal cannot be written: meanwhile no file is claimed, no job runs, no source is disposed of."""

OUTBOX: Final = "outbox"
"""The outbox refuses results: meanwhile a worker whose result was refused gets no other job."""

IMAGES: Final = {
    JobKind.CAPTION: "images",
    JobKind.GENERATE: "images to start from",
    JobKind.GRID: "pictures of a sheet",
    JobKind.BENCHMARK: "benchmarks",
    JobKind.DATASET: "pictures of a set",
    JobKind.UPSCALE: "pictures to enlarge",
}
"""Claimed images cannot be read: meanwhile jobs of that kind wait."""

SOURCES: Final = "sources"
"""Sources cannot be read into the state folder, or cannot be moved to where they belong."""

WORKERS: Final = "workers"
"""No worker has a place where it could run: meanwhile jobs wait."""

LEFT_OUT: Final = "worker {}"
"""A worker by its name whose device, or whose machine, is broken: meanwhile the others run all jobs."""

LACKING: Final = "{} on {}"
"""What jobs need and the node that lacks it: meanwhile they go to other nodes. Begins with the kind of the jobs."""

HTTP: Final = "http"
"""The server of `/health` and `/metrics` cannot listen where it is told to: meanwhile nobody is answered."""

TEXTFILE: Final = "textfile"
"""The metrics cannot be written for node_exporter: meanwhile it serves old ones."""

_MEMORY: Final = MEMORY_FOR.format("")


def memory_for(demand: str) -> str:
    """Name of the hold-up of all jobs with one demand (`jobs.queueing.demand_of`) that lack memory."""
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
    """Hold-ups by name, retried after delays that double with each failure in a row. Times: s, by the clock `now`."""

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
        """Records a failure; returns the delay before the next try, in s.

        `longest_first_s`, `longest_s`: upper bounds of the first and of every delay, besides those of the constructor.
        `at_most_s`: upper bound of this delay only.
        """
        if what not in self._held:
            backoff = Backoff(first_s=min(self._first_s, longest_first_s), most_s=min(self._most_s, longest_s))
            self._held[what] = _Held(backoff=backoff, since=utc_now(), since_s=now)
        held = self._held[what]
        held.reason, held.mend = reason, mend
        return held.backoff.failed(now, at_most_s=at_most_s)

    def clear(self, what: str) -> bool:
        """Removes a hold-up after a success; True where there was one."""
        return self._held.pop(what, None) is not None

    def is_held(self, what: str, now: float) -> bool:
        """Whether the next try is still in the future."""
        return what in self._held and not self._held[what].backoff.is_due(now)

    def held_demands(self, now: float) -> list[str]:
        """The memory demands whose next try is still in the future."""
        return [
            what.removeprefix(_MEMORY)
            for what, held in self._held.items()
            if what.startswith(_MEMORY) and not held.backoff.is_due(now)
        ]

    def since_s(self, what: str) -> float | None:
        """When a hold-up began; None where there is none."""
        return self._held[what].since_s if what in self._held else None

    def has_failed(self, what: str) -> bool:
        """Whether there is a hold-up, due for a try or not."""
        return what in self._held

    def next_s(self, now: float) -> float | None:
        """When the next try of any hold-up is due; None where no try lies in the future."""
        return min((held.until_s for held in self._held.values() if held.until_s > now), default=None)

    def records(self, now: float) -> list[Holdup]:
        """The hold-ups for the health document, those for memory last."""
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
