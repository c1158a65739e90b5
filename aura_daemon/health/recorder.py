"""Collects what the health document contains. In: events and errors of the daemon. Out: the document, written."""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from loguru import logger

from aura_daemon import __version__, file_names
from aura_daemon.config.settings import Settings
from aura_daemon.errors import JournalRefused
from aura_daemon.formats.file_types import HEALTH_SCHEMA
from aura_daemon.health.document import (
    CurrentJob,
    Health,
    Holdup,
    MemoryRecord,
    WorkerRecord,
    eta_s,
    percentile,
    status_of,
)
from aura_daemon.health.health_writer import HealthWriter
from aura_daemon.health.holdups import JOURNAL, Holdups
from aura_daemon.health.listener import (
    AttemptFailed,
    Event,
    FileHandled,
    HealthWritten,
    JobDelivered,
    JobFailed,
    JobStarted,
    PhaseChanged,
    WorkerEnded,
)
from aura_daemon.health.sandbox_record import sandbox_record
from aura_daemon.health.worker_records import no_worker, worker_name, worker_record
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.jobs.lifecycle import OPEN, JobState
from aura_daemon.jobs.requests import kind_of
from aura_daemon.jobs.results import FailureKind
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.outbox.source_policy import SourcePolicy
from aura_daemon.system.clock import SteadyClock, utc_now
from aura_daemon.system.hardware.host_memory import machine_memory
from aura_daemon.system.permissions import user_id, user_name
from aura_daemon.system.processes import process_memory
from aura_daemon.watch.watcher import Watcher
from aura_daemon.workers.local.worker_sandbox import what_is_open
from aura_daemon.workers.pool import Slot, WorkerPool
from aura_daemon.workers.protocol import Finished, Loading, Placed, Progress, Ready

RECENT_JOBS: Final = 200
"""Number of recent jobs whose total times make the percentiles."""


@dataclass(kw_only=True, slots=True)
class _RunningJob:
    """The progress of a job that a worker runs."""

    id: str
    kind: str
    source: str
    rung: str | None = None
    step: int = 0
    steps: int = 0
    first_step_s: float | None = None


@dataclass(kw_only=True, slots=True, eq=False)
class HealthRecorder:
    """Knows the state of the daemon. Every method that records something marks the document as changed."""

    settings: Settings
    writer: HealthWriter
    policy: SourcePolicy
    journal: Journal
    watcher: Watcher
    pending: PendingFiles
    disposal: SourceDisposal
    holdups: Holdups
    pool: WorkerPool
    clock: SteadyClock
    is_starting: bool = field(init=False, default=True)
    """True until recovery is over."""
    is_paused: bool = field(init=False, default=False)
    """The inbox or the outbox is not mounted or does not exist."""
    is_stopping: bool = field(init=False, default=False)
    is_stopped: bool = field(init=False, default=False)
    _recent_s: deque[float] = field(init=False)
    _running: dict[str, _RunningJob] = field(init=False, default_factory=dict)
    _last_error: str | None = field(init=False, default=None)
    _placeless_since: str = field(init=False, default="")
    """Since when no worker has had a place, UTC, ISO 8601; empty while none is wanted or one has some."""
    _open_to_workers: tuple[str, ...] = field(init=False)
    _changed: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        self._open_to_workers = what_is_open(self.settings)
        recent = self.journal.recent(RECENT_JOBS)
        self._last_error = self._last_failure()
        self._recent_s = deque((job.total_s for job in reversed(recent) if job.total_s is not None), RECENT_JOBS)

    def _last_failure(self) -> str | None:
        """The last failure of earlier runs that nobody ordered."""
        failures = self.journal.recent_failures(RECENT_JOBS, among=RECENT_JOBS)
        return next((str(failed) for failed in failures if failed.kind != FailureKind.CANCELLED), None)

    def change(self) -> None:
        """Marks the document as changed."""
        self._changed = True

    def on_event(self, event: Event) -> None:
        """Records an event: a report of a worker, or the start or end of a job."""
        match event:
            case JobStarted(job=job, source=source):
                name = file_names.escaped(source.path)
                self._running[job.id] = _RunningJob(id=job.id, kind=kind_of(job.request), source=name)
            case Placed():
                for job_id in event.job_ids:
                    if job_id in self._running:
                        self._running[job_id].rung = event.tried.rung
            case Progress():
                self._record_step(event)
            case Finished():
                self._running.pop(event.job_id, None)
            case JobDelivered():
                self._recent_s.append(event.delivered.total_s)
            case JobFailed() | AttemptFailed() | WorkerEnded() | Ready() | Loading():
                pass
            case HealthWritten() | PhaseChanged() | FileHandled():
                return
        self._changed = True

    def error(self, message: str) -> None:
        """Records the message of a failure."""
        self._last_error = message
        self._changed = True

    def hold_up(self, what: str, refused: str, error: OSError) -> None:
        """Holds up an operation that a file system refused: log and document say so; the operation is retried later.

        `refused`: a text that names what does not happen now.
        """
        if isinstance(error, JournalRefused):
            what = JOURNAL
        place = f" ({file_names.escaped(os.fsdecode(error.filename))})" if error.filename else ""
        reason = f"{refused}: {error.strerror or error}{place}"
        mend = "Free room there, or mount it writable; nothing is lost, and it is tried again."
        if error.errno == errno.EDQUOT:
            owner = user_name(user_id())
            mend = f"Free room, or have the quota of {owner} raised; nothing is lost, and it is tried again."
        wait_s = self.holdups.fail(what, reason=reason, mend=mend, now=time.monotonic())
        logger.error("{}; tried again in {:g} s", reason, wait_s)
        self.error(reason)

    def due_in_s(self) -> float:
        """Seconds until the document should be written next."""
        return self.writer.due_in_s(changed=self._changed)

    def write(self) -> Health:
        """Writes the document, and returns it."""
        document = self.document()
        self._changed = False
        self.writer.write(document)
        return document

    def document(self) -> Health:
        """The document for the present state."""
        now, pending, slots = time.monotonic(), self.pending, self.pool.slots
        counts, oldest = self.journal.counts(), self._oldest(now)
        no_place = self._no_worker(counts[JobState.QUEUED])
        holdups = [*self.holdups.records(now), *no_place, *_folder_holdups(pending.held())]
        status = status_of(
            starting=self.is_starting,
            stopping=self.is_stopping,
            stopped=self.is_stopped,
            paused=self.is_paused,
            held_up=bool(holdups),
        )
        workers = [worker_record(worker_name(slots, slot), slot, self._current_job(slot)) for slot in slots]
        slot, first = slots[0], workers[0]
        return Health(
            schema=HEALTH_SCHEMA,
            status=status,
            since=self.writer.since(status),
            heartbeat=utc_now(),
            pid=os.getpid(),
            version=__version__,
            inbox=file_names.escaped(str(self.settings.inbox)),
            outbox=file_names.escaped(str(self.settings.outbox)),
            sources=self.policy,
            jobs={state.value: count for state, count in counts.items()},
            queue_depth=sum(counts[state] for state in OPEN),
            unsettled_files=len(pending),
            oldest_waiting=oldest[0] if oldest else None,
            oldest_waiting_s=round(oldest[1], 1) if oldest else None,
            conflict_copies=pending.conflicts(),
            left_alone=pending.left_alone(),
            current=self._first_current(workers),
            holdups=holdups,
            workers=workers,
            device=first.device,
            device_name=first.device_name,
            dtype=first.dtype,
            rung=first.rung,
            models=list(slot.models),
            model_kinds=list(slot.model_kinds),
            memory=MemoryRecord(
                daemon_bytes=process_memory.resident_bytes(os.getpid()) or 0,
                **dict(first.memory),
                machine_available_bytes=machine_memory().available_bytes,
            ),
            last_error=self._last_error,
            job_p50_s=percentile(self._recent_s, 0.5),
            job_p95_s=percentile(self._recent_s, 0.95),
            archive_bytes=self.disposal.archive_bytes,
            sandbox=sandbox_record(self.settings, self._open_to_workers, slots),
            polls_because=self.watcher.polls_because,
            event_losses=self.watcher.losses,
            versions=dict(slot.ready.versions) if slot.ready else {},
        )

    def _record_step(self, progress: Progress) -> None:
        if (running := self._running.get(progress.job_id)) is not None:
            if running.first_step_s is None:
                running.first_step_s = time.monotonic()
            running.step, running.steps = progress.step, progress.steps

    def _oldest(self, now: float) -> tuple[str, float] | None:
        """Name and waiting time in s of the file that has waited longest: in the queue, else in the inbox."""
        try:
            queued = self.journal.oldest_queued()
        except JournalRefused:  # the document is written even when the journal's disk is full or gone
            return None
        if queued is None:
            return self.pending.oldest(now)
        since_claim_s = max(0.0, self.clock.now() - queued.claimed_at)
        return file_names.escaped(queued.path), since_claim_s + queued.settled_s

    def _no_worker(self, queued: int) -> list[Holdup]:
        """The hold-up of queued jobs for which no worker has a place, if there is one."""
        found = no_worker(self.pool.slots, queued, since=self._placeless_since or utc_now())
        self._placeless_since = found.since if found is not None else ""
        return [found] if found is not None else []

    def _first_current(self, workers: Sequence[WorkerRecord]) -> CurrentJob | None:
        """The job of the worker that has run its jobs for longest."""
        first = next(iter(self._running), None)
        return next((worker.current for worker in workers if first in worker.jobs), None)

    def _current_job(self, slot: Slot) -> CurrentJob | None:
        """The first of the jobs that a worker runs."""
        if (running := next((self._running[one] for one in slot.running if one in self._running), None)) is None:
            return None
        # The duration of the first step is unknown (loading and encoding precede it): the pace counts from its end.
        running_s = time.monotonic() - running.first_step_s if running.first_step_s is not None else 0.0
        loading = slot.loading
        return CurrentJob(
            id=running.id,
            kind=running.kind,
            source=running.source,
            batch=len(slot.running),
            rung=running.rung,
            step=running.step,
            steps=running.steps,
            eta_s=eta_s(step=running.step - 1, steps=running.steps - 1, running_s=running_s),
            loading=loading.model if loading else None,
            loading_done_bytes=loading.done_bytes if loading else 0,
            loading_total_bytes=loading.total_bytes if loading else 0,
        )


def _folder_holdups(reasons: dict[str, int]) -> list[Holdup]:
    """A hold-up per broken folder settings file; `reasons`: reason -> number of files that wait."""
    mend = "Mend that file: the jobs below it are taken as soon as it is well."
    return [
        Holdup(what="folder settings", reason=f"{count} waiting, {reason}", mend=mend, retry_in_s=0.0)
        for reason, count in reasons.items()
    ]
