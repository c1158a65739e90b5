"""Gathers what the health document tells, as the daemon learns it, and has the document written when that is due."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

import psutil
from loguru import logger

from aura_daemon import __version__, file_names
from aura_daemon.config.settings import Settings
from aura_daemon.errors import JournalRefused
from aura_daemon.formats.file_types import HEALTH_SCHEMA
from aura_daemon.health.document import CurrentJob, Health, Holdup, MemoryRecord, eta_s, percentile, status_of
from aura_daemon.health.heartbeat import HealthWriter
from aura_daemon.health.holdups import JOURNAL, Holdups
from aura_daemon.health.listener import Event, HealthWritten, JobDelivered, JobFailed, JobStarted
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.jobs.lifecycle import OPEN
from aura_daemon.jobs.requests import kind_of
from aura_daemon.journal.journal import Journal
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.outbox.source_policy import SourcePolicy
from aura_daemon.system.clock import SteadyClock, utc_now
from aura_daemon.watch.watcher import Watcher
from aura_daemon.workers.pool import WorkerPool
from aura_daemon.workers.protocol import Finished, Loading, Placed, Progress, Ready

RECENT_JOBS: Final = 200
"""Jobs whose times make the percentiles."""


@dataclass(kw_only=True, slots=True)
class _RunningJob:
    """How far a job is that a worker has."""

    id: str
    kind: str
    source: str
    rung: str | None = None
    step: int = 0
    steps: int = 0
    first_step_s: float | None = None
    loading: Loading | None = None


class HealthRecorder:
    """What the daemon knows of itself. Everything it records marks the document as changed."""

    def __init__(
        self,
        settings: Settings,
        writer: HealthWriter,
        *,
        policy: SourcePolicy,
        journal: Journal,
        watcher: Watcher,
        pending: PendingFiles,
        disposal: SourceDisposal,
        holdups: Holdups,
        pool: WorkerPool,
        clock: SteadyClock,
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._policy = policy
        self._journal = journal
        self._watcher = watcher
        self._pending = pending
        self._disposal = disposal
        self._holdups = holdups
        self._pool = pool
        self._clock = clock
        recent = [job.total_s for job in reversed(journal.recent(RECENT_JOBS)) if job.total_s is not None]
        self._recent_s: deque[float] = deque(recent, maxlen=RECENT_JOBS)
        self._process = psutil.Process()
        self._running: dict[str, _RunningJob] = {}
        self._last_error: str | None = None
        self._changed = True
        self.is_starting = True
        """Recovery is not over yet."""
        self.is_paused = False
        """The inbox or the outbox is away."""
        self.is_stopping = False
        self.is_stopped = False

    def change(self) -> None:
        """Something that the document tells is different now."""
        self._changed = True

    def hear(self, event: Event) -> None:
        """What workers report, and what becomes of jobs."""
        match event:
            case JobStarted(job=job, source=source):
                name = file_names.escaped(source.path)
                self._running[job.id] = _RunningJob(id=job.id, kind=kind_of(job.request), source=name)
            case Placed():
                for job_id in event.job_ids:
                    if job_id in self._running:
                        self._running[job_id].rung = event.tried.rung
            case Loading():
                for running in self._running.values():
                    running.loading = event
            case Progress():
                self._stepped(event)
            case Finished():
                self._running.pop(event.job_id, None)
            case JobDelivered():
                self._recent_s.append(event.delivered.total_s)
            case JobFailed() | Ready():
                pass
            case HealthWritten():
                return
        self._changed = True

    def error(self, message: str) -> None:
        """Something failed."""
        self._last_error = message
        self._changed = True

    def hold_up(self, what: str, refused: str, error: OSError) -> None:
        """A file system refuses something: nothing is lost, log and document say so, and it is tried again later.

        `refused`: what does not happen now, in words.
        """
        if isinstance(error, JournalRefused):
            what = JOURNAL
        place = f" ({file_names.escaped(os.fsdecode(error.filename))})" if error.filename else ""
        reason = f"{refused}: {error.strerror or error}{place}"
        mend = "Free room there, or mount it writable; nothing is lost, and it is tried again."
        wait_s = self._holdups.fail(what, reason=reason, mend=mend, now=time.monotonic())
        logger.error("{}; tried again in {:g} s", reason, wait_s)
        self.error(reason)

    def due_in_s(self) -> float:
        """Seconds until the document should be written next."""
        return self._writer.due_in_s(changed=self._changed)

    def write(self) -> Health:
        """Writes the document, and returns it."""
        document = self.document()
        self._changed = False
        self._writer.write(document)
        return document

    def document(self) -> Health:
        """The document as it is now."""
        now, pending, slot = time.monotonic(), self._pending, self._pool.slots[0]
        holdups = [*self._holdups.records(now), *_held_by_folders(pending.held())]
        status = status_of(
            starting=self.is_starting,
            stopping=self.is_stopping,
            stopped=self.is_stopped,
            paused=self.is_paused,
            held_up=bool(holdups),
        )
        counts, oldest, where = self._journal.counts(), self._oldest(now), slot.conditions or slot.ready
        return Health(
            schema=HEALTH_SCHEMA,
            status=status,
            since=self._writer.since(status),
            heartbeat=utc_now(),
            pid=os.getpid(),
            version=__version__,
            inbox=file_names.escaped(str(self._settings.inbox)),
            outbox=file_names.escaped(str(self._settings.outbox)),
            sources=self._policy,
            jobs={state.value: count for state, count in counts.items()},
            queue_depth=sum(counts[state] for state in OPEN),
            unsettled_files=len(pending),
            oldest_waiting=oldest[0] if oldest else None,
            oldest_waiting_s=round(oldest[1], 1) if oldest else None,
            conflict_copies=pending.conflicts(),
            left_alone=pending.left_alone(),
            current=self._current_job(),
            holdups=holdups,
            device=where.device if where else None,
            device_name=where.device_name if where else None,
            dtype=where.dtype if where else None,
            rung=where.rung if where else None,
            models=list(slot.models),
            memory=MemoryRecord(
                daemon_bytes=self._process.memory_info().rss,
                worker_bytes=slot.worker.resident_bytes,
                device_used_bytes=slot.memory.device_used_bytes if slot.memory else None,
                device_free_bytes=slot.memory.device_free_bytes if slot.memory else None,
                machine_available_bytes=psutil.virtual_memory().available,
            ),
            last_error=self._last_error,
            job_p50_s=percentile(self._recent_s, 0.5),
            job_p95_s=percentile(self._recent_s, 0.95),
            archive_bytes=self._disposal.archive_bytes,
            polls_because=self._watcher.polls_because,
            event_losses=self._watcher.losses,
            versions=dict(slot.ready.versions) if slot.ready else {},
        )

    def _stepped(self, progress: Progress) -> None:
        running = self._running.get(progress.job_id)
        if running is not None:
            if running.first_step_s is None:
                running.first_step_s = time.monotonic()
            running.step, running.steps, running.loading = progress.step, progress.steps, None

    def _oldest(self, now: float) -> tuple[str, float] | None:
        """Name and seconds of the file that has waited longest: in the queue, else in the inbox."""
        try:
            queued = self._journal.oldest_queued()
        except JournalRefused:  # the document is written whatever becomes of the journal's disk
            return None
        if queued is None:
            return self._pending.oldest(now)
        since_claim_s = max(0.0, self._clock.now() - queued.claimed_at)
        return file_names.escaped(queued.path), since_claim_s + queued.settled_s

    def _current_job(self) -> CurrentJob | None:
        """The first of the jobs that run."""
        running = next(iter(self._running.values()), None)
        if running is None:
            return None
        # The first step's own time is not known (loading and encoding come before it): the pace counts from its end.
        running_s = time.monotonic() - running.first_step_s if running.first_step_s is not None else 0.0
        loading = running.loading
        return CurrentJob(
            id=running.id,
            kind=running.kind,
            source=running.source,
            batch=len(self._running),
            rung=running.rung,
            step=running.step,
            steps=running.steps,
            eta_s=eta_s(step=running.step - 1, steps=running.steps - 1, running_s=running_s),
            loading=loading.model if loading else None,
            loading_done_bytes=loading.done_bytes if loading else 0,
            loading_total_bytes=loading.total_bytes if loading else 0,
        )


def _held_by_folders(reasons: dict[str, int]) -> list[Holdup]:
    """Files that wait for the mend of their folder's settings, as hold-ups; `reasons`: reason -> how many files."""
    mend = "Mend that file: the jobs below it are taken as soon as it is well."
    return [
        Holdup(what="folder settings", reason=f"{count} waiting, {reason}", mend=mend, retry_in_s=0.0)
        for reason, count in reasons.items()
    ]
