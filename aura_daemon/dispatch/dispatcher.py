"""A job's way: chosen from the queue, handed to a worker, its outcome taken. In: the queue. Out: outcomes.

Every idle worker is given the next batch; what becomes of the jobs that end is decided in `outcomes`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from loguru import logger

from aura_daemon.config.settings import Settings
from aura_daemon.dispatch.batching import most_together
from aura_daemon.dispatch.leak_detection import grows
from aura_daemon.dispatch.next_job import QueueHead, chosen
from aura_daemon.dispatch.outcomes import EndedJob, OutcomeHandler, model_of
from aura_daemon.dispatch.retry_policy import killed_with_the_daemon
from aura_daemon.dispatch.task_builder import TaskBuilder
from aura_daemon.errors import JournalRefused
from aura_daemon.health.holdups import IMAGES, JOURNAL, OUTBOX, Holdups
from aura_daemon.health.listener import JobStarted, Listener, tell
from aura_daemon.health.recorder import HealthRecorder
from aura_daemon.intake.input_images import InputImages
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import JobKind, batch_key
from aura_daemon.jobs.results import CANCELLED, Failure
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.journal.started_attempts import started_attempt
from aura_daemon.ladder.attempts import Start, next_start
from aura_daemon.ladder.prediction import Measured
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.previews import Previews
from aura_daemon.workers.pool import RunningJob, Slot, WorkerPool
from aura_daemon.workers.protocol import Batch, Finished, Placed, Progress


class Dispatcher:
    """The jobs of one journal, run by the workers of a pool."""

    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal,
        pool: WorkerPool,
        input_images: InputImages,
        delivery: Delivery,
        previews: Previews,
        holdups: Holdups,
        health: HealthRecorder,
        listeners: Sequence[Listener],
        since_claim_s: Callable[[Source], float],
        source_ended: Callable[[Source], None],
    ) -> None:
        """`since_claim_s`: for how long a source has been claimed. `source_ended`: told when a job of it has ended."""
        self._settings = settings
        self._journal = journal
        self._pool = pool
        self._delivery = delivery
        self._previews = previews
        self._holdups = holdups
        self._health = health
        self._listeners = listeners
        self._since_claim_s = since_claim_s
        self._task_builder = TaskBuilder(journal, input_images, delivery)
        self.outcomes = OutcomeHandler(
            settings,
            journal=journal,
            delivery=delivery,
            holdups=holdups,
            health=health,
            listeners=listeners,
            since_claim_s=since_claim_s,
            source_ended=source_ended,
        )
        self._overtaken = 0
        """Jobs in a row that ran before an older one, because their model was loaded."""

    @property
    def is_running(self) -> bool:
        """Whether a job is with a worker."""
        return self._pool.is_running

    def has_work(self) -> bool:
        """Whether a job runs, or could run now."""
        if self.is_running or self.outcomes.has_work():
            return True
        if self._holdups.has_failed(OUTBOX):
            return False
        return any(self._next(time.monotonic(), slot) is not None for slot in self._pool.slots)

    def recover(self) -> None:
        """Takes up the jobs that a crash, a stop or a fault left under way: nothing is lost, nothing doubled."""
        self._delivery.clear_temp()
        self._previews.clear()
        at_hand, now = self._pool.running_ids() | self.outcomes.at_hand, started_attempt()
        for job in self._journal.interrupted():
            if job.id in at_hand:
                continue
            total_s = self._delivery.published(job)
            if total_s is not None:
                self._journal.finish(job, now=time.time(), total_s=total_s)
                logger.info("{} was interrupted, but delivered before", job.id)
            elif job.state is JobState.RUNNING and job.begun is not None and job.begun.was_killed(now):
                ended = EndedJob(job=job, source=self._journal.source(job.source_id), tried=job.begun.tried)
                self.outcomes.conclude(ended, killed_with_the_daemon(job.begun.tried))
            else:
                self._journal.give_back(job, count_attempt=False)
                logger.info("{} was interrupted, queued again", job.id)

    def dispatch(self) -> None:
        """Hands every idle worker the oldest job whose model is to be had, and the jobs that go with it."""
        for slot in self._pool.slots:
            while self._is_free(slot) and self._fill(slot):
                pass

    def collect(self) -> None:
        """Takes what the workers report, and turns outcomes into deliveries and decisions."""
        for slot in self._pool.slots:
            for message in slot.poll():
                tell(self._listeners, message)
                match message:
                    case Placed():
                        self._placed(slot, message)
                    case Progress() if message.preview and message.job_id in slot.running:
                        self._previews.show(slot.running[message.job_id].job, message.preview)
                    case Finished():
                        self._finished(slot, message)
                    case _:
                        pass
            if slot.is_idle and slot.worker.pid is not None and grows(slot.resident_bytes):
                logger.warning("the worker's memory grows from job to job: it is started anew")
                self._unload(slot)

    def unload(self) -> None:
        """Gives the models' memory back when nothing has come for a while."""
        after_s = self._settings.unload_after
        for slot in self._pool.slots:
            is_loaded = slot.is_idle and slot.worker.pid is not None
            if is_loaded and after_s is not None and time.monotonic() - slot.idle_since_s >= after_s:
                logger.info("nothing to do for {:g} s: the models are unloaded", after_s)
                self._unload(slot)

    def cancel(self, job: Job, source: Source) -> tuple[bool, str]:
        """Ends an open job for good: whether that can be done, and what was done; raises JournalRefused."""
        slot = self._pool.slot_of(job.id)
        if slot is not None:
            slot.worker.cancel(job.id)
            return True, f"{job.id}: it runs, and is told to stop at its next step"
        if job.state is not JobState.QUEUED:
            return False, f"{job.id}: it is made already, and only waits for the outbox"
        self.outcomes.fail(job, source, CANCELLED)
        return True, f"{job.id}: cancelled"

    def give_back(self) -> None:
        """Queues again what will not end any more; the attempt is not held against it. The next start does the same."""
        try:
            for running in [running for slot in self._pool.slots for running in slot.running.values()]:
                self._previews.end(running.job)
                self._journal.give_back(running.job, count_attempt=False)
                message = "{} is given back: it did not end within {:g} s"
                logger.info(message, running.job.id, self._settings.stop_timeout)
            self.outcomes.give_back()
        except JournalRefused as error:
            logger.warning("{}", error.strerror)

    def _unload(self, slot: Slot) -> None:
        slot.unload()
        self._health.change()

    # -- handing over ------------------------------------------------------------------------------------------------

    def _is_free(self, slot: Slot) -> bool:
        """Whether a worker takes a batch. One whose last result is still here gets none; others go on meanwhile."""
        elsewhere = {job_id for other in self._pool.slots if other is not slot for job_id in other.batch_ids}
        return slot.is_idle and not self.outcomes.at_hand - elsewhere

    def _fill(self, slot: Slot) -> bool:
        """Hands a free worker the next batch; True where another job may be tried, as this one could not be run."""
        first = self._next(time.monotonic(), slot, takes_it=True)
        if first is None:
            return False
        start = next_start(first.tried, JobKind(first.kind))
        if start is None:  # it failed on the last rung, and the journal could not be told so
            start = next_start((), JobKind(first.kind))
            assert start is not None
        measured = tuple(self._journal.measured(model_of(first, self._settings)))
        batch = self._batch(first, self._most(first, slot, start, measured), start)
        try:
            tasks = [task for job in batch if (task := self._begin(slot, job)) is not None]
        except JournalRefused:
            slot.running.clear()  # the worker was told of none of them: they are taken up as after a crash
            raise
        if not tasks:
            return not self._holdups.has_failed(JOURNAL)
        slot.submit(Batch(tasks=tuple(tasks), start=start, measured=measured))
        for running in slot.running.values():
            tell(self._listeners, JobStarted(job=running.job, source=running.source))
        return False

    def _next(self, now: float, slot: Slot, *, takes_it: bool = False) -> Job | None:
        """The queued job that is next for a worker, of those whose model and images are to be had."""
        held = self._holdups
        heads = {
            job.id: job
            for job in self._journal.heads(but=held.held_demands(now))
            if not held.is_held(job.needs, now) and not held.is_held(IMAGES[JobKind(job.kind)], now)
        }
        waiting = [
            QueueHead(id=job.id, priority=job.priority, model=model_of(job, self._settings)) for job in heads.values()
        ]
        found = chosen(waiting, loaded=slot.models, overtaken=self._overtaken)
        if found is None:
            return None
        if takes_it:
            overtakes = any(head.priority == found.priority and head.id < found.id for head in waiting)
            self._overtaken = self._overtaken + 1 if overtakes else 0
        return heads[found.id]

    def _most(self, first: Job, slot: Slot, start: Start, measured: Sequence[Measured]) -> int:
        """How many jobs go into a batch at most; captions are described one by one."""
        if first.kind != JobKind.GENERATE:
            return 1
        device = slot.device
        most = most_together(
            configured=self._settings.batch,
            on_gpu=device is not None and device.device != "cpu",
            measured=measured,
            device=device.device_name if device is not None else "",
        )
        return min(most, start.most) if start.most is not None else most

    def _batch(self, first: Job, most: int, start: Start) -> list[Job]:
        """The job, and those of the queue that run together with it, from the same rung."""
        key = batch_key(first.request)
        if most < 2 or key is None:
            return [first]
        others = [
            job
            for job in self._journal.queued_like(first, most * 4)
            if batch_key(job.request) == key and next_start(job.tried, JobKind(job.kind)) == start
        ]
        return [first, *others][:most]

    def _begin(self, slot: Slot, job: Job) -> Task | None:
        """Counts the attempt; None where the job ended before it, or cannot be started now."""
        source = self._journal.source(job.source_id)
        try:
            built = self._task_builder.build(job, source)
            if isinstance(built, Failure):
                self.outcomes.conclude(EndedJob(job=job, source=source), built)
                return None
            job = self._journal.start(job, started_attempt())
        except OSError as error:  # a mount that falters, too many open files, a full disk: nothing against this image
            self._health.hold_up(IMAGES[JobKind(job.kind)], f"{job.id} is not started", error)
            return None
        if built.task.image is not None and self._holdups.clear(IMAGES[JobKind(job.kind)]):
            logger.info("images can be read again")
        slot.running[job.id] = RunningJob(
            job=job, source=built.source, waited_s=self._since_claim_s(built.source), since_s=time.monotonic()
        )
        logger.info("{} running {} (attempt {})", job.id, job.kind, len(job.tried) + 1)
        return built.task

    # -- hearing back ------------------------------------------------------------------------------------------------

    def _placed(self, slot: Slot, message: Placed) -> None:
        """Journals where jobs run before anything is loaded: it may be the last that is heard of these jobs."""
        logger.debug("{} on rung {}", ", ".join(message.job_ids), message.tried.rung)
        try:
            self._journal.place([one for one in message.job_ids if one in slot.running], started_attempt(message.tried))
        except JournalRefused as error:  # only where this daemon is killed as well does anybody miss it
            logger.warning("where {} stand is not journaled: {}", ", ".join(message.job_ids), error.strerror)

    def _finished(self, slot: Slot, message: Finished) -> None:
        running = slot.running.pop(message.job_id, None)
        if running is None:
            logger.warning("{} finished, but it was given up before", message.job_id)
            return
        self._previews.end(running.job)
        ended = EndedJob(
            job=running.job,
            source=running.source,
            waited_s=running.waited_s,
            attempt_s=time.monotonic() - running.since_s,
            tried=message.tried,
            step_s=message.step_s,
        )
        self.outcomes.take(ended, message.outcome)
