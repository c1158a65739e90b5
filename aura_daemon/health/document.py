"""The health document: the daemon's state as JSON. In: the recorded values. Out: the document and its status."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from aura_daemon.formats.file_types import HEALTH_SCHEMA
from aura_daemon.formats.json_document import json_document

MEMORY_FOR: Final = "memory for {}"
"""Name of the hold-up of jobs that lack memory, with their demand (`ladder.shortage`)."""

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")


class Status(StrEnum):
    """One word for it all."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    """Something is held up (a model, memory, the outbox); the rest goes on."""
    PAUSED = "paused"
    """The inbox or the outbox is away: nothing is touched until it is back."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """Ended in order; one that was killed leaves whatever it said last, and its heartbeat tells."""


class CurrentJob(BaseModel):
    """The job that runs, of several the first one."""

    model_config = _CONFIG
    id: str
    kind: str
    source: str
    batch: int = Field(1, description="pictures that are drawn at once")
    rung: str | None = Field(None, description="of the ladder; null before it is chosen")
    step: int
    steps: int = Field(description="0 while the model loads")
    eta_s: float | None = Field(description="seconds to go by the pace so far; null before the first step")
    loading: str | None = Field(description="the model being loaded or fetched")
    loading_done_bytes: int = 0
    loading_total_bytes: int = 0

    @property
    def progress(self) -> str:
        """How far the job is, in words."""
        if self.loading:
            total = self.loading_total_bytes
            return f"loading {self.loading}" + (f" {100 * self.loading_done_bytes // total} %" if total else "")
        return f"step {self.step} of {self.steps}" if self.steps else "starting"


class WorkerState(StrEnum):
    """What a worker does."""

    OFF = "off"
    """No process runs: its next job starts one."""
    WAITING = "waiting"
    """It is wanted, and has no place on the cluster yet."""
    IDLE = "idle"
    RUNNING = "running"


class WorkerMemory(BaseModel):
    """Bytes."""

    model_config = _CONFIG
    worker_bytes: int | None = Field(None, description="of its process")
    device_used_bytes: int | None = Field(None, description="by all programs, after its last job")
    device_free_bytes: int | None = None


class WorkerRecord(BaseModel):
    """A worker: where it is and what it does."""

    model_config = _CONFIG
    name: str = Field(description="empty where there is one worker")
    node: str = Field("", description="the machine on which it runs; empty: the daemon's, or none")
    state: WorkerState
    trouble: str = Field("", description="why it has no place; empty where nothing is wrong")
    device: str | None = Field(None, description="that its last job ran on")
    device_name: str | None = None
    dtype: str | None = None
    rung: str | None = Field(None, description="of the ladder, that its last job ran on")
    models: list[str] = Field([], description="the loaded models, and one that is being loaded")
    jobs: list[str] = Field([], description="ids of the jobs that it runs")
    current: CurrentJob | None = Field(None, description="the first of them")
    memory: WorkerMemory = WorkerMemory()


class Holdup(BaseModel):
    """Something that waits for a mend, and when it is tried again."""

    model_config = _CONFIG
    what: str = Field(
        description="generate or caption, with a model where jobs name it; `memory for …`; workers, outbox, sources, …"
    )
    reason: str
    mend: str
    since: str = Field("", description="when it began, UTC, ISO 8601; empty where that is not known")
    retry_in_s: float


class SandboxState(StrEnum):
    """How far workers are shut in."""

    WHOLE = "whole"
    PARTIAL = "partial"
    """The system lacks something."""
    OFF = "off"


class SandboxRecord(BaseModel):
    """What a worker that was taken over could not do, and what it could."""

    model_config = _CONFIG
    mode: str = Field(description="as configured: auto, strict or off")
    state: SandboxState
    lacks: list[str] = Field([], description="what this system does not have for it")
    open: list[str] = Field([], description="what workers may do beside reading their models, and why")


class MemoryRecord(BaseModel):
    """Bytes."""

    model_config = _CONFIG
    daemon_bytes: int
    worker_bytes: int | None
    device_used_bytes: int | None
    device_free_bytes: int | None
    machine_available_bytes: int = Field(description="what the machine can still give to programs")


class Health(BaseModel):
    """How the daemon is. `heartbeat` older than half a minute in the state folder means: it does not run."""

    model_config = _CONFIG
    schema_: Literal["aura-daemon/health/1"] = Field(HEALTH_SCHEMA, alias="schema")
    status: Status
    since: str = Field(description="when the status began, UTC, ISO 8601")
    heartbeat: str = Field(description="when this was written, UTC, ISO 8601")
    pid: int
    version: str
    inbox: str
    outbox: str
    sources: str = Field(description="what becomes of sources: archive, delete or keep")
    jobs: dict[str, int] = Field(
        description="jobs by state, since the journal began; a refused file is one that failed"
    )
    queue_depth: int
    unsettled_files: int = Field(description="files that are still arriving or wait for something")
    oldest_waiting: str | None = Field(description="the file that has waited longest for its turn")
    oldest_waiting_s: float | None = Field(description="for how long, in seconds")
    conflict_copies: list[str] = Field(description="copies made by sync tools in the inbox: decide which one you want")
    left_alone: dict[str, int] = Field(description="files in the inbox that are no jobs, by reason")
    current: CurrentJob | None
    holdups: list[Holdup]
    workers: list[WorkerRecord] = Field([], description="all of them; device to memory are of the first one")
    device: str | None = Field(description="that the last job ran on")
    device_name: str | None
    dtype: str | None
    rung: str | None = Field(description="of the ladder, that the last job ran on")
    models: list[str] = Field(description="the loaded models")
    model_kinds: list[str] = Field(default=[], description="the kind of job that each of them serves")
    memory: MemoryRecord
    last_error: str | None
    job_p50_s: float | None = Field(description="median time from first sight to delivery, last 200 jobs")
    job_p95_s: float | None
    archive_bytes: int
    sandbox: SandboxRecord | None = Field(None, description="how far workers are shut in; null: an earlier release")
    polls_because: str = Field(description="why the inbox is polled; empty where the system tells what happens in it")
    event_losses: int = Field(description="how often file events were lost, so that all was looked at again")
    versions: dict[str, str]

    @property
    def running(self) -> int:
        """How many jobs run."""
        return sum(len(worker.jobs) for worker in self.workers) or (self.current.batch if self.current else 0)

    def worker_of(self, job_id: str) -> WorkerRecord | None:
        """The worker that runs a job, where the document tells."""
        return next((worker for worker in self.workers if job_id in worker.jobs), None)

    def current_of(self, job_id: str) -> CurrentJob | None:
        """The job that tells how far another one is: that itself, or the first one of its batch."""
        if (worker := self.worker_of(job_id)) is not None:
            return worker.current
        current = None if self.workers else self.current  # an earlier version tells of none
        return current if current is not None and (current.id == job_id or current.batch > 1) else None

    def to_json(self) -> bytes:
        """The content of the file, UTF-8."""
        return json_document(self)


def status_of(*, starting: bool, stopping: bool, paused: bool, held_up: bool, stopped: bool = False) -> Status:
    """The status that applies, the most severe first."""
    if stopped:
        return Status.STOPPED
    if stopping:
        return Status.STOPPING
    if paused:
        return Status.PAUSED
    if starting:
        return Status.STARTING
    return Status.DEGRADED if held_up else Status.OK


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile; None without values. `share`: in (0, 1]."""
    if not values:
        return None
    ranked = sorted(values)
    rank = max(1, -(-len(ranked) * share // 1))
    return ranked[int(rank) - 1]


def eta_s(*, step: int, steps: int, running_s: float) -> float | None:
    """Seconds left at the average pace so far; None before the first step. `running_s`: duration of `step` steps."""
    if step < 1 or steps < step:
        return None
    return round(running_s / step * (steps - step), 1)
