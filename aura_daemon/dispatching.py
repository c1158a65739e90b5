"""A job's way: dispatched to the worker, its outcome delivered or turned into a decision. In: the queue. Out: results.

One job runs at a time; a result that the outbox refuses is kept and published before anything else is run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final, assert_never

from loguru import logger

from aura_daemon import durable
from aura_daemon.core import names
from aura_daemon.core.job import CANCELLED, Failure, FailureKind, GridRequest, JobKind, Produced
from aura_daemon.core.lifecycle import JobState
from aura_daemon.core.queueing import Waiting, chosen
from aura_daemon.core.recovery import GiveUp, Retry, WaitForModel, decide
from aura_daemon.delivery import Clocked
from aura_daemon.errors import JournalRefused
from aura_daemon.receiving import Receiving
from aura_daemon.records import JobRow, SourceRow
from aura_daemon.rooms import IMAGES, JOURNAL, OUTBOX, Listener, Rooms, Rules
from aura_daemon.workers.protocol import Batch, Finished, Loading, Progress, Ready, Task

_MODEL_IS_THERE: Final = frozenset({FailureKind.BAD_INPUT, FailureKind.OUT_OF_MEMORY, FailureKind.UNEXPECTED})
"""Failures that say nothing against the model: what was held up for want of it goes on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    job: JobRow
    source: SourceRow
    waited_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ended:
    """A failure about which nothing is journaled yet."""

    job: JobRow
    source: SourceRow
    failure: Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class _Undelivered:
    job: JobRow
    source: SourceRow
    produced: Produced
    clocked: Clocked


class Dispatching:
    """The jobs of one journal, run by one worker."""

    def __init__(self, rooms: Rooms, rules: Rules, listener: Listener, receiving: Receiving) -> None:
        self._rooms = rooms
        self._rules = rules
        self._listener = listener
        self._receiving = receiving
        self._running: _Running | None = None
        self._undelivered: _Undelivered | None = None
        self._ended: _Ended | None = None
        self._idle_since_s = time.monotonic()
        self._has_ended = False
        self._overtaken = 0
        """Jobs in a row that ran before an older one, because their model was loaded."""
        self.done = 0
        self.failed = 0

    @property
    def is_running(self) -> bool:
        """Whether a job is with the worker."""
        return self._running is not None

    def take_ended(self) -> bool:
        """Whether a job has ended since this was asked last: its source waits, and so may the next job."""
        ended, self._has_ended = self._has_ended, False
        return ended

    def has_work(self) -> bool:
        """Whether a job runs, or could run now."""
        now = time.monotonic()
        if self._running or self._ended or (self._undelivered and not self._rooms.holdups.has_failed(OUTBOX)):
            return True
        return not self._rooms.holdups.has_failed(OUTBOX) and self._next(now) is not None

    def recover(self) -> None:
        """Takes up the jobs that a crash, a stop or a fault left under way: nothing lost, nothing doubled."""
        self._rooms.outbox.clear_temp()
        self._rooms.previews.clear()
        at_hand = {state.job.id for state in (self._running, self._undelivered, self._ended) if state is not None}
        for job in self._rooms.journal.interrupted():
            if job.id in at_hand:
                continue
            total_s = self._rooms.outbox.published(job)
            if total_s is None:
                self._rooms.journal.give_back(job, count_attempt=False)
                logger.info("{} was interrupted, queued again", job.id)
            else:
                self._rooms.journal.finish(job, now=time.time(), total_s=total_s)
                logger.info("{} was interrupted, but delivered before", job.id)

    def dispatch(self) -> None:
        """Hands the oldest job whose model is to be had to an idle worker."""
        now = time.monotonic()
        is_waiting = self._undelivered is not None or self._ended is not None
        is_busy = self._running is not None or is_waiting or not self._rooms.worker.idle
        if is_busy or self._rooms.holdups.is_held(OUTBOX, now):
            return
        job = self._next(now, takes_it=True)
        if job is None:
            return
        source = self._rooms.journal.source(job.source_id)
        obstacle = self._rooms.outbox.obstacle(job)
        if obstacle:
            message = f"its folder cannot be made in the outbox: {obstacle}"
            self._conclude(job, source, _bad_input(message, "Rename that or the folder, then move the job back."))
            return
        try:
            images = self._rooms.inputs.of(job, source)
            cells = self._cells(job)
        except (FileNotFoundError, PermissionError, durable.NotARegularFile) as error:
            message = f"the claimed image cannot be read any more: {error.strerror}"
            self._conclude(job, source, _bad_input(message, "Put the image into the inbox again."))
            return
        except OSError as error:  # a mount that falters, too many open files: it says nothing about this image
            self._rooms.hold_up(IMAGES[JobKind(job.kind)], f"{job.id} is not started", error)
            return
        if images.image is not None and self._rooms.holdups.clear(IMAGES[JobKind(job.kind)]):
            logger.info("images can be read again")
        try:
            source = self._rooms.inputs.recorded(source, job, images)
            job = self._rooms.journal.start(job)
        except JournalRefused as error:
            self._rooms.hold_up(JOURNAL, f"{job.id} is not started", error)
            return
        self._running = _Running(job=job, source=source, waited_s=self._receiving.since_claim_s(source))
        logger.info("{} running {} (attempt {})", job.id, job.kind, job.attempts)
        name = names.escaped(source.path)
        self._rooms.pulse.running(job, name)
        self._listener.started(job, source)
        task = Task(
            job_id=job.id,
            request=job.request,
            image=images.image.content if images.image is not None else None,
            image_name=name,
            mask=images.mask.content if images.mask is not None else None,
            cells=cells,
        )
        self._rooms.worker.submit(Batch(tasks=(task,)))
        self._rooms.heartbeat.change()

    def collect(self) -> None:
        """Hears the worker out and turns outcomes into deliveries and decisions."""
        for message in self._rooms.worker.poll():
            match message:
                case Ready():
                    self._rooms.pulse.ready(message)
                case Loading():
                    self._rooms.pulse.loading(message)
                    self._listener.loading(message)
                case Progress():
                    self._rooms.pulse.progress(message)
                    self._listener.progress(message)
                    if message.preview and self._running is not None and self._running.job.id == message.job_id:
                        self._rooms.previews.show(self._running.job, message.preview)
                case Finished():
                    self._finished(message)
                case _:  # pragma: no cover
                    assert_never(message)
            self._rooms.heartbeat.change()

    def redeliver(self) -> None:
        """Tries once more to publish what the outbox refused, and to decide what the journal did not take."""
        self._end()
        if self._undelivered is not None and not self._rooms.holdups.is_held(OUTBOX, time.monotonic()):
            self._deliver(self._undelivered)

    def unload(self) -> None:
        """Gives the models' memory back when nothing has come for a while."""
        after_s, worker = self._rules.unload_after_s, self._rooms.worker
        if after_s is None or self._running or worker.pid is None or not worker.idle:
            return
        if time.monotonic() - self._idle_since_s >= after_s:
            logger.info("nothing to do for {:g} s: the models are unloaded", after_s)
            worker.unload()
            self._rooms.pulse.unloaded()
            self._rooms.heartbeat.change()

    def cancel(self, job: JobRow, source: SourceRow) -> tuple[bool, str]:
        """Ends an open job for good: whether that can be done, and what was done; raises JournalRefused."""
        if self._running is not None and self._running.job.id == job.id:
            self._rooms.worker.cancel(job.id)
            return True, f"{job.id}: it runs, and is told to stop at its next step"
        if job.state is not JobState.QUEUED:
            return False, f"{job.id}: it is made already, and only waits for the outbox"
        self._fail(job, source, CANCELLED)
        return True, f"{job.id}: cancelled"

    def give_back(self) -> None:
        """Queues again what will not end any more; the attempt is not held against it. The next start does the same."""
        try:
            self._give_back()
        except JournalRefused as error:
            logger.warning("{}", error.strerror)

    def _give_back(self) -> None:
        if self._running is not None:
            self._rooms.previews.end(self._running.job)
            self._rooms.journal.give_back(self._running.job, count_attempt=False)
            logger.info(
                "{} is given back: it did not end within {:g} s",
                self._running.job.id,
                self._rules.stop_timeout_s,
            )
        if self._undelivered is not None:
            self._deliver(self._undelivered)  # there may be room by now
        if self._undelivered is not None:
            self._rooms.journal.give_back(self._undelivered.job, count_attempt=False)

    # -- below -----------------------------------------------------------------------------------------------------

    def _cells(self, job: JobRow) -> tuple[bytes | None, ...]:
        """The pictures of a sheet, as they lie in the outbox; raises OSError where they cannot be read now."""
        if not isinstance(job.request, GridRequest):
            return ()
        made = [self._rooms.journal.job(cell) for cell in job.request.cells]
        return tuple(self._rooms.outbox.payload(cell) if cell.state is JobState.DONE else None for cell in made)

    def _next(self, now: float, *, takes_it: bool = False) -> JobRow | None:
        """The queued job that is next, of those whose model is to be had, and what they are about."""
        held = self._rooms.holdups
        heads = {
            job.id: job
            for job in self._rooms.journal.heads()
            if not held.is_held(job.needs, now) and not held.is_held(IMAGES[JobKind(job.kind)], now)
        }
        waiting = [Waiting(id=job.id, priority=job.priority, model=self._model_of(job)) for job in heads.values()]
        found = chosen(waiting, loaded=self._rooms.pulse.models, overtaken=self._overtaken)
        if found is None:
            return None
        if takes_it:
            overtakes = any(head.priority == found.priority and head.id < found.id for head in waiting)
            self._overtaken = self._overtaken + 1 if overtakes else 0
        return heads[found.id]

    def _model_of(self, job: JobRow) -> str:
        """As the worker names it."""
        return job.model or self._rules.models.get(JobKind(job.kind), "")

    def _finished(self, message: Finished) -> None:
        self._has_ended = True
        running, self._running = self._running, None
        self._idle_since_s = time.monotonic()
        self._rooms.pulse.finished(message)
        if running is None or running.job.id != message.job_id:
            logger.warning("{} finished, but it was given up before", message.job_id)
            return
        job, source, outcome = running.job, running.source, message.outcome
        self._rooms.previews.end(job)
        if isinstance(outcome, Produced):
            self._model_works(job.needs)
            since_claim_s = self._receiving.since_claim_s(source)
            clocked = Clocked(waited_s=running.waited_s, since_claim_s=max(since_claim_s, running.waited_s))
            self._deliver(_Undelivered(job=job, source=source, produced=outcome, clocked=clocked))
        else:
            self._conclude(job, source, outcome)

    def _conclude(self, job: JobRow, source: SourceRow, failure: Failure) -> None:
        self._ended = _Ended(job=job, source=source, failure=failure)
        self._end()

    def _end(self) -> None:
        """Journals what follows from a failure; where the journal refuses, it is decided again later."""
        ended = self._ended
        if ended is None:
            return
        try:
            self._decide(ended.job, ended.source, ended.failure)
        except JournalRefused as error:
            self._rooms.hold_up(JOURNAL, f"what follows for {ended.job.id} is not decided", error)
            return
        self._ended = None

    def _decide(self, job: JobRow, source: SourceRow, failure: Failure) -> None:
        journal, holdups = self._rooms.journal, self._rooms.holdups
        if failure.kind is not FailureKind.CANCELLED:
            self._rooms.pulse.error(f"{job.id}: {failure.message}")
        if failure.kind in _MODEL_IS_THERE:
            self._model_works(job.needs)
        match decide(failure, attempts=job.attempts, attempts_allowed=self._rules.attempts):
            case Retry():
                journal.give_back(job, count_attempt=True)
                logger.warning("{} {}: {}; tried again", job.id, failure.kind, failure.message)
            case WaitForModel():
                journal.give_back(job, count_attempt=False)
                now = time.monotonic()
                wait_s = holdups.fail(job.needs, reason=failure.message, mend=failure.mend, now=now)
                logger.warning("{} waits {:g} s: {} {}", job.id, wait_s, failure.message, failure.mend)
            case GiveUp(failure=final):
                self._fail(job, source, final)

    def _model_works(self, needs: str) -> None:
        if self._rooms.holdups.clear(needs):
            logger.info("{} works again", needs)

    def _deliver(self, result: _Undelivered) -> None:
        """Publishes a result; one that the file system refuses is kept and tried again."""
        journal, job_id = self._rooms.journal, result.job.id
        try:
            delivered = self._rooms.outbox.deliver(result.job, result.source, result.produced, result.clocked)
            journal.finish(delivered.job, now=time.time(), total_s=delivered.total_s)
        except OSError as error:
            self._undelivered = replace(result, job=journal.job(job_id))
            self._rooms.hold_up(OUTBOX, "the outbox refuses files", error)
            return
        self._undelivered = None
        self._has_ended = True
        if self._rooms.holdups.clear(OUTBOX):
            logger.info("the outbox takes files again")
        self.done += 1
        self._rooms.pulse.done(delivered.total_s)
        self._receiving.job_ended(result.source)
        for warning in result.produced.warnings:
            logger.warning("{} {}", job_id, warning)
        logger.info("{} done in {:.1f} s: {}", job_id, delivered.total_s, names.escaped(str(delivered.payload)))
        self._listener.delivered(delivered, result.produced)

    def _fail(self, job: JobRow, source: SourceRow, failure: Failure) -> None:
        self._has_ended = True
        self._rooms.outbox.retract(job)
        self._rooms.journal.fail(job, failure, now=time.time())
        self.failed += 1
        self._receiving.job_ended(source)
        if failure.kind is FailureKind.CANCELLED:
            logger.info("{} cancelled", job.id)
        else:
            self._rooms.pulse.error(f"{job.id}: {failure.message}")
            logger.error("{} failed: {} {}", job.id, failure.message, failure.mend)
        self._listener.failed(job.id, source, failure)
        self._rooms.heartbeat.change()


def _bad_input(message: str, mend: str) -> Failure:
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
