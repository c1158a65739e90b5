"""Delivers the results of jobs and decides what follows from failures. In: outcomes. Out: results, journal entries.

A worker gets its next batch before its last results are delivered. A result that the outbox refuses is kept, and its
worker gets no further batch until it is published. A failure that the journal could not record is kept likewise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.config.settings import Settings
from aura_daemon.dispatch.captioned_copies import with_written_copy
from aura_daemon.dispatch.ended_job import EndedJob, model_of
from aura_daemon.dispatch.ended_parts import EndedParts
from aura_daemon.dispatch.retry_policy import GiveBack, GiveUp, Retry, StepDown, WaitForMemory, WaitForModel, decide
from aura_daemon.errors import JournalRefused
from aura_daemon.health.holdups import OUTBOX, Holdups, memory_for
from aura_daemon.health.listener import AttemptFailed, FollowUp, JobDelivered, JobFailed, Listener, notify
from aura_daemon.health.recorder import HealthRecorder
from aura_daemon.intake.input_images import InputImages
from aura_daemon.jobs.queueing import engine_kind
from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.ladder import shortage
from aura_daemon.ladder.attempts import Attempt
from aura_daemon.ladder.measurements import slow_steps
from aura_daemon.ladder.shortage import FIRST_WAIT_S, LONGEST_WAIT_S
from aura_daemon.outbox.delivery import Delivered, Delivery
from aura_daemon.outbox.result_document import JobTimes, Unpublished
from aura_daemon.system.clock import utc_now

_MODEL_IS_THERE: Final = frozenset({FailureKind.BAD_INPUT, FailureKind.OUT_OF_MEMORY, FailureKind.UNEXPECTED})
"""Failures of a job that was placed which show that its model is there: jobs that waited for the model go on."""

_OUTBOX_WORKS: Final = "the outbox takes files again"

_MEMORY_MEND: Final = "End other programs that use memory; it goes on by itself as soon as there is enough."


@dataclass(kw_only=True, slots=True, eq=False)
class OutcomeHandler:
    """Delivers results, and journals what follows from failures."""

    settings: Settings
    journal: Journal
    delivery: Delivery
    holdups: Holdups
    health: HealthRecorder
    listeners: Sequence[Listener]
    since_claim_s: Callable[[Source], float]
    """Returns the seconds since a source was claimed."""
    source_ended: Callable[[Source], None]
    """Called with the source of every job that has ended."""
    input_images: InputImages
    """Where the pictures lie of which copies are made."""
    ended_parts: EndedParts
    device_names: Callable[[], Collection[str]] = tuple
    """Returns the models of device that workers have which take jobs."""
    gpu_may_spill: bool = False
    """Where a GPU's memory is used up, its driver gives memory of the host instead (WSL2)."""
    done: int = field(init=False, default=0)
    """Number of delivered jobs."""
    failed: int = field(init=False, default=0)
    """Number of jobs that failed for good."""
    is_stopping: bool = field(init=False, default=False)
    """Whether the daemon was told to stop: the death of a worker counts for no job then."""
    _fresh: dict[str, Unpublished] = field(init=False, default_factory=dict)
    """Job id -> result that nobody has tried to deliver: the worker gets its next batch before."""
    _undelivered: dict[str, Unpublished] = field(init=False, default_factory=dict)
    """Job id -> result that the outbox refused."""
    _undecided: dict[str, tuple[EndedJob, Failure]] = field(init=False, default_factory=dict)
    """Job id -> failure about which nothing is journaled yet."""
    _warned_of: str = field(init=False, default="")
    """Id of the source whose job was delivered last."""
    _warned: set[str] = field(init=False, default_factory=set)
    """The warnings about jobs of that source that were logged."""

    @property
    def kept_ids(self) -> frozenset[str]:
        """Ids of jobs whose result or failure is kept in memory."""
        return frozenset((*self._fresh, *self._undelivered, *self._undecided))

    @property
    def refused_ids(self) -> frozenset[str]:
        """Ids of jobs whose result or failure is kept for a later try: no other job of their worker runs before."""
        return self.kept_ids if self.holdups.has_failed(OUTBOX) else self.kept_ids - self._fresh.keys()

    @property
    def has_fresh(self) -> bool:
        """Whether results have come that nobody has tried to deliver."""
        return bool(self._fresh)

    def has_work(self) -> bool:
        """Whether a kept result or failure could be dealt with now."""
        return bool(self._undecided or self._fresh or (self._undelivered and not self.holdups.has_failed(OUTBOX)))

    def take(self, ended: EndedJob, outcome: Outcome) -> None:
        """Handles the outcome of a job that a worker has run; `settle` delivers a result."""
        if not isinstance(outcome, Produced):
            self.conclude(ended, outcome)
            return
        if outcome.benchmark is not None:
            run = replace(outcome.benchmark, id=ended.job.id, finished=utc_now())
            outcome = replace(outcome, benchmark=run)
        self._end_holdup(ended.job.needs, f"{ended.job.needs} works again")
        self._end_holdup(memory_for(ended.job.demand), f"there is memory again for {ended.job.demand}")
        outcome = self._learned(ended, outcome)
        since_claim_s = max(self.since_claim_s(ended.source), ended.waited_s)
        times = JobTimes(waited_s=ended.waited_s, since_claim_s=since_claim_s, attempt_s=ended.attempt_s)
        self._fresh[ended.job.id] = Unpublished(job=ended.job, source=ended.source, produced=outcome, times=times)

    def conclude(self, ended: EndedJob, failure: Failure) -> None:
        """Handles a failure, of the worker or before the job was given to one."""
        self._undecided[ended.job.id] = ended, failure
        self._decide_all()

    def settle(self) -> None:
        """Publishes results, and tries again to journal failures and to publish what the outbox refused."""
        self._decide_all()
        self._deliver_fresh()
        for result in list(self._undelivered.values()):
            if self.holdups.is_held(OUTBOX, time.monotonic()):
                return
            self._deliver([result])

    def fail(self, job: Job, source: Source, failure: Failure, tried: Attempt | None = None) -> None:
        """Ends a job for good; raises OSError."""
        self.delivery.retract(job)
        self.journal.fail(job, failure, now=time.time(), tried=tried)
        self.failed += 1
        self.source_ended(source)
        self._end_shortage(job)
        if failure.kind is FailureKind.CANCELLED:
            logger.info("{} cancelled", job.id)
        else:
            self.health.error(f"{job.id}: {file_names.escaped(source.path)}: {failure.message}")
            logger.error("{} failed: {}", job.id, failure.told)
        notify(self.listeners, JobFailed(id=job.id, source=source, failure=failure, job=job))
        self.health.change()

    def give_back(self) -> None:
        """Queues again what waits for the outbox and cannot be published now either; raises JournalRefused."""
        self._deliver_fresh()
        for result in list(self._undelivered.values()):
            self._deliver([result])
        for job_id in self._undelivered:
            self.journal.give_back(self.journal.job(job_id), count_attempt=False)

    def _decide_all(self) -> None:
        """Decides the kept failures; where journal or outbox refuse, they are decided again later."""
        if self.holdups.is_held(OUTBOX, time.monotonic()):
            return
        for job_id, (ended, failure) in list(self._undecided.items()):
            try:
                self._decide(ended, failure)
            except OSError as error:
                self.health.hold_up(OUTBOX, f"what follows for {job_id} is not decided", error)
                return
            del self._undecided[job_id]
            if not self._undelivered:
                self._end_holdup(OUTBOX, _OUTBOX_WORKS)

    def _decide(self, ended: EndedJob, failure: Failure) -> None:
        journal, job = self.journal, ended.job
        if failure.kind is not FailureKind.CANCELLED:
            self.health.error(f"{job.id}: {file_names.escaped(ended.source.path)}: {failure.message}")
        if failure.kind in _MODEL_IS_THERE and ended.tried is not None:  # else nobody looked for the model
            self._end_holdup(job.needs, f"{job.needs} works again")
        attempt = ended.attempt(failure)
        if failure.kind is FailureKind.OUT_OF_MEMORY and ended.tried is not None:
            journal.learn_refusal(model_of(job, self.settings), ended.tried)
        tried = (*job.tried, attempt) if attempt is not None else job.tried
        decision = decide(
            failure,
            kind=engine_kind(job.runs),
            tried=tried,
            attempts=job.attempts,
            attempts_allowed=self.settings.attempts,
            device_names=self.device_names(),
            may_wait=shortage.passes(ended.tried) and self._waited_s(ended) < self.settings.memory_wait,
            is_stopping=self.is_stopping,
        )
        match decision:
            case Retry():
                follow_up = FollowUp.RETRY
                journal.give_back(job, count_attempt=True, tried=attempt)
                logger.warning("{} {}: {}; tried again", job.id, failure.kind, failure.message)
            case GiveBack():
                follow_up = FollowUp.GIVE_BACK
                journal.give_back(job, count_attempt=False)
                logger.info("{} is given back: {}", job.id, failure.message)
            case StepDown(start=start, device_name=elsewhere):
                follow_up = FollowUp.STEP_DOWN
                journal.give_back(job, count_attempt=False, tried=attempt)
                where = f"on rung {start.rung}" if start.rung is not None else "anew"
                where = f"{where}, on {elsewhere}" if elsewhere else where
                logger.warning("{} {}: {}; goes on {}", job.id, failure.kind, failure.message, where)
            case WaitForModel():
                follow_up = FollowUp.WAIT_FOR_MODEL
                journal.give_back(job, count_attempt=False)
                now = time.monotonic()
                wait_s = self.holdups.fail(job.needs, reason=failure.message, mend=failure.mend, now=now)
                logger.warning("{} waits {:g} s: {}", job.id, wait_s, failure.told)
            case WaitForMemory():
                follow_up = FollowUp.WAIT_FOR_MEMORY
                self._wait_for_memory(ended, failure, attempt)
            case GiveUp(failure=final):
                follow_up = FollowUp.GIVE_UP
                self.fail(job, ended.source, final, attempt)
        told = AttemptFailed(job=job, failure=failure, follow_up=follow_up, tried=ended.tried)
        notify(self.listeners, told)

    def _waited_s(self, ended: EndedJob) -> float:
        """Seconds that a job has waited for memory: since its demand was first refused, or since its claim if later."""
        since_s = self.holdups.since_s(memory_for(ended.job.demand))
        waited_s = time.monotonic() - since_s if since_s is not None else 0.0
        return min(waited_s, self.since_claim_s(ended.source))

    def _wait_for_memory(self, ended: EndedJob, failure: Failure, attempt: Attempt | None) -> None:
        """Holds up all jobs of the same demand; the jobs of one batch fail together, and count once."""
        assert attempt is not None
        assert ended.tried is not None
        job, now = ended.job, time.monotonic()
        waited_s = self._waited_s(ended)
        self.journal.give_back(job, count_attempt=False, tried=shortage.waited(attempt, ended.tried, waited_s))
        what = memory_for(job.demand)
        if self.holdups.is_held(what, now):
            return
        left_s = self.settings.memory_wait - waited_s
        wait_s = self.holdups.fail(
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
        """Removes the hold-up of a demand with its last job."""
        if self.holdups.has_failed(memory_for(job.demand)) and not self.journal.is_demanded(job.demand):
            self.holdups.clear(memory_for(job.demand))

    def _end_holdup(self, what: str, message: str) -> None:
        """Removes a hold-up, and logs `message` where there was one."""
        if self.holdups.clear(what):
            logger.info("{}", message)

    def _learned(self, ended: EndedJob, produced: Produced) -> Produced:
        """Journals the memory and time that a job took, for later choices of a rung; a refusal is only logged.

        Returns the result, with a warning where its steps were far too slow.
        """
        if ended.tried is None:
            return produced
        model, step_s = model_of(ended.job, self.settings), ended.step_s
        if not ended.tried.extent.pixels:  # captions, whose batch is one step: each tells its share of the time
            step_s = (produced.timing.encoded_s + produced.timing.decoded_s) * ended.tried.batch
        tried = replace(ended.tried, peak_bytes=produced.peak_bytes)
        try:
            slow = slow_steps(self.journal.measured(model), tried, step_s=step_s, may_spill=self.gpu_may_spill)
            if slow is not None and slow.has_spilled:  # it would have run out of memory elsewhere
                self.journal.learn_refusal(model, tried)
            else:
                # The peak of a process that shared its memory with others is not the job's own.
                self.journal.learn(model, tried if tried.alone else replace(tried, peak_bytes=0), step_s=step_s)
        except JournalRefused as error:
            logger.warning("what {} took is not remembered: {}", ended.job.id, error.strerror)
            return produced
        return replace(produced, warnings=(*produced.warnings, slow.warning)) if slow is not None else produced

    def _deliver_fresh(self) -> None:
        """Publishes the results that have come since the last call."""
        results, self._fresh = tuple(self._fresh.values()), {}
        if results:
            self._deliver(results)

    def _deliver(self, results: Sequence[Unpublished]) -> None:
        """Publishes results together; a result that the file system refuses is kept for a later try."""
        kept, publishable = [], []
        for result in results:
            try:
                whole = self.ended_parts.deliverable(result)
                if whole is None:
                    self._undelivered.pop(result.job.id, None)
                    self._end_holdup(OUTBOX, _OUTBOX_WORKS)
                    continue
                publishable.append(self._publishable(whole))
                kept.append(result)
            except OSError as error:
                self._keep(result, error)
        ends = self.delivery.deliver_all(publishable)
        try:
            with self.journal.together():
                for end in ends:
                    if isinstance(end, Delivered):
                        self.journal.finish(end.job, now=time.time(), total_s=end.total_s)
        except JournalRefused as error:
            ends = [error] * len(ends)
        for as_it_came, result, end in zip(kept, publishable, ends, strict=True):
            if isinstance(end, OSError):
                self._keep(as_it_came, end)
                continue
            self._undelivered.pop(result.job.id, None)
            self._end_holdup(OUTBOX, _OUTBOX_WORKS)
            self._ended(result, end)

    def _keep(self, result: Unpublished, error: OSError) -> None:
        self._undelivered[result.job.id] = result
        self.health.hold_up(OUTBOX, "the outbox refuses files", error)

    def _publishable(self, result: Unpublished) -> Unpublished:
        """A result with its job as an earlier try has left it, and with its pages or its copy of a picture."""
        journal, produced = self.journal, result.produced
        if (run := produced.benchmark) is not None:
            journal.keep_benchmark(run)
            from aura_daemon.formats.benchmarks.pages import with_pages  # benchmarks are rare, their pages large

            produced = with_pages(produced, journal.earlier_benchmarks(run))
        if produced.copy is not None:
            produced = with_written_copy(result, produced.copy, self.input_images)
        job = journal.job(result.job.id) if result.job.id in self._undelivered else result.job
        return replace(result, job=job, produced=produced)

    def _ended(self, result: Unpublished, delivered: Delivered) -> None:
        """Tells that a job is done."""
        self.done += 1
        self.source_ended(result.source)
        self._warn(delivered.job, delivered.warnings)
        shown = file_names.escaped(str(delivered.payload))
        logger.info("{} done in {:.1f} s: {}", result.job.id, delivered.total_s, shown)
        notify(self.listeners, JobDelivered(delivered=delivered, produced=result.produced))

    def _warn(self, job: Job, warnings: Sequence[str]) -> None:
        """Logs each warning once for all jobs of a file that follow one another; each sidecar has them all."""
        if self._warned_of != job.source_id:
            self._warned_of, self._warned = job.source_id, set()
        for warning in dict.fromkeys(warnings):
            if warning not in self._warned:
                logger.warning("{} {}", job.id, warning)
        self._warned.update(warnings)
