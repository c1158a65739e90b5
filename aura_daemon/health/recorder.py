"""Gathers what the health document tells, as the daemon learns it."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import psutil

from aura_daemon import __version__
from aura_daemon.formats.file_types import HEALTH_SCHEMA
from aura_daemon.health.document import CurrentJob, Health, Holdup, MemoryRecord, Status, eta_s, percentile, status_of
from aura_daemon.jobs.lifecycle import OPEN, JobState
from aura_daemon.jobs.requests import kind_of
from aura_daemon.journal.records import Job
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.workers.protocol import Finished, Loading, Memory, Placed, Progress, Ready

RECENT: Final = 200
"""Jobs whose times make the percentiles."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What other rooms know at the moment of a beat."""

    counts: dict[JobState, int]
    unsettled: int
    oldest: tuple[str, float] | None
    """Name and seconds of the file that has waited longest."""
    left_alone: dict[str, int]
    conflicts: list[str]
    holdups: list[Holdup]
    archive_bytes: int
    polls_because: str
    event_losses: int
    worker_pid: int | None
    stopping: bool
    paused: bool
    stopped: bool = False


def held_by_folders(reasons: Mapping[str, int]) -> list[Holdup]:
    """Files that wait for the mend of their folder's settings, as hold-ups: reason -> how many."""
    mend = "Mend that file: the jobs below it are taken as soon as it is well."
    return [
        Holdup(what="folder settings", reason=f"{count} waiting, {reason}", mend=mend, retry_in_s=0.0)
        for reason, count in reasons.items()
    ]


@dataclass(kw_only=True, slots=True)
class _Current:
    id: str
    kind: str
    source: str
    batch: int = 1
    rung: str | None = None
    step: int = 0
    steps: int = 0
    first_step_s: float | None = None
    loading: Loading | None = None


class Pulse:
    """The daemon's knowledge of itself."""

    def __init__(self, *, inbox: str, outbox: str, sources: str, recent_s: list[float]) -> None:
        """`recent_s`: times of the jobs that ended last, from the journal."""
        self._inbox, self._outbox, self._sources = inbox, outbox, sources
        self._recent_s: deque[float] = deque(recent_s, maxlen=RECENT)
        self._process = psutil.Process()
        self._starting = True
        self._current: _Current | None = None
        self._ready: Ready | None = None
        self._device: Ready | None = None
        self._tried: RunConditions | None = None
        """How the last job ran, or the running one runs."""
        self._memory: Memory | None = None
        self._models: tuple[str, ...] = ()
        self._last_error: str | None = None

    def started(self) -> None:
        """Recovery is over."""
        self._starting = False

    def running(self, job: Job, source: str, *, batch: int) -> None:
        """A job was handed to the worker, with so many in its batch."""
        self._current = _Current(id=job.id, kind=kind_of(job.request), source=source, batch=batch)

    def placed(self, message: Placed) -> None:
        """The worker has chosen where the running job computes."""
        self._tried = message.tried
        if self._current is not None and self._current.id in message.job_ids:
            self._current.rung = message.tried.rung

    def inherit(self, before: Pulse) -> None:
        """What the daemon that hands over knew of its worker, which goes on."""
        self._ready, self._models, self._memory = before._ready, before._models, before._memory
        self._tried, self._device = before._tried, before._device

    @property
    def models(self) -> tuple[str, ...]:
        """Names of what the worker has loaded."""
        return self._models

    @property
    def device(self) -> Ready | None:
        """What the worker said of its device when it started last, though it may have ended since."""
        return self._device

    def ready(self, message: Ready) -> None:
        """The worker found its device."""
        self._ready = self._device = message

    def loading(self, message: Loading) -> None:
        """A model is being loaded or fetched."""
        if self._current is not None:
            self._current.loading = message

    def progress(self, message: Progress) -> None:
        """A step is done."""
        if self._current is not None and self._current.id == message.job_id:
            if self._current.first_step_s is None:
                self._current.first_step_s = time.monotonic()
            self._current.step, self._current.steps, self._current.loading = message.step, message.steps, None

    def finished(self, message: Finished) -> None:
        """The worker has said its last word on a job."""
        if self._current is not None and self._current.id == message.job_id:
            self._current = None
        self._memory, self._models = message.memory, message.models

    def unloaded(self) -> None:
        """The worker was ended."""
        self._memory, self._models, self._ready, self._tried = None, (), None, None

    def done(self, total_s: float) -> None:
        """A job was delivered."""
        self._recent_s.append(total_s)

    def error(self, message: str) -> None:
        """Something failed."""
        self._last_error = message

    def document(self, known: Known, *, since: Callable[[Status], str]) -> Health:
        """The page as it is now."""
        status = status_of(
            starting=self._starting,
            stopping=known.stopping,
            stopped=known.stopped,
            paused=known.paused,
            held_up=bool(known.holdups),
        )
        ready, tried = self._ready, self._tried
        return Health(
            schema=HEALTH_SCHEMA,
            status=status,
            since=since(status),
            heartbeat=datetime.now(UTC).isoformat(timespec="seconds"),
            pid=os.getpid(),
            version=__version__,
            inbox=self._inbox,
            outbox=self._outbox,
            sources=self._sources,
            jobs={state.value: count for state, count in known.counts.items()},
            queue_depth=sum(known.counts[state] for state in OPEN),
            unsettled_files=known.unsettled,
            oldest_waiting=known.oldest[0] if known.oldest else None,
            oldest_waiting_s=round(known.oldest[1], 1) if known.oldest else None,
            conflict_copies=known.conflicts,
            left_alone=known.left_alone,
            current=self._current_job(),
            holdups=known.holdups,
            device=tried.device if tried else ready.device if ready else None,
            device_name=tried.device_name if tried else ready.device_name if ready else None,
            dtype=tried.dtype if tried else ready.dtype if ready else None,
            rung=tried.rung if tried else ready.rung if ready else None,
            models=list(self._models),
            memory=self._memory_record(known.worker_pid),
            last_error=self._last_error,
            job_p50_s=percentile(self._recent_s, 0.5),
            job_p95_s=percentile(self._recent_s, 0.95),
            archive_bytes=known.archive_bytes,
            polls_because=known.polls_because,
            event_losses=known.event_losses,
            versions=dict(ready.versions) if ready else {},
        )

    def _current_job(self) -> CurrentJob | None:
        current = self._current
        if current is None:
            return None
        # The first step's own time is not known (loading and encoding come before it): the pace counts from its end.
        running_s = time.monotonic() - current.first_step_s if current.first_step_s is not None else 0.0
        loading = current.loading
        return CurrentJob(
            id=current.id,
            kind=current.kind,
            source=current.source,
            batch=current.batch,
            rung=current.rung,
            step=current.step,
            steps=current.steps,
            eta_s=eta_s(step=current.step - 1, steps=current.steps - 1, running_s=running_s),
            loading=loading.model if loading else None,
            loading_done_bytes=loading.done_bytes if loading else 0,
            loading_total_bytes=loading.total_bytes if loading else 0,
        )

    def _memory_record(self, worker_pid: int | None) -> MemoryRecord:
        worker_bytes = None
        if worker_pid is not None:
            try:
                worker_bytes = psutil.Process(worker_pid).memory_info().rss
            except psutil.Error:
                worker_bytes = None
        return MemoryRecord(
            daemon_bytes=self._process.memory_info().rss,
            worker_bytes=worker_bytes,
            device_used_bytes=self._memory.device_used_bytes if self._memory else None,
            device_free_bytes=self._memory.device_free_bytes if self._memory else None,
            machine_available_bytes=psutil.virtual_memory().available,
        )
