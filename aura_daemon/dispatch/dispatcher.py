"""Chooses jobs from the queue, gives them to workers and collects their outcomes. In: the queue. Out: outcomes.

Every idle worker gets the next batch; `outcomes` decides what follows from an outcome.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from loguru import logger

from aura_daemon.chains.next_part import chain_of
from aura_daemon.config.settings import Settings
from aura_daemon.dispatch.batching import CAPTION_BATCHES, is_full, most_together
from aura_daemon.dispatch.ended_job import EndedJob, model_of
from aura_daemon.dispatch.job_choice import JobChoice
from aura_daemon.dispatch.leak_detection import grows
from aura_daemon.dispatch.outcomes import OutcomeHandler
from aura_daemon.dispatch.retry_policy import killed_with_the_daemon
from aura_daemon.dispatch.task_builder import PartLost, TaskBuilder
from aura_daemon.dispatch.worker_faults import WorkerFaults
from aura_daemon.errors import JournalRefused
from aura_daemon.health.holdups import IMAGES, JOURNAL, OUTBOX, Holdups
from aura_daemon.health.listener import JobStarted, Listener, WorkerEnd, WorkerEnded, notify
from aura_daemon.health.recorder import HealthRecorder
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.queueing import batch_key, engine_kind
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.journal.started_attempts import started_attempt
from aura_daemon.ladder.attempts import Start, StartedAttempt, next_start
from aura_daemon.ladder.prediction import Measured
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.previews import Previews
from aura_daemon.workers.pool import RunningJob, Slot, WorkerPool
from aura_daemon.workers.protocol import Batch, Finished, Loading, Placed, Progress, Ready

MAX_TRIES: Final = 16
"""Jobs that may fail before they start in one turn of the loop."""


@dataclass(kw_only=True, slots=True, eq=False)
class Dispatcher:
    """Runs the jobs of one journal on the workers of a pool."""

    settings: Settings
    journal: Journal
    pool: WorkerPool
    task_builder: TaskBuilder
    outcomes: OutcomeHandler
    delivery: Delivery
    previews: Previews
    holdups: Holdups
    health: HealthRecorder
    listeners: Sequence[Listener]
    faults: WorkerFaults
    choice: JobChoice

    def has_work(self) -> bool:
        """Whether a job runs, or could run now."""
        if self.pool.is_running or self.outcomes.has_work():
            return True
        if self.holdups.has_failed(OUTBOX):
            return False
        now = time.monotonic()
        hopeful = [slot for slot in self.pool.slots if slot.may_run_soon(now, self.settings.deadline)]
        return any(not self.faults.is_left_out(slot, now) for slot in hopeful) and self.choice.has_any(now)

    def recover(self) -> None:
        """Continues with jobs that a crash, a stop or a fault interrupted: no job is lost, none is delivered twice."""
        self.delivery.clear_temp()
        self.previews.clear()
        known_ids, now = self.pool.running_ids() | self.outcomes.kept_ids, started_attempt()
        for job in self.journal.interrupted():
            if job.id in known_ids:
                continue
            total_s = self.delivery.published(job)
            if total_s is not None:
                self.journal.finish(job, now=time.time(), total_s=total_s)
                logger.info("{} was interrupted, but delivered before", job.id)
            elif job.state is JobState.RUNNING and job.begun is not None and job.begun.was_killed(now):
                ended = EndedJob(
                    job=job,
                    source=self.journal.source(job.source_id),
                    tried=job.begun.tried,
                    device_name=job.begun.device_name,
                )
                self.outcomes.conclude(ended, killed_with_the_daemon(job.begun.tried))
            else:
                self.journal.give_back(job, count_attempt=False)
                logger.info("{} was interrupted, queued again", job.id)

    def dispatch(self) -> bool:
        """Gives every idle worker the next job that can run, and the jobs of the same batch.

        True where more jobs are to be tried at once: thousands that fail before they start must not keep the loop from
        signals, commands and health.
        """
        self._ask_for_places()
        tries = iter(range(MAX_TRIES))
        for slot in self.pool.slots:
            while self._is_free(slot) and self._fill(slot):
                if next(tries, None) is None:
                    return True
        return False

    def _ask_for_places(self) -> None:
        """Has as many workers look for a place as there are jobs for them, and gives places back that nobody needs."""
        now = time.monotonic()
        placeless = [
            slot for slot in self.pool.slots if not slot.worker.takes_batches and not self.faults.is_left_out(slot, now)
        ]
        if not placeless:
            return
        jobs = self.journal.counts()[JobState.QUEUED]
        for slot in sorted(placeless, key=lambda slot: not slot.worker.is_running):  # those that look already first
            if jobs > 0:
                slot.prestart()
                jobs -= 1
            elif slot.seeks_place and slot.is_idle:
                slot.unload()

    def collect(self) -> None:
        """Receives the workers' reports, and passes outcomes on."""
        for slot in self.pool.slots:
            for message in slot.poll():
                if isinstance(message, Loading):
                    message = replace(message, job_ids=tuple(slot.running))
                notify(self.listeners, message)
                self.choice.record(slot, message)
                match message:
                    case Ready():
                        self.faults.look(slot, message)
                    case Placed():
                        self._record_placement(slot, message)
                    case Progress() if message.preview and message.job_id in slot.running:
                        self.previews.show(slot.running[message.job_id].job, message.preview)
                    case Finished():
                        self._finish(slot, message)
                    case _:
                        pass
            if slot.has_died:
                notify(self.listeners, WorkerEnded(why=WorkerEnd.DIED))
                self.faults.forget_nodes()
            if not slot.is_idle or not slot.worker.is_running:
                continue
            if self.faults.is_left_out(slot, time.monotonic()):
                self._unload(slot, WorkerEnd.DIED)  # a new process finds out whether its device works again
            elif grows(slot.resident_bytes):
                logger.warning("the worker's memory grows from job to job: it is started anew")
                self._unload(slot, WorkerEnd.GROWN)

    def unload(self) -> None:
        """Unloads the models of workers that have been idle for `unload_after`."""
        after_s = self.settings.unload_after
        for slot in self.pool.slots:
            is_loaded = slot.is_idle and slot.worker.is_running
            if is_loaded and after_s is not None and time.monotonic() - slot.idle_since_s >= after_s:
                logger.info("nothing to do for {:g} s: the models are unloaded", after_s)
                self._unload(slot, WorkerEnd.IDLE)

    def cancel(self, job: Job, source: Source) -> tuple[bool, str]:
        """Ends an open job for good. Returns whether that was possible, and a text; raises JournalRefused."""
        slot = self.pool.slot_of(job.id)
        if slot is not None:
            slot.worker.cancel(job.id)
            return True, f"{job.id}: it runs, and is told to stop at its next step"
        if job.state is not JobState.QUEUED:
            return False, f"{job.id}: it is made already, and only waits for the outbox"
        self.outcomes.fail(job, source, CANCELLED)
        return True, f"{job.id}: cancelled"

    def expect_stop(self) -> None:
        """Records, durably, that the daemon was told to stop: whatever ends a running job now does not count for it.

        That includes a kill of daemon and worker together once the time to stop is over. Raises JournalRefused.
        """
        self.outcomes.is_stopping = True
        self.journal.place(self.pool.running_ids(), None)

    def give_back(self) -> None:
        """Queues unfinished jobs again without counting the attempt; the next start does so too where this fails."""
        try:
            for running in [running for slot in self.pool.slots for running in slot.running.values()]:
                self.previews.end(running.job)
                self.journal.give_back(running.job, count_attempt=False)
                message = "{} is given back: it did not end within {:g} s"
                logger.info(message, running.job.id, self.settings.stop_timeout)
            self.outcomes.give_back()
        except JournalRefused as error:
            logger.warning("{}", error.strerror)

    def _unload(self, slot: Slot, why: WorkerEnd) -> None:
        slot.unload()
        self.faults.forget_nodes()
        notify(self.listeners, WorkerEnded(why=why))
        self.health.change()

    def _is_free(self, slot: Slot) -> bool:
        """Whether a worker takes a batch. A worker with an undelivered result gets none; the others go on."""
        of_others = {job_id for other in self.pool.slots if other is not slot for job_id in other.batch_ids}
        is_free = slot.is_idle and slot.worker.takes_batches and not self.faults.is_left_out(slot, time.monotonic())
        return is_free and not self.outcomes.refused_ids - of_others

    def _fill(self, slot: Slot) -> bool:
        """Gives a free worker the next batch; True where that job could not start and another may be tried."""
        first = self.choice.taken(time.monotonic(), slot, self._is_free)
        if first is None:
            return False
        start = next_start(first.tried, engine_kind(first.runs), slot.attempts_on)
        if start is None:  # the job failed on the last rung, and the journal could not record that
            start = next_start((), engine_kind(first.runs))
            assert start is not None
        measured = tuple(self.journal.measured(model_of(first, self.settings)))
        together = self._batch_limit(first, slot, start, measured)
        reads_ahead = first.kind == JobKind.CAPTION and start.most is None and len(self.pool.slots) == 1  # else: shared
        batch = self._batch_of(first, together * CAPTION_BATCHES if reads_ahead else together, start, slot)
        tasks: list[Task] = []
        failed: list[tuple[EndedJob, Failure]] = []
        attempt = started_attempt()
        try:
            with self.journal.together():
                for job in batch:
                    if is_full(task.image_bytes for task in tasks):
                        break
                    match self._begin(slot, job, attempt):
                        case Task() as task:
                            tasks.append(task)
                        case (ended, failure):
                            failed.append((ended, failure))
                        case None:
                            pass
        except JournalRefused:
            slot.running.clear()  # the worker got none of them: they are recovered as after a crash
            raise
        for ended, failure in failed:
            self.outcomes.conclude(ended, failure)
        if not tasks:
            return not self.holdups.has_failed(JOURNAL)
        expected_s = self.choice.expected_s(slot, [running.job for running in slot.running.values()], measured)
        slot.submit(Batch(tasks=tuple(tasks), start=start, measured=measured, together=together), expected_s)
        for running in slot.running.values():
            notify(self.listeners, JobStarted(job=running.job, source=running.source))
        return False

    def _batch_limit(self, first: Job, slot: Slot, start: Start, measured: Sequence[Measured]) -> int:
        """How many run at once; sheets and benchmarks run one by one."""
        if first.kind not in (JobKind.GENERATE, JobKind.CAPTION):
            return 1
        device, runs = slot.device, first.runs
        width, height = (runs.width, runs.height) if isinstance(runs, GenerateRequest) else (None, None)
        most = most_together(
            JobKind(first.kind),
            configured=self.settings.batch,
            on_gpu=device is not None and device.device != "cpu",
            measured=measured,
            device=device.device_name if device is not None else "",
            width=width,
            height=height,
        )
        return min(most, start.most) if start.most is not None else most

    def _batch_of(self, first: Job, most: int, start: Start, slot: Slot) -> list[Job]:
        """The job, and queued jobs with the same batch key and start that may run together with it."""
        key = batch_key(first.runs)
        if most < 2 or key is None:
            return [first]
        others: list[Job] = []
        for looked_at in (most - 1, most * 4):  # mostly the next ones are alike
            others = [
                job
                for job in self.journal.queued_like(first, looked_at)
                if batch_key(job.runs) == key
                and next_start(job.tried, engine_kind(job.runs), slot.attempts_on) == start
            ]
            if len(others) >= most - 1:
                break
        return [first, *others][:most]

    def _begin(self, slot: Slot, job: Job, begun: StartedAttempt | None) -> Task | tuple[EndedJob, Failure] | None:
        """Builds the task of a job and counts the attempt, or says why the job has failed; None: not startable now."""
        source = self.journal.source(job.source_id)
        try:
            built = self.task_builder.build(job, source)
            if isinstance(built, Failure):
                return EndedJob(job=job, source=source), built
            job = self.journal.start(job, begun)
        except PartLost:
            logger.warning("{}: what was kept of its parts has gone: it begins anew", job.id)
            self.journal.begin_anew(job, chain_of(job.request))
            return None
        except OSError as error:  # a faltering mount, too many open files, a full disk: not the image's fault
            self.health.hold_up(IMAGES[JobKind(job.kind)], f"{job.id} is not started", error)
            return None
        if self.holdups.clear(IMAGES[JobKind(job.kind)]):
            logger.info("images can be read again")
        slot.running[job.id] = RunningJob(
            job=job,
            source=built.source,
            waited_s=self.outcomes.since_claim_s(built.source),
            since_s=time.monotonic(),
        )
        logger.info("{} running {} (attempt {})", job.id, job.kind, len(job.tried) + 1)
        return built.task

    def _record_placement(self, slot: Slot, message: Placed) -> None:
        """Journals the rung before the model is loaded: a kill may make this the last message about these jobs."""
        logger.debug("{} on rung {}", ", ".join(message.job_ids), message.tried.rung)
        if self.outcomes.is_stopping:
            return
        try:
            job_ids = [job_id for job_id in message.job_ids if job_id in slot.running]
            self.journal.place(job_ids, started_attempt(message.tried, device_name=slot.device_name))
        except JournalRefused as error:  # the entry matters only where the kernel kills this daemon as well
            logger.warning("where {} stand is not journaled: {}", ", ".join(message.job_ids), error.strerror)

    def _finish(self, slot: Slot, message: Finished) -> None:
        running = slot.running.pop(message.job_id, None)
        if running is None:
            logger.warning("{} finished, but it was given up before", message.job_id)
            return
        self.previews.end(running.job)
        ended = EndedJob(
            job=running.job,
            source=running.source,
            waited_s=running.waited_s,
            attempt_s=time.monotonic() - running.since_s,
            tried=message.tried,
            device_name=slot.device_name,
            step_s=message.step_s,
        )
        model = model_of(running.job, self.settings)
        outcome = self.faults.judged(slot, running.job, model, message)
        if isinstance(outcome, Failure) and outcome.kind is FailureKind.OUT_OF_MEMORY:
            self.choice.note_refusal(slot, running.job, ended.attempt(outcome), time.monotonic())
        if isinstance(outcome, Produced):
            outcome = replace(outcome, node=slot.worker.node)
        self.outcomes.take(ended, outcome)
