"""What becomes of a job that has ended: its result is delivered, its failure decided. In: outcomes. Out: results.

A result that the outbox refuses is kept and published before anything else is run; so is a failure about which the
journal could not be told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.config.settings import Settings
from aura_daemon.dispatch.retry_policy import GiveUp, Retry, StepDown, WaitForMemory, WaitForModel, decide
from aura_daemon.errors import JournalRefused
from aura_daemon.health.holdups import OUTBOX, Holdups, memory_for
from aura_daemon.health.listener import JobDelivered, JobFailed, Listener, tell
from aura_daemon.health.recorder import HealthRecorder
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.ladder import shortage
from aura_daemon.ladder.attempts import Attempt, RunConditions, attempt_of
from aura_daemon.ladder.shortage import FIRST_WAIT_S, LONGEST_WAIT_S
from aura_daemon.outbox.delivery import Delivery, JobTimes

_MODEL_IS_THERE: Final = frozenset({FailureKind.BAD_INPUT, FailureKind.OUT_OF_MEMORY, FailureKind.UNEXPECTED})
"""Failures that say nothing against the model: what was held up for want of it goes on."""

_ATTEMPTED: Final = frozenset({FailureKind.OUT_OF_MEMORY, FailureKind.CRASHED, FailureKind.DEADLINE})
"""Failures of an attempt, after which there may be another."""


_MEMORY_MEND: Final = "End other programs that use memory; it goes on by itself as soon as there is enough."


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedJob:
    """A job that was run, and how."""

    job: Job
    source: Source
    waited_s: float = 0.0
    """From the claim to the start of the attempt."""
    attempt_s: float = 0.0
    tried: RunConditions | None = None
    step_s: float = 0.0

    def failed(self, failure: Failure) -> Attempt | None:
        """The attempt, where there was one to speak of."""
        if failure.kind not in _ATTEMPTED:
            return None
        return attempt_of(self.tried, kind=failure.kind, reason=failure.message, seconds=self.attempt_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Undelivered:
    job: Job
    source: Source
    produced: Produced
    clocked: JobTimes


@dataclass(frozen=True, kw_only=True, slots=True)
class _Undecided:
    """A failure about which nothing is journaled yet."""

    ended: EndedJob
    failure: Failure


class OutcomeHandler:
    """Results and failures on their way into outbox and journal."""

    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal,
        delivery: Delivery,
        holdups: Holdups,
        health: HealthRecorder,
        listeners: Sequence[Listener],
        since_claim_s: Callable[[Source], float],
        source_ended: Callable[[Source], None],
    ) -> None:
        """`since_claim_s`: for how long a source has been claimed. `source_ended`: told when a job of it has ended."""
        self._settings = settings
        self._journal = journal
        self._delivery = delivery
        self._holdups = holdups
        self._health = health
        self._listeners = listeners
        self._since_claim_s = since_claim_s
        self._source_ended = source_ended
        self._undelivered: dict[str, _Undelivered] = {}
        self._undecided: dict[str, _Undecided] = {}
        self.done = 0
        """Jobs that were delivered."""
        self.failed = 0
        """Jobs that failed for good."""

    @property
    def at_hand(self) -> frozenset[str]:
        """Ids of the jobs that are kept here."""
        return frozenset((*self._undelivered, *self._undecided))

    def has_work(self) -> bool:
        """Whether something kept here could go on."""
        return bool(self._undecided or (self._undelivered and not self._holdups.has_failed(OUTBOX)))

    def take(self, ended: EndedJob, outcome: Outcome) -> None:
        """The last word on a job that was run."""
        if not isinstance(outcome, Produced):
            self.conclude(ended, outcome)
            return
        self._model_works(ended.job.needs)
        self._has_memory(ended.job.demand)
        self._learn(ended, outcome)
        since_claim_s = max(self._since_claim_s(ended.source), ended.waited_s)
        clocked = JobTimes(waited_s=ended.waited_s, since_claim_s=since_claim_s, attempt_s=ended.attempt_s)
        self._deliver(_Undelivered(job=ended.job, source=ended.source, produced=outcome, clocked=clocked))

    def conclude(self, ended: EndedJob, failure: Failure) -> None:
        """A failure, from the worker or from before it came to that."""
        self._undecided[ended.job.id] = _Undecided(ended=ended, failure=failure)
        self._decide_all()

    def settle(self) -> None:
        """Tries once more to publish what the outbox refused, and to decide what the journal did not take."""
        self._decide_all()
        for result in list(self._undelivered.values()):
            if self._holdups.is_held(OUTBOX, time.monotonic()):
                return
            self._deliver(result)

    def fail(self, job: Job, source: Source, failure: Failure, tried: Attempt | None = None) -> None:
        """Ends a job for good; raises OSError."""
        self._delivery.retract(job)
        self._journal.fail(job, failure, now=time.time(), tried=tried)
        self.failed += 1
        self._source_ended(source)
        self._end_shortage(job)
        if failure.kind is FailureKind.CANCELLED:
            logger.info("{} cancelled", job.id)
        else:
            self._health.error(f"{job.id}: {failure.message}")
            logger.error("{} failed: {} {}", job.id, failure.message, failure.mend)
        tell(self._listeners, JobFailed(id=job.id, source=source, failure=failure))
        self._health.change()

    def give_back(self) -> None:
        """Queues again what waits for the outbox and cannot be published now either; raises JournalRefused."""
        for result in list(self._undelivered.values()):
            self._deliver(result)
        for job_id in self._undelivered:
            self._journal.give_back(self._journal.job(job_id), count_attempt=False)

    # -- below -----------------------------------------------------------------------------------------------------

    def _decide_all(self) -> None:
        """Journals what follows from failures; where journal or outbox refuse, it is decided again later."""
        if self._holdups.is_held(OUTBOX, time.monotonic()):
            return
        for job_id, undecided in list(self._undecided.items()):
            try:
                self._decide(undecided.ended, undecided.failure)
            except OSError as error:
                self._health.hold_up(OUTBOX, f"what follows for {job_id} is not decided", error)
                return
            del self._undecided[job_id]
            if not self._undelivered:
                self._outbox_works()

    def _decide(self, ended: EndedJob, failure: Failure) -> None:
        journal, job = self._journal, ended.job
        if failure.kind is not FailureKind.CANCELLED:
            self._health.error(f"{job.id}: {failure.message}")
        if failure.kind in _MODEL_IS_THERE:
            self._model_works(job.needs)
        attempt = ended.failed(failure)
        if failure.kind is FailureKind.OUT_OF_MEMORY:
            self._learn_refusal(ended)
        tried = (*job.tried, attempt) if attempt is not None else job.tried
        decision = decide(
            failure,
            kind=JobKind(job.kind),
            tried=tried,
            attempts=job.attempts,
            attempts_allowed=self._settings.attempts,
            may_wait=shortage.passes(ended.tried) and self._waited_s(ended) < self._settings.memory_wait,
        )
        match decision:
            case Retry():
                journal.give_back(job, count_attempt=True, tried=attempt)
                logger.warning("{} {}: {}; tried again", job.id, failure.kind, failure.message)
            case StepDown(start=start):
                journal.give_back(job, count_attempt=False, tried=attempt)
                said = f"on rung {start.rung}" if start.rung is not None else "anew"
                logger.warning("{} {}: {}; goes on {}", job.id, failure.kind, failure.message, said)
            case WaitForModel():
                journal.give_back(job, count_attempt=False)
                now = time.monotonic()
                wait_s = self._holdups.fail(job.needs, reason=failure.message, mend=failure.mend, now=now)
                logger.warning("{} waits {:g} s: {} {}", job.id, wait_s, failure.message, failure.mend)
            case WaitForMemory():
                self._wait_for_memory(ended, failure, attempt)
            case GiveUp(failure=final):
                self.fail(job, ended.source, final, attempt)

    def _waited_s(self, ended: EndedJob) -> float:
        """How long a job has waited for memory: since there is none for its demand, and since it was claimed."""
        since_s = self._holdups.since_s(memory_for(ended.job.demand))
        waited_s = time.monotonic() - since_s if since_s is not None else 0.0
        return min(waited_s, self._since_claim_s(ended.source))

    def _wait_for_memory(self, ended: EndedJob, failure: Failure, attempt: Attempt | None) -> None:
        """Jobs of its demand wait with it: those of its batch heard the same, and count once."""
        assert attempt is not None
        assert ended.tried is not None
        job, now = ended.job, time.monotonic()
        waited_s = self._waited_s(ended)
        self._journal.give_back(job, count_attempt=False, tried=shortage.waited(attempt, ended.tried, waited_s))
        what = memory_for(job.demand)
        if self._holdups.is_held(what, now):
            return
        left_s = self._settings.memory_wait - waited_s
        wait_s = self._holdups.fail(
            what,
            reason=failure.message,
            mend=_MEMORY_MEND,
            now=now,
            longest_first_s=FIRST_WAIT_S,
            longest_s=LONGEST_WAIT_S,
            at_most_s=left_s,
        )
        logger.warning("{} waits for memory, {:g} s more: {}", job.id, wait_s, failure.message)

    def _end_shortage(self, job: Job) -> None:
        """No job waits for memory any more, where this was the last of its demand."""
        if self._holdups.has_failed(memory_for(job.demand)) and not self._journal.is_demanded(job.demand):
            self._holdups.clear(memory_for(job.demand))

    def _has_memory(self, demand: str) -> None:
        if self._holdups.clear(memory_for(demand)):
            logger.info("there is memory again for {}", demand)

    def _model_works(self, needs: str) -> None:
        if self._holdups.clear(needs):
            logger.info("{} works again", needs)

    def _outbox_works(self) -> None:
        if self._holdups.clear(OUTBOX):
            logger.info("the outbox takes files again")

    def _learn(self, ended: EndedJob, produced: Produced) -> None:
        """What it took counts for the next one; a journal that refuses that now is none the poorer."""
        if ended.tried is None:
            return
        try:
            alone = ended.tried.alone  # else the peak is that of others too
            tried = replace(ended.tried, peak_bytes=produced.peak_bytes if alone else 0)
            self._journal.learn(model_of(ended.job, self._settings), tried, step_s=ended.step_s)
        except JournalRefused as error:
            logger.warning("what {} took is not remembered: {}", ended.job.id, error.strerror)

    def _learn_refusal(self, ended: EndedJob) -> None:
        """Memory that was not enough although it seemed to be."""
        if ended.tried is not None:
            self._journal.learn_refusal(model_of(ended.job, self._settings), ended.tried)

    def _deliver(self, result: _Undelivered) -> None:
        """Publishes a result; one that the file system refuses is kept and tried again."""
        journal, job_id = self._journal, result.job.id
        try:
            job = journal.job(job_id)  # as an earlier try left it
            delivered = self._delivery.deliver(job, result.source, result.produced, result.clocked)
            journal.finish(delivered.job, now=time.time(), total_s=delivered.total_s)
        except OSError as error:
            self._undelivered[job_id] = result
            self._health.hold_up(OUTBOX, "the outbox refuses files", error)
            return
        self._undelivered.pop(job_id, None)
        self._outbox_works()
        self.done += 1
        self._source_ended(result.source)
        for warning in result.produced.warnings:
            logger.warning("{} {}", job_id, warning)
        logger.info("{} done in {:.1f} s: {}", job_id, delivered.total_s, file_names.escaped(str(delivered.payload)))
        tell(self._listeners, JobDelivered(delivered=delivered, produced=result.produced))


def model_of(job: Job, settings: Settings) -> str:
    """The model of a job, by the name that the worker and the journal's measurements know."""
    match JobKind(job.kind):
        case JobKind.GENERATE:
            return job.model or settings.generate.model
        case JobKind.CAPTION:
            return job.model or settings.caption.model
        case JobKind.GRID:
            return ""
