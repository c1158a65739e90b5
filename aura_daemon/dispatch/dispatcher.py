"""A job's way: chosen from the queue, dispatched to the worker, its last word heard. In: the queue. Out: outcomes.

One batch runs at a time; what becomes of its jobs is decided in `outcomes`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import assert_never

from loguru import logger

from aura_daemon import file_names
from aura_daemon.daemon.receiver import Receiver
from aura_daemon.daemon.rooms import Rooms, Rules
from aura_daemon.dispatch.batching import most_together
from aura_daemon.dispatch.leak_detection import WATCHED, grows
from aura_daemon.dispatch.listener import Listener
from aura_daemon.dispatch.next_job import QueueHead, chosen
from aura_daemon.dispatch.outcomes import EndedJob, OutcomeHandler
from aura_daemon.dispatch.retry_policy import killed_with_the_daemon
from aura_daemon.errors import JournalRefused
from aura_daemon.health.holdups import IMAGES, JOURNAL, OUTBOX
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import GridRequest, JobKind, batch_key
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind
from aura_daemon.journal.records import Job, Source
from aura_daemon.journal.started_attempts import started_attempt
from aura_daemon.ladder.attempts import Start, next_start
from aura_daemon.system import durable_files
from aura_daemon.workers.protocol import Batch, Finished, Loading, Placed, Progress, Ready, Task


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    job: Job
    source: Source
    waited_s: float
    since_s: float


class Dispatcher:
    """The jobs of one journal, run by one worker."""

    def __init__(self, rooms: Rooms, rules: Rules, listener: Listener, receiving: Receiver) -> None:
        self._rooms = rooms
        self._rules = rules
        self._listener = listener
        self._receiving = receiving
        self._outcomes = OutcomeHandler(rooms, rules, listener, receiving)
        self._running: dict[str, _Running] = {}
        self._idle_since_s = time.monotonic()
        self._overtaken = 0
        """Jobs in a row that ran before an older one, because their model was loaded."""
        self._models: tuple[str, ...] = ()
        self._resident_bytes: list[int] = []
        """Of the worker, after each of its last jobs with these models."""

    @property
    def is_running(self) -> bool:
        """Whether a job is with the worker."""
        return bool(self._running)

    @property
    def done(self) -> int:
        """Jobs that were delivered."""
        return self._outcomes.done

    @property
    def failed(self) -> int:
        """Jobs that failed for good."""
        return self._outcomes.failed

    def take_ended(self) -> bool:
        """Whether a job has ended since this was asked last: its source waits, and so may the next job."""
        return self._outcomes.take_ended()

    def has_work(self) -> bool:
        """Whether a job runs, or could run now."""
        if self._running or self._outcomes.has_work():
            return True
        return not self._rooms.holdups.has_failed(OUTBOX) and self._next(time.monotonic()) is not None

    def recover(self) -> None:
        """Takes up the jobs that a crash, a stop or a fault left under way: nothing lost, nothing doubled."""
        self._rooms.outbox.clear_temp()
        self._rooms.previews.clear()
        at_hand, now = {*self._running, *self._outcomes.at_hand}, started_attempt()
        for job in self._rooms.journal.interrupted():
            if job.id in at_hand:
                continue
            total_s = self._rooms.outbox.published(job)
            if total_s is not None:
                self._rooms.journal.finish(job, now=time.time(), total_s=total_s)
                logger.info("{} was interrupted, but delivered before", job.id)
            elif job.state is JobState.RUNNING and job.begun is not None and job.begun.was_killed(now):
                ended = EndedJob(job=job, source=self._rooms.journal.source(job.source_id), tried=job.begun.tried)
                self._outcomes.conclude(ended, killed_with_the_daemon(job.begun.tried))
            else:
                self._rooms.journal.give_back(job, count_attempt=False)
                logger.info("{} was interrupted, queued again", job.id)

    def dispatch(self) -> None:
        """Hands the oldest job whose model is to be had, and those that go with it, to an idle worker."""
        now = time.monotonic()
        is_busy = self._running or self._outcomes.at_hand or not self._rooms.worker.idle
        if is_busy or self._rooms.holdups.is_held(OUTBOX, now):
            return
        first = self._next(now, takes_it=True)
        if first is None:
            return
        start = next_start(first.tried, JobKind(first.kind))
        if start is None:  # it failed on the last rung, and the journal could not be told so
            start = next_start((), JobKind(first.kind))
            assert start is not None
        measured = self._rooms.journal.measured(self._model_of(first))
        device = self._rooms.pulse.device
        most = (
            1
            if first.kind != JobKind.GENERATE
            else most_together(
                configured=self._rules.batch,
                on_gpu=device is not None and device.device != "cpu",
                measured=measured,
                device=device.device_name if device is not None else "",
            )
        )
        most = min(most, start.most) if start.most is not None else most
        try:
            tasks = [task for job in self._companions(first, most, start) if (task := self._begin(job)) is not None]
        except JournalRefused:
            self._running.clear()  # the worker was told of none of them: they are taken up as after a crash
            raise
        if not tasks:
            return
        self._rooms.pulse.running(self._running[tasks[0].job_id].job, tasks[0].image_name, batch=len(tasks))
        self._rooms.worker.submit(Batch(tasks=tuple(tasks), start=start, measured=tuple(measured)))
        self._rooms.heartbeat.change()

    def collect(self) -> None:
        """Hears the worker out and turns outcomes into deliveries and decisions."""
        for message in self._rooms.worker.poll():
            match message:
                case Ready():
                    self._rooms.pulse.ready(message)
                case Placed():
                    self._placed(message)
                case Loading():
                    self._rooms.pulse.loading(message)
                    self._listener.loading(message)
                case Progress():
                    self._rooms.pulse.progress(message)
                    self._listener.progress(message)
                    if message.preview and message.job_id in self._running:
                        self._rooms.previews.show(self._running[message.job_id].job, message.preview)
                case Finished():
                    self._finished(message)
                case _:  # pragma: no cover
                    assert_never(message)
            self._rooms.heartbeat.change()

    def redeliver(self) -> None:
        """Tries once more to publish what the outbox refused, and to decide what the journal did not take."""
        self._outcomes.settle()

    def unload(self) -> None:
        """Gives the models' memory back when nothing has come for a while, or where it grows from job to job."""
        after_s, worker = self._rules.unload_after_s, self._rooms.worker
        if self._running or worker.pid is None or not worker.idle:
            return
        if grows(self._resident_bytes):
            logger.warning("the worker's memory grows from job to job: it is started anew")
        elif after_s is not None and time.monotonic() - self._idle_since_s >= after_s:
            logger.info("nothing to do for {:g} s: the models are unloaded", after_s)
        else:
            return
        worker.unload()
        self._resident_bytes.clear()
        self._rooms.pulse.unloaded()
        self._rooms.heartbeat.change()

    def cancel(self, job: Job, source: Source) -> tuple[bool, str]:
        """Ends an open job for good: whether that can be done, and what was done; raises JournalRefused."""
        if job.id in self._running:
            self._rooms.worker.cancel(job.id)
            return True, f"{job.id}: it runs, and is told to stop at its next step"
        if job.state is not JobState.QUEUED:
            return False, f"{job.id}: it is made already, and only waits for the outbox"
        self._outcomes.fail(job, source, CANCELLED)
        return True, f"{job.id}: cancelled"

    def give_back(self) -> None:
        """Queues again what will not end any more; the attempt is not held against it. The next start does the same."""
        try:
            for running in self._running.values():
                self._rooms.previews.end(running.job)
                self._rooms.journal.give_back(running.job, count_attempt=False)
                said = "{} is given back: it did not end within {:g} s"
                logger.info(said, running.job.id, self._rules.stop_timeout_s)
            self._outcomes.give_back()
        except JournalRefused as error:
            logger.warning("{}", error.strerror)

    # -- below -----------------------------------------------------------------------------------------------------

    def _placed(self, message: Placed) -> None:
        """Journals it before anything is loaded: it may be the last that is heard of these jobs."""
        self._rooms.pulse.placed(message)
        logger.debug("{} on rung {}", ", ".join(message.job_ids), message.tried.rung)
        try:
            self._rooms.journal.place(
                [one for one in message.job_ids if one in self._running], started_attempt(message.tried)
            )
        except JournalRefused as error:  # only where this daemon is killed as well does anybody miss it
            logger.warning("where {} stand is not journaled: {}", ", ".join(message.job_ids), error.strerror)

    def _companions(self, first: Job, most: int, start: Start) -> list[Job]:
        """The job, and those of the queue that are drawn together with it, from the same rung."""
        alike = batch_key(first.request)
        if most < 2 or alike is None:
            return [first]
        others = [
            job
            for job in self._rooms.journal.queued_like(first, most * 4)
            if batch_key(job.request) == alike and next_start(job.tried, JobKind(job.kind)) == start
        ]
        return [first, *others][:most]

    def _begin(self, job: Job) -> Task | None:
        """Counts the attempt and says what the worker is told; None where it does not come to that."""
        source = self._rooms.journal.source(job.source_id)
        ended = EndedJob(job=job, source=source)
        obstacle = self._rooms.outbox.obstacle(job)
        if obstacle:
            message = f"its folder cannot be made in the outbox: {obstacle}"
            mend = "Rename that or the folder, then move the job back."
            self._outcomes.conclude(ended, _bad_input(message, mend))
            return None
        try:
            images = self._rooms.inputs.of(job, source)
            cells = self._cells(job)
        except (FileNotFoundError, PermissionError, durable_files.NotARegularFile) as error:
            message = f"the claimed image cannot be read any more: {error.strerror}"
            self._outcomes.conclude(ended, _bad_input(message, "Put the image into the inbox again."))
            return None
        except OSError as error:  # a mount that falters, too many open files: it says nothing about this image
            self._rooms.hold_up(IMAGES[JobKind(job.kind)], f"{job.id} is not started", error)
            return None
        if images.image is not None and self._rooms.holdups.clear(IMAGES[JobKind(job.kind)]):
            logger.info("images can be read again")
        try:
            source = self._rooms.inputs.recorded(source, job, images)
            job = self._rooms.journal.start(job, started_attempt())
        except JournalRefused as error:
            self._rooms.hold_up(JOURNAL, f"{job.id} is not started", error)
            return None
        waited_s = self._receiving.since_claim_s(source)
        self._running[job.id] = _Running(job=job, source=source, waited_s=waited_s, since_s=time.monotonic())
        logger.info("{} running {} (attempt {})", job.id, job.kind, len(job.tried) + 1)
        self._listener.started(job, source)
        return Task(
            job_id=job.id,
            request=job.request,
            image=images.image.content if images.image is not None else None,
            image_name=file_names.escaped(source.path),
            mask=images.mask.content if images.mask is not None else None,
            cells=cells,
        )

    def _cells(self, job: Job) -> tuple[bytes | None, ...]:
        """The pictures of a sheet, as they lie in the outbox; raises OSError where they cannot be read now."""
        if not isinstance(job.request, GridRequest):
            return ()
        made = [self._rooms.journal.job(cell) for cell in job.request.cells]
        return tuple(self._rooms.outbox.payload(cell) if cell.state is JobState.DONE else None for cell in made)

    def _next(self, now: float, *, takes_it: bool = False) -> Job | None:
        """The queued job that is next, of those whose model is to be had, and what they are about."""
        held = self._rooms.holdups
        heads = {
            job.id: job
            for job in self._rooms.journal.heads(but=self._rooms.shortages.held(now))
            if not held.is_held(job.needs, now) and not held.is_held(IMAGES[JobKind(job.kind)], now)
        }
        waiting = [QueueHead(id=job.id, priority=job.priority, model=self._model_of(job)) for job in heads.values()]
        found = chosen(waiting, loaded=self._rooms.pulse.models, overtaken=self._overtaken)
        if found is None:
            return None
        if takes_it:
            overtakes = any(head.priority == found.priority and head.id < found.id for head in waiting)
            self._overtaken = self._overtaken + 1 if overtakes else 0
        return heads[found.id]

    def _model_of(self, job: Job) -> str:
        """As the worker names it."""
        return job.model or self._rules.models.get(JobKind(job.kind), "")

    def _finished(self, message: Finished) -> None:
        running = self._running.pop(message.job_id, None)
        self._idle_since_s = time.monotonic()
        self._rooms.pulse.finished(message)
        self._note_memory(message)
        if running is None:
            logger.warning("{} finished, but it was given up before", message.job_id)
            return
        for other in self._running.values():  # of the same batch
            self._rooms.pulse.running(other.job, file_names.escaped(other.source.path), batch=len(self._running))
            break
        self._rooms.previews.end(running.job)
        ended = EndedJob(
            job=running.job,
            source=running.source,
            waited_s=running.waited_s,
            attempt_s=time.monotonic() - running.since_s,
            tried=message.tried,
            step_s=message.step_s,
        )
        self._outcomes.take(ended, message.outcome)

    def _note_memory(self, message: Finished) -> None:
        """Counts anew whenever other models are loaded, or none."""
        if message.models != self._models:
            self._models, self._resident_bytes = message.models, []
        self._resident_bytes = [*self._resident_bytes, message.memory.resident_bytes][-WATCHED:]


def _bad_input(message: str, mend: str) -> Failure:
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
