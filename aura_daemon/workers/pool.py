"""The workers of one daemon, a slot each. In: batches for idle slots. Out: what the workers report, and their state.

A pool outlives the daemon that hands over after SIGHUP: models stay loaded, and what is known of the workers with them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_daemon.journal.records import Job, Source
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.workers.protocol import Batch, Finished, Memory, Placed, Ready, Up, Worker

MEMORY_SAMPLES: Final = 24
"""Number of jobs after which the worker's memory is kept, to detect a leak: allocators need a dozen to settle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningJob:
    """A job that a worker has."""

    job: Job
    source: Source
    waited_s: float
    """From the claim to the start of the attempt."""
    since_s: float
    """On the monotonic clock."""


class Slot:
    """One worker: the batch that it runs, and what it has told of itself."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.running: dict[str, RunningJob] = {}
        """Id -> job, for every job of the batch that has no outcome yet."""
        self.batch_ids: frozenset[str] = frozenset()
        """Ids of all jobs of the last batch."""
        self.ready: Ready | None = None
        """What the running process found; None while none runs."""
        self.device: Ready | None = None
        """What a process of this worker found last, also when it has ended since."""
        self.conditions: RunConditions | None = None
        """How the running job runs, or the last one ran."""
        self.memory: Memory | None = None
        self.models: tuple[str, ...] = ()
        self.resident_bytes: list[int] = []
        """Of the worker's process after each of its last jobs with the models that are loaded now."""
        self.idle_since_s = time.monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether the worker takes a batch."""
        return not self.running and self.worker.idle

    def submit(self, batch: Batch) -> None:
        """Hands a batch over; its jobs stand in `running`."""
        self.batch_ids = frozenset(self.running)
        self.worker.submit(batch)

    def poll(self) -> list[Up]:
        """What the worker reported since the last call."""
        messages = self.worker.poll()
        for message in messages:
            match message:
                case Ready():
                    self.ready = self.device = message
                case Placed():
                    self.conditions = message.tried
                case Finished():
                    if message.models != self.models:
                        self.resident_bytes = []
                    self.resident_bytes = [*self.resident_bytes, message.memory.resident_bytes][-MEMORY_SAMPLES:]
                    self.memory, self.models, self.idle_since_s = message.memory, message.models, time.monotonic()
                case _:
                    pass
        return messages

    def unload(self) -> None:
        """Ends the idle worker, to give its memory back; the next batch starts it again."""
        self.worker.unload()
        self.ready, self.conditions, self.memory, self.models, self.resident_bytes = None, None, None, (), []


class WorkerPool:
    """All slots, in the order in which they are given work."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.slots = tuple(Slot(worker) for worker in workers)

    @property
    def is_running(self) -> bool:
        """Whether any worker has a job."""
        return any(slot.running for slot in self.slots)

    def slot_of(self, job_id: str) -> Slot | None:
        """The slot that runs a job."""
        return next((slot for slot in self.slots if job_id in slot.running), None)

    def running_ids(self) -> set[str]:
        """Ids of all jobs that workers have."""
        return {job_id for slot in self.slots for job_id in slot.running}

    def waitables(self) -> list[int]:
        """Descriptors that become readable when a worker has something to report."""
        return [descriptor for slot in self.slots for descriptor in slot.worker.waitables()]

    def stop(self, timeout_s: float) -> None:
        """Ends every worker, after `timeout_s` by force."""
        for slot in self.slots:
            slot.worker.stop(timeout_s)
