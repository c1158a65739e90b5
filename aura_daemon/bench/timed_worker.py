"""The product's own worker, timed from outside: a fresh process for each setting. In: requests. Out: what they took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from aura_daemon.bench.processor_time import cpu_s
from aura_daemon.config.engine import EngineSettings
from aura_daemon.jobs.requests import Request
from aura_daemon.jobs.results import Failure, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import TOP, RunConditions, Start
from aura_daemon.system.wakeup import wait_until_readable
from aura_daemon.workers.converting.conversions import ModelConversions
from aura_daemon.workers.local.process import ProcessWorker
from aura_daemon.workers.protocol import Batch, Finished, Progress, Ready

WISHES_S: Final = 2.0
"""In which a worker says, after its last result, that it wants its model converted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedRun:
    """One request by itself."""

    produced: Produced
    start_s: float
    """Until the worker was ready: its process, its imports; 0 where it ran already."""
    whole_s: float
    """From there to the result, without loading a model."""
    step_s: float
    """One step, without the first."""
    tried: RunConditions | None
    """On which rung, and what was predicted for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedBatch:
    """Tasks that were handed over together."""

    produced: tuple[Produced, ...]
    whole_s: float
    """From the worker's being ready to the last result, without loading a model."""
    cpu_s: float
    """Of the processor, loading included."""


class TimedWorker:
    """A worker that begins with no model loaded, as the daemon's does; ends with the block."""

    def __init__(self, settings: EngineSettings, *, deadline_s: float = 3600.0) -> None:
        self._conversions = ModelConversions(settings)
        self._worker = ProcessWorker(settings, deadline_s=deadline_s, log_level="ERROR", conversions=self._conversions)
        self._number = 0
        self._runs = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.stop(2.0)
        self._conversions.stop()

    @property
    def cpu_s(self) -> float:
        """Of the processor, that the worker has taken; 0 where it does not run."""
        return cpu_s(self._worker.pid) if self._worker.pid is not None else 0.0

    def wait_for_conversion(self, told: Callable[[], None]) -> bool:
        """Waits while the worker has its model converted for another engine; whether it did. `told`: each second."""
        waited = False
        while self._worker.pid is not None and not self._worker.idle:
            wait_until_readable(self._worker.waitables(), 0.5)
            self._worker.poll()
        wait_until_readable(self._worker.waitables(), WISHES_S)  # it asks for a conversion after the last result
        self._worker.poll()
        while self._conversions.go_on():
            waited = True
            told()
            time.sleep(1.0)
        return waited

    def run(
        self, request: Request, stepped: Callable[[int, int], None] = lambda _step, _steps: None
    ) -> TimedRun | Failure:
        """One request; `stepped`: told step and steps."""
        self._number += 1
        return self.run_task(Task(job_id=f"bench-{self._number}", request=request), stepped)

    def run_task(
        self, task: Task, stepped: Callable[[int, int], None] = lambda _step, _steps: None, *, start: Start = TOP
    ) -> TimedRun | Failure:
        """One request with its pictures, from a rung on; its id is the caller's."""
        began_s = ready_s = time.monotonic()
        self._worker.submit(Batch(tasks=(task,), start=start))
        while True:
            wait_until_readable(self._worker.waitables(), 0.5)
            for message in self._worker.poll():
                match message:
                    case Ready():
                        ready_s = time.monotonic()
                    case Progress(step=step, steps=steps):
                        stepped(step, steps)
                    case Finished(outcome=Produced() as produced, step_s=step_s, tried=tried):
                        whole_s = time.monotonic() - ready_s - produced.timing.loaded_s
                        return TimedRun(
                            produced=produced,
                            start_s=ready_s - began_s,
                            whole_s=max(0.0, whole_s),
                            step_s=step_s,
                            tried=tried,
                        )
                    case Finished(outcome=Failure() as failure):
                        return failure
                    case _:
                        pass

    def run_batch(self, tasks: Sequence[Task], together: int) -> TimedBatch | Failure:
        """Tasks that may run together, so many at once; their ids are the caller's."""
        ready_s = time.monotonic()
        before_s = self.cpu_s
        self._worker.submit(Batch(tasks=tuple(tasks), together=together))
        made: list[Produced] = []
        while len(made) < len(tasks):
            wait_until_readable(self._worker.waitables(), 0.5)
            for message in self._worker.poll():
                match message:
                    case Ready():
                        ready_s = time.monotonic()
                    case Finished(outcome=Produced() as produced):
                        made.append(produced)
                    case Finished(outcome=Failure() as failure):
                        return failure
                    case _:
                        pass
        loaded_s = max(one.timing.loaded_s for one in made)
        whole_s = time.monotonic() - ready_s - loaded_s
        return TimedBatch(produced=tuple(made), whole_s=whole_s, cpu_s=self.cpu_s - before_s)
