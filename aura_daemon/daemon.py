"""The flow: recover, watch, claim, dispatch, deliver, beat, stop. In: settings and a worker. Out: what came of it all.

One thread and one loop. Nothing in it blocks for longer than a file takes to read or write; the models run elsewhere.
"""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from loguru import logger

from aura_daemon.arrivals import Arrivals
from aura_daemon.core import names
from aura_daemon.core.job import Failure, FailureKind, JobKind, Produced
from aura_daemon.core.lifecycle import JobState, SourceState
from aura_daemon.core.recovery import GiveUp, Retry, WaitForModel, decide
from aura_daemon.delivery import Clocked, Delivered, Outbox
from aura_daemon.disposal import Disposal
from aura_daemon.health import Heartbeat
from aura_daemon.holdups import Holdups
from aura_daemon.intake import Intake
from aura_daemon.journal import JobRow, Journal, SourceRow
from aura_daemon.pulse import Known, Pulse
from aura_daemon.watching import Watch
from aura_daemon.workers.protocol import Batch, Finished, Loading, Progress, Ready, Task, Worker

OUTBOX: Final = "outbox"
"""Name of the hold-up of a file system that refuses results: nothing is run meanwhile."""

SOURCES: Final = "sources"
"""Name of the hold-up of sources that cannot be read into the state folder or put where they belong."""

_MODEL_IS_THERE: Final = frozenset({FailureKind.BAD_INPUT, FailureKind.OUT_OF_MEMORY, FailureKind.UNEXPECTED})
"""Failures that say nothing against the model: what was held up for want of it goes on."""

TICK_S: Final = 1.0
"""The loop turns at least this often while a job runs, so that deadlines are seen."""


class Listener(Protocol):
    """Who wants to know as it happens: the terminal's progress bars."""

    def started(self, job: JobRow, source: SourceRow) -> None: ...
    def loading(self, message: Loading) -> None: ...
    def progress(self, message: Progress) -> None: ...
    def delivered(self, delivered: Delivered, produced: Produced) -> None: ...
    def failed(self, job_id: str, source: SourceRow, failure: Failure) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the flow needs to know of the configuration."""

    attempts: int
    stop_timeout_s: float
    unload_after_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rooms:
    """The parts the flow runs through; `cli.compose` builds them."""

    journal: Journal
    watch: Watch
    intake: Intake
    arrivals: Arrivals
    outbox: Outbox
    disposal: Disposal
    heartbeat: Heartbeat
    holdups: Holdups
    pulse: Pulse
    worker: Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a run came to."""

    done: int
    failed: int
    waiting: int
    """Jobs left in the queue, whose model is not to be had."""
    stuck: bool
    """Something that is no model keeps files from being taken in, run or put where they belong."""


@dataclass(kw_only=True, slots=True)
class _Running:
    job: JobRow
    source: SourceRow
    started_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Undelivered:
    job: JobRow
    source: SourceRow
    produced: Produced
    clocked: Clocked


class Daemon:
    """Runs until it is told to stop or, with `drain=True`, until nothing is left that can be done now."""

    def __init__(self, rooms: Rooms, rules: Rules, listener: Listener, *, drain: bool) -> None:
        self._journal = rooms.journal
        self._watch = rooms.watch
        self._intake = rooms.intake
        self._arrivals = rooms.arrivals
        self._outbox = rooms.outbox
        self._disposal = rooms.disposal
        self._heartbeat = rooms.heartbeat
        self._holdups = rooms.holdups
        self._pulse = rooms.pulse
        self._worker = rooms.worker
        self._rules = rules
        self._listener = listener
        self._drain = drain
        self._stopping = False
        self._running: _Running | None = None
        self._undelivered: _Undelivered | None = None
        self._ended: dict[str, SourceRow] = {}
        self._unadmitted: dict[str, SourceRow] = {}
        self._idle_since_s = time.monotonic()
        self._looked = False
        self._turn_at_once = False
        self._paused = False
        self._done = 0
        self._failed = 0

    def stop(self) -> None:
        """Asks the loop to end; safe in a signal handler."""
        self._stopping = True
        self._watch.wake()

    def run(self) -> Summary:
        """The whole life of the daemon."""
        self._recover()
        self._watch.start()
        try:
            while not self._stopping:
                self._look_after_folders()
                if not self._paused:
                    self._claim()
                    self._dispose()
                    self._dispatch()
                    self._redeliver()
                self._collect()
                self._unload()
                self._beat()
                if self._drain and self._is_drained():
                    break
                self._wait()
        finally:
            self._shut_down()
        stuck = self._arrivals.refused or any(self._holdups.has_failed(what) for what in (OUTBOX, SOURCES))
        return Summary(
            done=self._done,
            failed=self._failed,
            waiting=self._journal.counts()[JobState.QUEUED],
            stuck=bool(stuck) or self._paused,
        )

    # -- the flow, in its order ------------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Takes up whatever a crash or a stop left: nothing lost, nothing doubled."""
        self._beat_now()
        self._outbox.clear_temp()
        for job in self._journal.interrupted():
            total_s = self._outbox.published(job)
            if total_s is None:
                self._journal.give_back(job, count_attempt=False)
                logger.info("{} was interrupted, queued again", job.id)
            else:
                self._journal.finish(job, now=time.time(), total_s=total_s)
                logger.info("{} was interrupted, but delivered before", job.id)
        self._intake.adopt()
        for source in self._journal.unfinished_sources():
            self._admit(source)
        self._pulse.started()
        self._heartbeat.change()

    def _look_after_folders(self) -> None:
        """Pauses while inbox or outbox is away: what is not there must not be taken for empty, or made anew."""
        away = [folder for folder in (self._intake.inbox, self._outbox.root) if not folder.is_dir()]
        if away and not self._paused:
            logger.error("paused: {} is away", " and ".join(str(folder) for folder in away))
            self._pulse.error(f"{away[0]} is away")
        elif self._paused and not away:
            logger.info("inbox and outbox are back")
            self._watch.restart()
        if self._paused != bool(away):
            self._paused = bool(away)
            self._heartbeat.change()

    def _claim(self) -> None:
        """Looks, waits for files to settle, claims them and journals what they ask for."""
        now = time.monotonic()
        self._arrivals.take(self._watch.look(now, self._arrivals.pending), now)
        self._looked = True
        for arrival in self._arrivals.ready(now):
            try:
                source = self._intake.claim(arrival.path, arrival.kind, settled_s=arrival.settled_s)
            except OSError as error:
                self._arrivals.postpone(arrival.path, now, f"it cannot be claimed: {error.strerror}")
                continue
            self._arrivals.forget(arrival.path)
            if source is not None:
                self._admit(source)
            self._heartbeat.change()

    def _admit(self, source: SourceRow) -> None:
        """Journals the jobs of a claimed source; one without jobs has ended already."""
        if source.state is SourceState.CLAIMED:
            try:
                self._intake.admit(source)
            except OSError as error:
                self._unadmitted[source.id] = source
                self._hold(SOURCES, f"{names.escaped(source.path)} cannot be taken in", error)
                return
            source = self._journal.source(source.id)
        self._ended[source.id] = source
        if source.failure is not None:
            self._failed += 1
            self._pulse.error(f"{names.escaped(source.path)}: {source.failure.message}")
            self._listener.failed(source.id, source, source.failure)

    def _dispose(self) -> None:
        """Puts sources whose jobs have all ended where they belong; one that cannot be put there keeps no other."""
        if self._holdups.is_held(SOURCES, time.monotonic()):
            return
        refusal: tuple[SourceRow, OSError] | None = None
        unadmitted, self._unadmitted = self._unadmitted, {}
        for source in unadmitted.values():
            self._admit(source)
        for source in tuple(self._ended.values()):
            try:
                self._disposal.dispose(source)
            except OSError as error:
                refusal = source, error
                continue
            del self._ended[source.id]
        if refusal is not None:
            self._hold(SOURCES, f"{names.escaped(refusal[0].path)} cannot be put where it belongs", refusal[1])
        elif not self._unadmitted and self._holdups.clear(SOURCES):
            logger.info("sources go where they belong again")
            self._heartbeat.change()

    def _dispatch(self) -> None:
        """Hands the oldest job whose model is to be had to an idle worker."""
        now = time.monotonic()
        if not self._worker.idle or self._running or self._undelivered or self._holdups.is_held(OUTBOX, now):
            return
        job = self._journal.next_job(frozenset(kind for kind in JobKind if not self._holdups.is_held(kind, now)))
        if job is None:
            return
        source = self._journal.source(job.source_id)
        try:
            image = self._intake.image_of(job, source)
        except OSError as error:
            failure = Failure(
                kind=FailureKind.BAD_INPUT,
                message=f"the claimed image cannot be read any more: {error.strerror}",
                mend="Put the image into the inbox again.",
            )
            self._fail(job, source, failure)
            return
        obstacle = self._outbox.obstacle(job)
        if obstacle is not None:
            failure = Failure(
                kind=FailureKind.BAD_INPUT,
                message=f"its folder cannot be made in the outbox: a file is called {names.escaped(str(obstacle))}",
                mend="Rename that file or the folder, then move the job back into the inbox.",
            )
            self._fail(job, source, failure)
            return
        source = self._intake.recorded(source, job, image)
        job = self._journal.start(job)
        self._running = _Running(job=job, source=source, started_at=time.time())
        logger.info("{} running {} (attempt {})", job.id, job.kind, job.attempts)
        name = names.escaped(source.path)
        self._pulse.running(job, name)
        self._listener.started(job, source)
        content = image.content if image is not None else None
        self._worker.submit(Batch(tasks=(Task(job_id=job.id, request=job.request, image=content, image_name=name),)))
        self._heartbeat.change()

    def _collect(self) -> None:
        """Hears the worker out and turns outcomes into deliveries and decisions."""
        for message in self._worker.poll():
            match message:
                case Ready():
                    self._pulse.ready(message)
                case Loading():
                    self._pulse.loading(message)
                    self._listener.loading(message)
                case Progress():
                    self._pulse.progress(message)
                    self._listener.progress(message)
                case Finished():
                    self._finished(message)
                case _:  # pragma: no cover
                    assert_never(message)
            self._heartbeat.change()

    def _finished(self, message: Finished) -> None:
        self._turn_at_once = True
        running, self._running = self._running, None
        self._idle_since_s = time.monotonic()
        self._pulse.finished(message)
        if running is None or running.job.id != message.job_id:
            logger.warning("{} finished, but it was given up before", message.job_id)
            return
        job, source, outcome = running.job, running.source, message.outcome
        if isinstance(outcome, Produced):
            if self._holdups.clear(job.kind):
                logger.info("{} works again", job.kind)
            clocked = Clocked(
                waited_s=max(0.0, running.started_at - source.claimed_at),
                since_claim_s=max(0.0, time.time() - source.claimed_at),
            )
            self._deliver(_Undelivered(job=job, source=source, produced=outcome, clocked=clocked))
            return
        self._pulse.error(f"{job.id}: {outcome.message}")
        if outcome.kind in _MODEL_IS_THERE and self._holdups.clear(job.kind):
            logger.info("{} works again", job.kind)
        match decide(outcome, attempts=job.attempts, attempts_allowed=self._rules.attempts):
            case Retry():
                self._journal.give_back(job, count_attempt=True)
                logger.warning("{} {}: {}; tried again", job.id, outcome.kind, outcome.message)
            case WaitForModel():
                self._journal.give_back(job, count_attempt=False)
                now = time.monotonic()
                wait_s = self._holdups.fail(job.kind, reason=outcome.message, mend=outcome.mend, now=now)
                logger.warning("{} waits {:g} s: {} {}", job.id, wait_s, outcome.message, outcome.mend)
            case GiveUp(failure=failure):
                self._fail(job, source, failure)

    def _deliver(self, result: _Undelivered) -> None:
        """Publishes a result; one that the file system refuses is kept and tried again."""
        try:
            delivered = self._outbox.deliver(result.job, result.source, result.produced, result.clocked)
        except OSError as error:
            self._undelivered = _Undelivered(
                job=self._journal.job(result.job.id),
                source=result.source,
                produced=result.produced,
                clocked=result.clocked,
            )
            self._hold(OUTBOX, "the outbox refuses files", error)
            return
        self._undelivered = None
        self._turn_at_once = True
        if self._holdups.clear(OUTBOX):
            logger.info("the outbox takes files again")
        self._journal.finish(delivered.job, now=time.time(), total_s=delivered.total_s)
        self._done += 1
        self._pulse.done(delivered.total_s)
        self._ended[result.source.id] = result.source
        for warning in result.produced.warnings:
            logger.warning("{} {}", result.job.id, warning)
        logger.info("{} done in {:.1f} s: {}", result.job.id, delivered.total_s, names.escaped(str(delivered.payload)))
        self._listener.delivered(delivered, result.produced)

    def _redeliver(self) -> None:
        if self._undelivered is not None and not self._holdups.is_held(OUTBOX, time.monotonic()):
            self._deliver(self._undelivered)

    def _unload(self) -> None:
        """Gives the models' memory back when nothing has come for a while."""
        after_s = self._rules.unload_after_s
        if after_s is None or self._running or self._worker.pid is None or not self._worker.idle:
            return
        if time.monotonic() - self._idle_since_s >= after_s:
            logger.info("nothing to do for {:g} s: the models are unloaded", after_s)
            self._worker.unload()
            self._pulse.unloaded()
            self._heartbeat.change()

    def _beat(self) -> None:
        """Writes the health document where it is due."""
        if self._heartbeat.due_in_s() <= 0:
            self._beat_now()

    def _wait(self) -> None:
        """Sleeps until an event, a message or the next thing that is due."""
        if self._turn_at_once:  # a job has ended: its source goes where it belongs, and the next job runs
            self._turn_at_once = False
            return
        now = time.monotonic()
        due = [self._watch.scan_due_s(), self._arrivals.next_s(), self._holdups.next_s(now)]
        descriptors = [self._watch.wake_descriptor, *self._worker.waitables()]
        if self._paused:  # events are not looked at now: only the return of the folders counts
            due, descriptors = [], self._worker.waitables()
        if self._running or self._paused:
            due.append(now + TICK_S)
        wait_s = min([self._heartbeat.due_in_s(), *(moment - now for moment in due if moment is not None)])
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, wait_s) * 1000)

    def _shut_down(self) -> None:
        """No new work; the running job ends within `stop_timeout` or is given back."""
        self._stopping = True
        self._heartbeat.change()
        deadline_s = time.monotonic() + self._rules.stop_timeout_s
        while self._running is not None and time.monotonic() < deadline_s:
            self._beat()
            self._collect()
            if self._running is not None:
                time.sleep(0.05)
        if self._running is not None:
            self._journal.give_back(self._running.job, count_attempt=False)
            logger.info(
                "{} is given back: it did not end within {:g} s",
                self._running.job.id,
                self._rules.stop_timeout_s,
            )
        if self._undelivered is not None:
            self._journal.give_back(self._undelivered.job, count_attempt=False)
        self._dispose()
        self._worker.stop(timeout_s=1.0)
        self._watch.stop()
        self._heartbeat.change()
        self._beat_now()

    # -- below -----------------------------------------------------------------------------------------------------

    def _beat_now(self) -> None:
        now = time.monotonic()
        known = Known(
            counts=self._journal.counts(),
            unsettled=len(self._arrivals.pending),
            oldest=self._oldest(now),
            left_alone=self._arrivals.left_alone(),
            holdups=self._holdups.records(now),
            archive_bytes=self._disposal.archive_bytes,
            overflows=self._watch.overflows,
            worker_pid=self._worker.pid,
            stopping=self._stopping,
            paused=self._paused,
        )
        self._heartbeat.beat(self._pulse.document(known, since=self._heartbeat.since))

    def _oldest(self, now: float) -> tuple[str, float] | None:
        """The file that has waited longest: in the queue, else in the inbox."""
        queued = self._journal.oldest_queued()
        if queued is None:
            return self._arrivals.oldest(now)
        return names.escaped(queued.path), max(0.0, time.time() - queued.claimed_at) + queued.settled_s

    def _is_drained(self) -> bool:
        """Whether nothing is left that could be done without waiting for a mend."""
        if self._paused:
            return True
        if self._running or len(self._arrivals.pending) > self._arrivals.refused or not self._looked:
            return False
        if self._holdups.has_failed(OUTBOX):
            return True
        now = time.monotonic()
        ready = frozenset(kind for kind in JobKind if not self._holdups.is_held(kind, now))
        put_away = not self._ended or self._holdups.has_failed(SOURCES)
        return put_away and not self._undelivered and self._journal.next_job(ready) is None

    def _hold(self, what: str, refused: str, error: OSError) -> None:
        place = f" ({names.escaped(os.fsdecode(error.filename))})" if error.filename else ""
        reason = f"{refused}: {error.strerror or error}{place}"
        mend = "Free room there, or mount it writable; nothing is lost, and it is tried again."
        wait_s = self._holdups.fail(what, reason=reason, mend=mend, now=time.monotonic())
        logger.error("{}; tried again in {:g} s", reason, wait_s)
        self._pulse.error(reason)
        self._heartbeat.change()

    def _fail(self, job: JobRow, source: SourceRow, failure: Failure) -> None:
        self._turn_at_once = True
        self._outbox.retract(job)
        self._journal.fail(job, failure, now=time.time())
        self._failed += 1
        self._ended[source.id] = source
        self._pulse.error(f"{job.id}: {failure.message}")
        logger.error("{} failed: {} {}", job.id, failure.message, failure.mend)
        self._listener.failed(job.id, source, failure)
        self._heartbeat.change()
