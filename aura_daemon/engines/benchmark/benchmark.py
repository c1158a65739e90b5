"""A benchmark: ordinary tasks, run again and again by the session itself, so that they take the way of every job.

In: the task of a benchmark. Out: its figures. Each size begins without any model in memory, runs once to warm up, and
stands on a rung of its own: where memory runs out, this size begins anew a rung lower.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Final, Protocol, TypeAlias

from PIL import Image

from aura_daemon.config.engine import EMBEDDED, EngineSettings
from aura_daemon.engines.benchmark.figures import MeasuredSize, produced_of
from aura_daemon.engines.benchmark.run_of_size import RunOfSize
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.benchmarks import RunSeconds, SizeNotRun
from aura_daemon.jobs.queueing import engine_kind
from aura_daemon.jobs.requests import BenchmarkRequest, CaptionRequest
from aura_daemon.jobs.results import (
    CANCELLED,
    Failure,
    FailureKind,
)
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import Attempt, RunConditions, Start, attempt_of, next_start
from aura_daemon.ladder.prediction import Measured
from aura_daemon.system.hardware import processor as host_processor

PROMPT: Final = "a photo of an astronaut riding a horse on mars"
MINI_PROMPT: Final = "a large red circle on a blue background"
"""For the embedded model, which knows no astronauts."""

CAPTIONED_PX: Final = 512
"""Side of the picture that is captioned, as the worker draws it."""

_Size: TypeAlias = tuple[int, int] | None
"""None: the model's own."""


class Engines(Protocol):
    """What a benchmark takes of the session."""

    def run(
        self, tasks: Sequence[Task], reporter: Reporter, *, start: Start, measured: Sequence[Measured] = ()
    ) -> None:
        """Finishes every task."""

    def forget(self) -> None:
        """Gives up all models."""


class Benchmark:
    """One benchmark."""

    def __init__(
        self,
        task: Task,
        reporter: Reporter,
        engines: Engines,
        settings: EngineSettings,
        *,
        start: Start,
        measured: Sequence[Measured] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`start`, `measured`: for the choice of a rung; `clock`: monotonic seconds."""
        assert isinstance(task.request, BenchmarkRequest)
        self._job_id = task.job_id
        self._request = task.request
        self._reporter = reporter
        self._engines = engines
        self._settings = settings
        self._start = start
        self._measured = measured
        self._clock = clock
        self._kind = engine_kind(task.request)
        self._picture = _drawn() if isinstance(task.request.settings, CaptionRequest) else None
        self._notes: list[str] = []
        self._tried: RunConditions | None = None
        """Of the last run."""
        self._load_average = host_processor.load_average()

    def run(self) -> None:
        """Measures every size and finishes the task."""
        sizes: Sequence[_Size] = self._request.sizes or (None,)
        done: list[MeasuredSize] = []
        not_run: list[SizeNotRun] = []
        if self._start.rung is not None:
            self._notes.append(f"memory ran out in an earlier attempt: every size began on rung {self._start.rung}")
        for number, size in enumerate(sizes):
            ended = self._measure(size, number)
            if isinstance(ended, MeasuredSize):
                done.append(ended)
                continue
            width, height = size or (0, 0)
            not_run.append(SizeNotRun(width=width, height=height, reason=ended.message))
            is_last_hope = number + 1 == len(sizes) and not done
            if ended.kind is not FailureKind.OUT_OF_MEMORY or is_last_hope:
                self._reporter.finish(self._job_id, ended, tried=self._tried)
                return
        produced = produced_of(
            done,
            tuple(not_run),
            request=self._request,
            settings=self._settings,
            notes=self._notes,
            load_average=self._load_average,
        )
        self._reporter.finish(self._job_id, produced)

    def _measure(self, size: _Size, number: int) -> MeasuredSize | Failure:
        """All runs of one size, on the first rung that does not run out of memory meanwhile."""
        start, attempts = self._start, list[Attempt]()
        while True:
            self._engines.forget()
            ended = self._runs(size, number, start)
            if isinstance(ended, MeasuredSize):
                return ended
            if isinstance(ended, Start):  # memory became short meanwhile, and the session went lower by itself
                start = ended
                continue
            if ended.kind is not FailureKind.OUT_OF_MEMORY or self._tried is None:
                return ended
            attempts.append(attempt_of(self._tried, kind=ended.kind, reason=ended.message, seconds=0.0))
            lower = next_start(attempts, self._kind)
            if lower is None:
                return ended
            self._notes.append(f"{_name(size)}: memory ran out on rung {self._tried.rung}")
            start = lower

    def _runs(self, size: _Size, number: int, start: Start) -> MeasuredSize | Failure | Start:
        """The runs of one size; a Failure of one of them; or, where they moved to another rung, where to begin anew."""
        done: list[RunOfSize] = []
        seconds: list[RunSeconds] = []
        load_s = 0.0
        for repeat in range(self._request.repeats + 1):
            if self._reporter.is_cancelled(self._job_id):
                return CANCELLED
            run = self._new_run(number, repeat)
            began_s = self._clock()
            self._engines.run(self._tasks(size), run, start=start, measured=self._measured)
            self._tried = run.tried
            if run.failure is not None:
                return run.failure
            assert run.tried is not None
            start = replace(start, rung=run.tried.rung)
            if done and run.place != done[0].place:
                return start
            loading_s = max(one.timing.loaded_s for one in run.made)
            load_s += loading_s
            seconds.append(run.seconds(run.ended_s - began_s - loading_s))
            done.append(run)
            if isinstance(self._request.settings, CaptionRequest):
                run.progress(1, 1)
        assert self._tried is not None
        made = tuple(one for run in done for one in run.made)
        return MeasuredSize(runs=tuple(seconds), load_s=load_s, made=made, tried=self._tried)

    def _new_run(self, number: int, repeat: int) -> RunOfSize:
        runs = self._request.repeats + 1
        before, in_all = number * runs + repeat, (len(self._request.sizes) or 1) * runs

        def progress(step: int, steps: int) -> None:
            self._reporter.stepped(self._job_id, before * steps + step, in_all * steps)

        return RunOfSize(
            job_id=self._job_id,
            reporter=self._reporter,
            progress=progress,
            clock=self._clock,
            pictures=self._request.batch,
            tried=self._tried,
        )

    def _tasks(self, size: _Size) -> list[Task]:
        """The tasks of one run; the pictures of a batch differ in their noise."""
        settings = self._request.settings
        if isinstance(settings, CaptionRequest):
            name = "the picture of the benchmark"
            return [Task(job_id=self._job_id, request=settings, image=self._picture, image_name=name)]
        width, height = size or (None, None)
        model = settings.model or self._settings.generate.model
        prompt = settings.prompt or (MINI_PROMPT if model == EMBEDDED else PROMPT)
        seed = settings.seed or 0
        return [
            Task(
                job_id=f"{self._job_id}/{number}",
                request=replace(settings, prompt=prompt, seed=seed + number, width=width, height=height),
            )
            for number in range(self._request.batch)
        ]


def _name(size: _Size) -> str:
    return f"{size[0]}x{size[1]}" if size is not None else "the model's own size"


def _drawn() -> bytes:
    """A picture to caption."""
    import torch

    from aura_daemon.mini.drawing import render
    from aura_daemon.mini.grammar import Sentence

    sentence = Sentence(size="large", colour="red", shape="circle", background="blue")
    dice = torch.Generator().manual_seed(0)
    drawn = render([sentence], dice, height_px=CAPTIONED_PX, width_px=CAPTIONED_PX)[0]
    pixels = ((drawn + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()
