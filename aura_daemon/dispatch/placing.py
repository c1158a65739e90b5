"""Which of several workers a queued job waits for. In: what each worker offers it. Out: the job that a free one takes.

Jobs are looked at in their order. A free worker leaves one to another worker that would be done with it earlier, by
predicted time, and takes the first that it would itself be done with no later. A job that has been left waits no longer
than it would have taken here: in all at most twice as long. What was never measured on a model of device is tried
there, so that it gets measured; no job waits for a worker of which nobody knows when it is free, unless it fits nowhere
else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aura_daemon.ladder.measurements import COMPARABLE
from aura_daemon.ladder.prediction import Extent, Measured
from aura_daemon.ladder.rungs import RUNGS, Rung, at_or_below

MOST_LOOKED_AT: Final = 32
"""Queued jobs that a free worker looks at: one that is so much slower than the others adds too little to matter."""

EARLIER: Final = 0.9
"""Most of the time that a job takes here that it may take elsewhere to be left: predictions differ by chance too."""

PATIENCE_S: Final = 60.0
"""Longest time that a job is left to others where nothing tells how long it takes here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerOffer:
    """What a worker offers a job."""

    seconds: float | None
    """How long the job takes there; None: nothing like it was measured on this model of device."""
    rest_s: float | None = 0.0
    """Until the worker is free, 0: it is; None: nobody knows."""
    loading_s: float = 0.0
    """How long it takes to load a model there, by the last one; 0: not known."""
    is_loaded: bool = False
    """Whether the worker has the job's model."""
    device_name: str = ""
    has_place: bool = True
    """Whether the worker can run; nothing waits for one that still looks for a place, unless it fits nowhere else."""
    fits: bool = True
    """Whether a rung is left there for the job."""
    is_lower: bool = False
    """Whether memory ran out for the job on this model of device: it goes on a rung lower."""
    has_ended: bool = False
    """Whether this worker ended, or hung, with the job."""

    @property
    def ends_s(self) -> float | None:
        """Until the job is done; None: nobody knows."""
        if self.seconds is None or self.rest_s is None:
            return None
        return self.rest_s + self.seconds + (0.0 if self.is_loaded else self.loading_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A job that a free worker may take."""

    id: str
    here: WorkerOffer
    others: tuple[WorkerOffer, ...] = ()
    """Of the other workers that take jobs, in an order that is the same for all jobs."""
    left_s: float = 0.0
    """How long ago this worker first left the job to another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What comes of the jobs that were looked at."""

    takes: str | None
    """Id of the job that the worker takes."""
    left: tuple[str, ...]
    """Ids of those before it, which wait for others."""


def choice(candidates: Iterable[Candidate]) -> Choice:
    """The first job that no other worker would be done with earlier, counting those before it that others will run."""
    left: list[str] = []
    added_s: dict[int, float] = {}
    for one in candidates:
        others = list(one.others)
        for number, seconds in added_s.items():
            others[number] = _after(others[number], seconds)
        found = better(one.here, others, left_s=one.left_s)
        if found is None:
            return Choice(takes=one.id, left=tuple(left))
        left.append(one.id)
        added_s[found] = added_s.get(found, 0.0) + _taken_s(one.others[found])
    return Choice(takes=None, left=tuple(left))


def better(here: WorkerOffer, others: Sequence[WorkerOffer], *, left_s: float = 0.0) -> int | None:
    """The number of the worker for which a job is left; None: the free worker takes it."""
    fitting = [(number, offer) for number, offer in enumerate(others) if offer.fits]
    able = [(number, offer) for number, offer in fitting if offer.has_place and not offer.has_ended]
    known = [(offer.ends_s, not offer.is_loaded, number) for number, offer in able if offer.ends_s is not None]
    best = min(known, default=None)
    if not here.fits:
        return best[2] if best is not None else next((number for number, _ in (*able, *fitting)), None)
    if here.has_ended and left_s <= PATIENCE_S:
        return next((number for number, _ in able), None)
    if here.ends_s is not None:
        if best is None:
            return None
        is_better_loaded = not best[1] and not here.is_loaded
        longest_s = here.ends_s if is_better_loaded else here.ends_s * EARLIER
        return best[2] if left_s + best[0] <= longest_s else None
    return _better_of_unknown(here, able) if left_s <= PATIENCE_S else None


def predicted_s(
    measured: Iterable[Measured], device_names: Collection[str], *, start: Rung | None, extent: Extent, steps: int
) -> float | None:
    """Seconds that one picture or caption takes on a model of device, from its first rung; None: nothing is known.

    Rungs on which memory ran out for pictures that are no larger are left out. What was measured of the very size
    counts before what is scaled. `device_names`: of the devices that its rungs compute on. `measured`: of one model.
    """
    is_drawn = extent.pixels > 0
    here = [one for one in measured if one.device in device_names and (one.extent.pixels > 0) is is_drawn]
    refused = {one.rung for one in here if one.refused_bytes and one.extent.is_within(extent)}
    rungs = [rung for rung in at_or_below(start, tuple(RUNGS)) if rung not in refused]
    timed = [one for one in here if one.rung in rungs and one.step_s]
    alike = [one for one in timed if one.extent.is_of_size(extent)]
    if not alike and rungs:
        first = min((rungs.index(one.rung) for one in timed), default=0)
        near = [one for one in timed if one.rung is rungs[first] and _scale(one, extent) <= COMPARABLE]
        alike = sorted(near, key=lambda one: _scale(one, extent))[:1]
    if not alike:
        return None
    best = min(alike, key=lambda one: (rungs.index(one.rung), one.step_s / one.batch))
    return best.step_s / best.extent.work * extent.work / extent.batch * steps


def _better_of_unknown(here: WorkerOffer, able: Sequence[tuple[int, WorkerOffer]]) -> int | None:
    """For a job of which nothing tells how long it takes here: where memory has not run out for it, else as here.

    As here is a worker of the same model that is free and has the job's model, which this one would have to load.
    """
    if here.is_lower:
        higher = [(offer.rest_s, number) for number, offer in able if not offer.is_lower and offer.rest_s is not None]
        if higher:
            return min(higher)[1]
    alike = (number for number, offer in able if offer.rest_s == 0 and offer.device_name == here.device_name)
    loaded = {number for number, offer in able if offer.is_loaded}
    return None if here.is_loaded else next((number for number in alike if number in loaded), None)


def _after(offer: WorkerOffer, added_s: float) -> WorkerOffer:
    """The offer of a worker that does something else before."""
    return replace(offer, rest_s=offer.rest_s + added_s) if offer.rest_s is not None else offer


def _taken_s(offer: WorkerOffer) -> float:
    return offer.ends_s - (offer.rest_s or 0.0) if offer.ends_s is not None else 0.0


def _scale(one: Measured, extent: Extent) -> float:
    """How many times as large, or as small, pictures are as measured ones, each alone; of captions, as many."""
    measured, wanted = one.extent.work / one.batch, extent.work / extent.batch
    return max(measured / wanted, wanted / measured)
