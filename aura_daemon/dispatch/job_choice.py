"""Chooses the next job of a worker by the queue, by its models, and by what other workers would do earlier.

In: the queue, measurements, the workers' reports. Out: a job. The rules are `next_job` and `placing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from aura_daemon.config.settings import Settings
from aura_daemon.dispatch.ended_job import model_of
from aura_daemon.dispatch.next_job import QueueHead, chosen
from aura_daemon.dispatch.placing import MOST_LOOKED_AT, Candidate, WorkerOffer, choice, predicted_s
from aura_daemon.dispatch.worker_faults import WorkerFaults
from aura_daemon.health.holdups import IMAGES, Holdups
from aura_daemon.jobs.queueing import engine_kind
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job
from aura_daemon.ladder.attempts import Attempt, next_start, with_attempt
from aura_daemon.ladder.prediction import Extent, Measured
from aura_daemon.ladder.shortage import LONGEST_WAIT_S
from aura_daemon.workers.pool import Slot, WorkerPool
from aura_daemon.workers.protocol import Placed, Progress, Up

MOST_KEPT: Final = 1000
"""Sizes, and jobs left to others, that are remembered; beyond that they are learned anew."""

LOOK_AGAIN_S: Final = 1.0
"""After that a worker looks again at jobs that it left to others, though nothing was journaled since."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_Like = tuple[str, str, int | None]
"""Queue, demand and steps: what jobs have in common that take the same time on one model of device."""


@dataclass(kw_only=True, slots=True, eq=False)
class JobChoice:
    """Chooses jobs for the workers of a pool."""

    settings: Settings
    journal: Journal
    holdups: Holdups
    pool: WorkerPool
    faults: WorkerFaults
    _overtaken: int = field(init=False, default=0)
    """Number of jobs in a row that ran before an older one because their model was loaded."""
    _extents: dict[_Like, Extent] = field(init=False, default_factory=dict)
    """How large pictures became, of requests that may name no size."""
    _steps: dict[_Like, int] = field(init=False, default_factory=dict)
    _unfit_until_s: dict[tuple[_Like, str], float] = field(init=False, default_factory=dict)
    """Jobs and model of device -> until when they are not tried there if they fit elsewhere: there was no room."""
    _left_since_s: dict[tuple[Slot, str], float] = field(init=False, default_factory=dict)
    """Worker and job id -> when the worker first left the job to another."""

    _left_all: dict[Slot, tuple[int, float]] = field(init=False, default_factory=dict)
    """Worker -> when it left all jobs to others, and the `changes` of the journal then."""

    def has_any(self, now: float) -> bool:
        """Whether there is a job that no hold-up stops."""
        return bool(self._heads(now))

    def taken(self, now: float, slot: Slot, is_free: Callable[[Slot], bool]) -> Job | None:
        """The job that a free worker takes now; None where there is none, or it leaves all of them to others.

        `is_free`: whether another worker takes a job now.
        """
        changes, left_s = self._left_all.get(slot, (-1, 0.0))
        if changes == self.journal.changes and now < left_s + LOOK_AGAIN_S:
            return None  # no job has come, begun or ended since
        heads = self._heads(now)
        waiting = [
            QueueHead(id=job.id, priority=job.priority, model=model_of(job, self.settings)) for job in heads.values()
        ]
        while (found := chosen(waiting, loaded=slot.models, overtaken=self._overtaken)) is not None:
            job = self._placed(now, slot, heads[found.id], is_free)
            if job is not None:
                overtakes = any(head.priority == found.priority and head.id < found.id for head in waiting)
                self._overtaken = self._overtaken + 1 if overtakes else 0
                return job
            waiting.remove(found)
        if heads:
            self._left_all[slot] = self.journal.changes, now
        return None

    def record(self, slot: Slot, message: Up) -> None:
        """Learns from a report how large the pictures of a job are, and how many steps they take."""
        match message:
            case Placed(job_ids=job_ids, tried=tried):
                extent = Extent(width=tried.width, height=tried.height, guided=tried.guided)
                for job_id in job_ids:
                    if job_id in slot.running:
                        _keep(self._extents, _like(slot.running[job_id].job), extent)
            case Progress(job_id=job_id, steps=steps) if job_id in slot.running:
                _keep(self._steps, _like(slot.running[job_id].job), steps)
            case _:
                pass

    def note_refusal(self, slot: Slot, job: Job, attempt: Attempt | None, now: float) -> None:
        """Learns from an attempt that ran out of memory where jobs like this one have no rung left."""
        tried = with_attempt(job.tried, attempt)
        if slot.device_name and next_start(tried, engine_kind(job.runs), slot.device_name) is None:
            _keep(self._unfit_until_s, (_like(job), slot.device_name), now + LONGEST_WAIT_S)

    def expected_s(self, slot: Slot, jobs: Sequence[Job], measured: Sequence[Measured]) -> float | None:
        """How long a worker takes for jobs of one batch; None where nothing tells."""
        if len(self.pool.slots) == 1:
            return None  # nobody asks
        offer = self._offer(slot, jobs[0], measured, rest_s=0.0)
        if offer.ends_s is None or offer.seconds is None:
            return None
        return offer.ends_s + offer.seconds * (len(jobs) - 1)

    def _heads(self, now: float) -> dict[str, Job]:
        """The first job of every queue that no hold-up stops."""
        heads = self.journal.heads(but=self.holdups.held_demands(now))
        return {job.id: job for job in heads if not self._is_held(job, now)}

    def _is_held(self, job: Job, now: float) -> bool:
        return self.holdups.is_held(job.needs, now) or self.holdups.is_held(IMAGES[JobKind(job.kind)], now)

    def _placed(self, now: float, slot: Slot, head: Job, is_free: Callable[[Slot], bool]) -> Job | None:
        """A job, or one after it in its queue, that no other worker would be done with earlier."""
        others = [other for other in self.pool.slots if other is not slot and self.faults.takes_jobs(other, now)]
        are_alike = slot.device_name != "" and all(other.device_name == slot.device_name for other in others)
        if not others or (are_alike and self._is_loaded(slot, head) and not head.tried):
            return head  # nobody would be done earlier
        measured = self.journal.measured(model_of(head, self.settings))
        rests = [(slot, 0.0), *((other, 0.0 if is_free(other) else other.rest_s(now)) for other in others)]
        jobs: dict[str, Job] = {}
        alike: dict[_Like, list[WorkerOffer]] = {}

        def offers(job: Job) -> list[WorkerOffer]:
            like = _like(job)
            if job.tried or like not in alike:
                made = [
                    self._fitting(one, self._offer(one, job, measured, rest_s=rest_s), job, now)
                    for one, rest_s in rests
                ]
                if job.tried:
                    return made
                alike[like] = made
            return alike[like]

        def candidates() -> Iterator[Candidate]:
            for job in self._queued_from(head, now):
                jobs[job.id] = job
                here, *elsewhere = offers(job)
                left_s = now - self._left_since_s.get((slot, job.id), now)
                yield Candidate(id=job.id, here=here, others=tuple(elsewhere), left_s=left_s)

        made = choice(candidates())
        if len(self._left_since_s) > MOST_KEPT:  # most of them have run since
            self._left_since_s = {key: since_s for key, since_s in self._left_since_s.items() if key[1] in jobs}
        for job_id in made.left:
            self._left_since_s.setdefault((slot, job_id), now)
        if made.takes is None:
            return None
        return jobs[made.takes]

    def _queued_from(self, head: Job, now: float) -> Iterator[Job]:
        """A job and those after it in its queue; these are read only where the first is left to another worker."""
        yield head
        held = self.holdups.held_demands(now)
        yield from (job for job in self.journal.queued_like(head, MOST_LOOKED_AT) if job.demand not in held)

    def _is_loaded(self, slot: Slot, job: Job) -> bool:
        return model_of(job, self.settings) in ("", *slot.models)

    def _fitting(self, slot: Slot, offer: WorkerOffer, job: Job, now: float) -> WorkerOffer:
        """The offer; where jobs like this one lately had no rung left, or the node lacks their model, none."""
        is_unfit = self._unfit_until_s.get((_like(job), offer.device_name), now) > now
        return replace(offer, fits=False) if is_unfit or self.faults.lacks(slot, job.needs, now) else offer

    def _offer(self, slot: Slot, job: Job, measured: Sequence[Measured], *, rest_s: float | None) -> WorkerOffer:
        start = next_start(job.tried, engine_kind(job.runs), slot.attempts_on)
        extent, steps = self._extents.get(_like(job)), self._steps.get(_like(job))
        if extent is not None and not extent.pixels:
            steps = 1  # captions are written in one
        seconds = None
        if start is not None and extent is not None and steps is not None:
            seconds = predicted_s(measured, slot.device_names, start=start.rung, extent=extent, steps=steps)
        return WorkerOffer(
            seconds=seconds,
            rest_s=rest_s,
            loading_s=slot.loading_s,
            is_loaded=self._is_loaded(slot, job),
            device_name=slot.device_name,
            has_place=slot.worker.takes_batches,
            fits=start is not None,
            is_lower=start is not None and start.rung is not None,
            has_ended=self.faults.has_ended_with(slot, job.id),
        )


def _like(job: Job) -> _Like:
    return job.queue, job.demand, job.runs.steps if isinstance(job.runs, GenerateRequest) else None


def _keep(kept: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(kept) >= MOST_KEPT and key not in kept:
        kept.clear()
    kept[key] = value
