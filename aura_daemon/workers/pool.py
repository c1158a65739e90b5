"""The workers of one daemon, one per slot. In: batches for idle slots. Out: the workers' reports and their state.

After SIGHUP the next daemon continues with the same pool: models stay loaded, and the state of the workers is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aura_daemon.journal.records import Job, Source
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.workers.protocol import (
    NO_DEVICE,
    Batch,
    Finished,
    Loading,
    Memory,
    Placed,
    Progress,
    Ready,
    Up,
    Worker,
)

MEMORY_SAMPLES: Final = 24
"""Number of jobs after which the worker's memory is kept, to detect a leak: allocators need a dozen to settle."""


UNKNOWN: Final = "(not known)"
"""The model of a device that no worker has told yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningJob:
    """A job that a worker runs."""

    job: Job
    source: Source
    waited_s: float
    """Seconds from the claim to the start of the attempt."""
    since_s: float
    """Start of the attempt on the monotonic clock."""


class Slot:
    """One worker, the batch that it runs, and its last reports."""

    def __init__(self, worker: Worker, name: str = "") -> None:
        """`name`: for people, where there are several."""
        self.worker = worker
        self.name = name
        self.is_only = True
        """Whether there is no other."""
        self.running: dict[str, RunningJob] = {}
        """Job id -> job, for the jobs of the batch that have no outcome yet."""
        self._batches: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        """Ids of all jobs of the batch before the last one, and of the last one."""
        self.ready: Ready | None = None
        """The report of the running process on its device; None while none runs."""
        self.device: Ready | None = None
        """The last such report; it stays after the process has ended."""
        self.device_names: frozenset[str] = frozenset()
        """Names of the devices that this one's rungs were seen to compute on: of the card, and of the processor."""
        self.loading_s = 0.0
        """How long it took to load a model, the last time; 0: not known."""
        self.conditions: RunConditions | None = None
        """The conditions of the running job, or of the last one."""
        self.loading: Loading | None = None
        """The model that is loaded for the running job; None before and afterwards."""
        self.new_model = ""
        """The last that was loaded for the running batch; its first outcome tells of all that are loaded then."""
        self.memory: Memory | None = None
        self.models: tuple[str, ...] = ()
        self.model_kinds: tuple[str, ...] = ()
        self.resident_bytes: list[int] = []
        """Memory of the process after each of the last jobs with the present models."""
        self.idle_since_s = time.monotonic()
        self.has_died = False
        """Whether the worker's process ended between the last two calls of `poll`, other than by `unload`."""
        self.has_died_idle = False
        """Whether the last process ended by itself without a batch: it is not started ahead again."""
        self._loading_since_s: float | None = None
        self._free_at_s: float | None = None
        """When the running batch is expected to end; None: not known."""
        self._placeless_since_s: float | None = None
        """Since when a worker that is wanted has no place."""
        self._was_running = False
        self._pid: int | None = None

    @property
    def is_idle(self) -> bool:
        """Whether the worker can take a batch."""
        return not self.running and self.worker.idle

    @property
    def device_name(self) -> str:
        """The model of the worker's device, of its card where it has one; empty before the first one is known."""
        return self.device.device_name if self.device is not None and not self.lacks_device else ""

    @property
    def lacks_device(self) -> bool:
        """Whether the worker found no device, the last time that it started."""
        return self.device is not None and self.device.device == NO_DEVICE

    @property
    def attempts_on(self) -> str:
        """The model of device whose attempts count for what the worker gets.

        Until that is known all count where there is no other worker; else none: it may have more memory than others.
        """
        return self.device_name or ("" if self.is_only else UNKNOWN)

    @property
    def seeks_place(self) -> bool:
        """Whether the worker is wanted, and has no place yet."""
        is_wanted = self.worker.is_running or self._placeless_since_s is not None
        return is_wanted and not self.worker.takes_batches

    @property
    def batch_ids(self) -> frozenset[str]:
        """Ids of all jobs of the last two batches: the results of both may not be delivered yet."""
        return self._batches[0] | self._batches[1]

    def submit(self, batch: Batch, expected_s: float | None = None) -> None:
        """Gives the worker a batch, whose jobs are in `running`; `expected_s`: how long it is expected to take."""
        self._free_at_s = time.monotonic() + expected_s if expected_s is not None else None
        self._batches = self._batches[1], frozenset(self.running)
        self.has_died_idle = False
        self.worker.submit(batch)
        self._note_process()

    def prestart(self) -> None:
        """Starts the idle worker before its first batch, where that can be done."""
        self.worker.prestart()
        if self._placeless_since_s is None and not self.worker.takes_batches:
            self._placeless_since_s = time.monotonic()
        self._note_process()
        self.idle_since_s = time.monotonic()

    def may_run_soon(self, now: float, patience_s: float) -> bool:
        """Whether the worker takes batches, or has been looking for a place for no longer than that."""
        since_s = self._placeless_since_s
        return self.worker.takes_batches or (since_s is not None and now - since_s < patience_s)

    def may_find_place(self, now: float, patience_s: float) -> bool:
        """Whether it may run soon, or has not been asked to look for a place yet."""
        return self._placeless_since_s is None or self.may_run_soon(now, patience_s)

    def rest_s(self, now: float) -> float | None:
        """How long the running batch takes yet; one that is late as long again as it is late. None: not known."""
        return abs(self._free_at_s - now) if self.running and self._free_at_s is not None else None

    def poll(self) -> list[Up]:
        """The worker's reports since the last call."""
        messages, was_running, before = self.worker.poll(), self._was_running, self._pid
        self._note_process()
        self.has_died = was_running and (not self._was_running or self._pid != before)
        self.has_died_idle |= self.has_died and not self.running
        for message in messages:
            match message:
                case Ready():
                    if self.device is None or self.device.device_name != message.device_name:
                        self.device_names = frozenset({message.device_name})
                    self.ready = self.device = message
                case Placed():
                    self.conditions, self.loading = message.tried, None
                    self.device_names |= {message.tried.device_name}
                case Loading():
                    self.loading, self.new_model = message, message.model
                    self._loading_since_s = self._loading_since_s or time.monotonic()
                case Progress():
                    self._note_loaded()
                case Finished():
                    self._note_loaded()
                    self.new_model = ""
                    if message.models != self.models:
                        self.resident_bytes = []
                    self.resident_bytes = [*self.resident_bytes, message.memory.resident_bytes][-MEMORY_SAMPLES:]
                    self.memory, self.models, self.model_kinds = message.memory, message.models, message.model_kinds
                    self.idle_since_s = time.monotonic()
                case _:
                    pass
        return messages

    def unload(self) -> None:
        """Ends the idle worker to release its memory; the next batch restarts it."""
        self.worker.unload()
        self._placeless_since_s = None
        self._note_process()
        self.ready, self.conditions, self.loading, self.memory, self.resident_bytes = None, None, None, None, []
        self.models, self.model_kinds, self.new_model = (), (), ""

    def _note_loaded(self) -> None:
        self.loading = None
        if self._loading_since_s is not None:
            self.loading_s, self._loading_since_s = time.monotonic() - self._loading_since_s, None

    def _note_process(self) -> None:
        if self.worker.takes_batches:
            self._placeless_since_s = None
        self._was_running, self._pid = self.worker.is_running, self.worker.pid


class WorkerPool:
    """All slots, in the order in which they get batches."""

    def __init__(
        self, workers: Sequence[Worker] | Mapping[str, Worker], *, stop_shared: Callable[[float], None] | None = None
    ) -> None:
        """`workers`: by their names, where they have some. `stop_shared`: ends what all of them share."""
        self._stop_shared = stop_shared
        self.slots = (
            tuple(Slot(worker, name) for name, worker in workers.items())
            if isinstance(workers, Mapping)
            else tuple(Slot(worker) for worker in workers)
        )
        for slot in self.slots:
            slot.is_only = len(self.slots) == 1

    @property
    def is_running(self) -> bool:
        """Whether any worker runs a job."""
        return any(slot.running for slot in self.slots)

    def slot_of(self, job_id: str) -> Slot | None:
        """The slot that runs a job."""
        return next((slot for slot in self.slots if job_id in slot.running), None)

    def running_ids(self) -> set[str]:
        """Ids of all running jobs."""
        return {job_id for slot in self.slots for job_id in slot.running}

    def waitables(self) -> list[int]:
        """Descriptors that become readable when a worker has something to report."""
        return list({descriptor for slot in self.slots for descriptor in slot.worker.waitables()})

    def stop(self, timeout_s: float) -> None:
        """Ends every worker; kills those that have not ended after `timeout_s`."""
        for slot in self.slots:
            slot.worker.stop(timeout_s)
        if self._stop_shared is not None:
            self._stop_shared(timeout_s)
