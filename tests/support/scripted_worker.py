"""A worker in memory: a function gives its outcomes.

The worker keeps the contract of `workers.protocol.Worker` (see `tests.support.worker_contract`), with a real pipe to
wait on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from aura_daemon.jobs.requests import GenerateRequest, kind_of
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import Backend, at_or_below, ladder
from aura_daemon.workers.protocol import NO_DEVICE, Batch, Finished, Loading, Memory, Placed, Progress, Ready, Up

SCRIPT_MEMORY = Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3)
SCRIPT_READY = Ready(device="cpu", device_name="scripted", dtype="float32", rung="cpu", versions=())

Play = Callable[[Task], "Outcome | None"]
"""Task -> its outcome, or None for a job that never ends by itself."""


class ScriptedWorker:
    """Runs a batch as soon as it is submitted; `finish` ends jobs whose outcome the script left open."""

    def __init__(
        self, play: Play, *, steps: int = 2, device: str = "cpu", device_name: str = "scripted", alone: bool = True
    ) -> None:
        """`device` decides the ladder; `device_name`: the model of card or processor.

        `alone`: no other model is loaded beside the model of a job.
        """
        self._play = play
        self._steps = steps
        self._device, self._device_name = device, device_name
        self._alone = alone
        self._lacks = ""
        """Why the running worker has no device."""
        self._readable, self._writable = os.pipe()
        self._up: list[Up] = []
        self._open: dict[str, Task] = {}
        self._unreported = 0
        self._loaded = False
        self._resident_bytes = 0
        self._model = "scripted"
        """The loaded model: there is memory for one."""
        self.batches: list[Batch] = []
        """Every batch that was submitted."""
        self.grows_bytes = 0
        """Memory that every job leaves behind."""
        self.tries: Callable[[RunConditions], RunConditions] = lambda tried: tried
        """Changes the conditions that the worker reports for a batch."""
        self.step_s = 0.5
        """How long a step took."""
        self.starts = 0
        """How often the worker was started."""
        self.takes_batches = True
        self.node = ""
        self.trouble = ""
        self.lost_device = ""
        """Why no device is found at the next start; empty: one is."""
        self.starts_ahead = False
        """Whether `prestart` starts it."""

    @property
    def idle(self) -> bool:
        return self._unreported == 0

    @property
    def is_running(self) -> bool:
        return self._loaded

    @property
    def pid(self) -> int | None:
        return os.getpid() if self._loaded else None

    @property
    def resident_bytes(self) -> int | None:
        return self._resident_bytes if self._loaded else None

    def submit(self, batch: Batch) -> None:
        if not self.idle:
            raise RuntimeError("a batch is submitted only when the worker is idle")
        self.batches.append(batch)
        has_started = self._start()
        if self._lacks:
            self._unreported = len(batch.tasks)
            lost = Failure(kind=FailureKind.MODEL_UNAVAILABLE, message=self._lacks)
            self._up += [
                Finished(job_id=task.job_id, outcome=lost, memory=SCRIPT_MEMORY, models=()) for task in batch.tasks
            ]
            os.write(self._writable, b"." * len(batch.tasks))
            return
        if has_started:
            self._say(Loading(model="scripted"))
        self._say(Placed(job_ids=tuple(task.job_id for task in batch.tasks), tried=self._tried_of(batch)))
        self._unreported = len(batch.tasks)
        for task in batch.tasks:
            self._model = getattr(task.request, "model", None) or "scripted"
            for step in range(1, self._steps + 1):
                shows = isinstance(task.request, GenerateRequest) and task.request.preview
                preview = b"a preview" if shows else b""
                self._say(Progress(job_id=task.job_id, step=step, steps=self._steps, preview=preview))
            outcome = self._play(task)
            if outcome is None:
                self._open[task.job_id] = task
            else:
                self._finish(task.job_id, outcome)

    def prestart(self) -> None:
        if self.starts_ahead:
            self._start()

    def _start(self) -> bool:
        """Starts it; False where it runs."""
        if self._loaded:
            return False
        self._loaded = True
        self.starts += 1
        self._resident_bytes = SCRIPT_MEMORY.resident_bytes
        self._lacks = self.lost_device
        found = (NO_DEVICE, self._lacks) if self._lacks else (self._device, self._device_name)
        self._say(replace(SCRIPT_READY, device=found[0], device_name=found[1]))
        return True

    def finish(self, job_id: str, outcome: Outcome, *, lost_node: bool = False) -> None:
        """Ends a job that the script left open."""
        del self._open[job_id]
        self._finish(job_id, outcome, lost_node=lost_node)

    def crash(self, outcome: Outcome, *, lost_node: bool = False) -> None:
        """Ends every open job in the same way and the worker with them."""
        for job_id in list(self._open):
            self.finish(job_id, outcome, lost_node=lost_node)
        self._loaded = False

    def cancel(self, job_id: str) -> None:
        if job_id in self._open:
            self.finish(job_id, CANCELLED)

    def poll(self) -> list[Up]:
        if self._up:
            os.read(self._readable, len(self._up))
        up, self._up = self._up, []
        self._unreported -= sum(isinstance(message, Finished) for message in up)
        return up

    def waitables(self) -> list[int]:
        return [self._readable] if self._loaded or self._up else []

    def unload(self) -> None:
        if not self.idle:
            raise RuntimeError("a worker is unloaded only when it is idle")
        self.stop(0.0)

    def stop(self, timeout_s: float) -> None:
        if self._up:
            os.read(self._readable, len(self._up))
        self._up, self._open, self._unreported, self._loaded = [], {}, 0, False

    def close(self) -> None:
        """Closes the pipe."""
        os.close(self._readable)
        os.close(self._writable)

    def _finish(self, job_id: str, outcome: Outcome, *, lost_node: bool = False) -> None:
        models = (self._model,) if self._loaded else ()
        (batch,) = [batch for batch in self.batches if any(task.job_id == job_id for task in batch.tasks)][-1:]
        tried = replace(self._tried_of(batch), peak_bytes=1000)
        self._resident_bytes += self.grows_bytes
        memory = replace(SCRIPT_MEMORY, resident_bytes=self._resident_bytes)
        self._say(
            Finished(
                job_id=job_id,
                outcome=outcome,
                memory=memory,
                models=models,
                tried=tried,
                step_s=self.step_s,
                lost_node=lost_node,
            )
        )

    def _tried_of(self, batch: Batch) -> RunConditions:
        """The conditions of a batch, on the first rung that it may run on."""
        backend, request = Backend(self._device.partition(":")[0]), batch.tasks[0].request
        tried = RunConditions(
            device=self._device,
            device_name=self._device_name,
            dtype="float32",
            rung=at_or_below(batch.start.rung, ladder(backend, kind_of(request)))[0],
            width=64,
            height=64,
            batch=len(batch.tasks),
            alone=self._alone,
            expected_bytes=500,
            room_bytes=2000,
        )
        return self.tries(tried)

    def _say(self, message: Up) -> None:
        """Queues a message, with one byte in the pipe for it."""
        self._up.append(message)
        os.write(self._writable, b".")
