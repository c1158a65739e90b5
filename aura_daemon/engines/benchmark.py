"""A benchmark: ordinary tasks, run again and again by the session itself, so that they take the way of every job.

In: the task of a benchmark. Out: its figures. Each size begins without any model in memory, runs once to warm up, and
stands on a rung of its own: where memory runs out, this size begins anew a rung lower.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from statistics import fmean
from typing import Final, Protocol, TypeAlias

from PIL import Image

from aura_daemon.config.engine import EMBEDDED, EngineSettings
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.benchmarks import BenchmarkRun, RunSeconds, SizeFigures, SizeNotRun
from aura_daemon.jobs.requests import BenchmarkRequest, CaptionRequest, engine_kind
from aura_daemon.jobs.results import (
    CANCELLED,
    EngineTiming,
    Failure,
    FailureKind,
    Outcome,
    Produced,
    ResolvedBenchmark,
    ResolvedCaption,
    ResolvedGenerate,
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


@dataclass(kw_only=True, slots=True)
class _Run:
    """The reporter of one run: it collects the outcomes, and passes on what is a sign of life."""

    job_id: str
    reporter: Reporter
    progress: Callable[[int, int], None]
    clock: Callable[[], float]
    pictures: int
    tried: RunConditions | None
    """At first those of the run before: what is as before is not said again."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    step_s: list[float] = field(default_factory=list)
    ended_s: float = 0.0
    _steps: dict[str, int] = field(default_factory=dict)

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        self.reporter.loading(model, done_bytes, total_bytes)

    def placed(self, job_ids: Sequence[str], tried: RunConditions) -> None:
        before, self.tried = self.tried, tried
        if before is None or (before.rung, before.extent) != (tried.rung, tried.extent):
            self.reporter.placed([self.job_id], tried)

    def is_cancelled(self, job_id: str) -> bool:
        return self.reporter.is_cancelled(self.job_id)

    def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None:
        self._steps[job_id] = step
        done, rest = divmod(sum(self._steps.values()), self.pictures)
        if not rest:  # else pictures of the same batch have not said this step yet
            self.progress(done, steps)

    def finish(self, job_id: str, outcome: Outcome, *, tried: RunConditions | None = None, step_s: float = 0.0) -> None:
        self.ended_s = self.clock()
        self.tried = tried or self.tried
        self.outcomes[job_id] = outcome
        self.step_s.append(step_s)

    @property
    def made(self) -> list[Produced]:
        return [outcome for outcome in self.outcomes.values() if isinstance(outcome, Produced)]

    @property
    def failure(self) -> Failure | None:
        return next((outcome for outcome in self.outcomes.values() if isinstance(outcome, Failure)), None)

    @property
    def place(self) -> tuple[str, str, int]:
        """Where it ran, and how many pictures at once: all runs of a size have this in common."""
        made = self.made
        return made[0].device, made[0].rung, max(one.batch_size for one in made)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    """One size, measured: all its runs, the first of which warmed up."""

    runs: tuple[RunSeconds, ...]
    load_s: float
    made: tuple[Produced, ...]
    tried: RunConditions


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
        done: list[_Measured] = []
        not_run: list[SizeNotRun] = []
        if self._start.rung is not None:
            self._notes.append(f"memory ran out in an earlier attempt: every size began on rung {self._start.rung}")
        for number, size in enumerate(sizes):
            ended = self._measure(size, number)
            if isinstance(ended, _Measured):
                done.append(ended)
                continue
            width, height = size or (0, 0)
            not_run.append(SizeNotRun(width=width, height=height, reason=ended.message))
            is_last_hope = number + 1 == len(sizes) and not done
            if ended.kind is not FailureKind.OUT_OF_MEMORY or is_last_hope:
                self._reporter.finish(self._job_id, ended, tried=self._tried)
                return
        self._reporter.finish(self._job_id, self._produced(done, tuple(not_run)))

    def _measure(self, size: _Size, number: int) -> _Measured | Failure:
        """All runs of one size, on the first rung that does not run out of memory meanwhile."""
        start, attempts = self._start, list[Attempt]()
        while True:
            self._engines.forget()
            ended = self._runs(size, number, start)
            if isinstance(ended, _Measured):
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

    def _runs(self, size: _Size, number: int, start: Start) -> _Measured | Failure | Start:
        """The runs of one size; a Failure of one of them; or, where they moved to another rung, where to begin anew."""
        done: list[_Run] = []
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
            seconds.append(_seconds(run, run.ended_s - began_s - loading_s))
            done.append(run)
            if isinstance(self._request.settings, CaptionRequest):
                run.progress(1, 1)
        assert self._tried is not None
        made = tuple(one for run in done for one in run.made)
        return _Measured(runs=tuple(seconds), load_s=load_s, made=made, tried=self._tried)

    def _new_run(self, number: int, repeat: int) -> _Run:
        runs = self._request.repeats + 1
        before, in_all = number * runs + repeat, (len(self._request.sizes) or 1) * runs

        def progress(step: int, steps: int) -> None:
            self._reporter.stepped(self._job_id, before * steps + step, in_all * steps)

        return _Run(
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

    def _produced(self, done: Sequence[_Measured], not_run: tuple[SizeNotRun, ...]) -> Produced:
        """The result: its sidecar tells of all runs together; its pages are made by whoever knows earlier runs."""
        first = done[0].made[0]
        made = [one for measured in done for one in measured.made]
        sizes = tuple(_figures(measured, self._request.batch) for measured in done)
        processor = first.processor
        resolved, drawn_sizes = first.resolved, tuple((one.width, one.height) for one in sizes if one.width)
        assert isinstance(resolved, ResolvedGenerate | ResolvedCaption)
        return replace(
            first,
            payloads=(),
            text="",
            thumbnail=b"",
            resolved=ResolvedBenchmark(
                settings=resolved,
                sizes=(*drawn_sizes, *((one.width, one.height) for one in not_run)),
                repeats=self._request.repeats,
                batch=self._request.batch,
            ),
            timing=EngineTiming(
                loaded_s=sum(one.timing.loaded_s for one in made),
                encoded_s=sum(one.timing.encoded_s for one in made),
                denoised_s=sum(one.timing.denoised_s / one.batch_size for one in made),
                decoded_s=sum(one.timing.decoded_s for one in made),
            ),
            peak_bytes=max(one.peak_bytes for one in made),
            warnings=tuple(dict.fromkeys(warning for one in made for warning in one.warnings)),
            benchmark=BenchmarkRun(
                of=self._kind.value,
                model=first.model,
                model_sha256=first.model_sha256,
                device=first.device,
                device_name=done[0].tried.device_name,
                dtype=first.dtype,
                variant=first.variant,
                processor=processor.capability if processor is not None else "",
                threads=processor.threads if processor is not None else 0,
                settings=_settings_in_words(resolved, self._request.batch, self._settings),
                repeats=self._request.repeats,
                sizes=sizes,
                not_run=not_run,
                load_average=round(self._load_average, 2),
                cores=host_processor.cores(),
                notes=tuple(self._notes),
                versions=first.versions,
            ),
        )


def _figures(measured: _Measured, batch: int) -> SizeFigures:
    resolved = measured.made[0].resolved
    width, height = (resolved.width, resolved.height) if isinstance(resolved, ResolvedGenerate) else (0, 0)
    return SizeFigures(
        width=width,
        height=height,
        rung=measured.made[0].rung,
        batch=batch,
        together=max(one.batch_size for one in measured.made),
        load_s=measured.load_s,
        first_s=measured.runs[0].whole_s,
        runs=measured.runs[1:],
        peak_bytes=max(one.peak_bytes for one in measured.made),
    )


def _seconds(run: _Run, whole_s: float) -> RunSeconds:
    """The stages of one run, summed over its pictures; those that are denoised together share their time."""
    timings = [(one.timing, one.batch_size) for one in run.made]
    check_s, file_s = sum(one.checked_s for one, _ in timings), sum(one.filed_s for one, _ in timings)
    return RunSeconds(
        whole_s=max(0.0, whole_s),
        encode_s=sum(one.encoded_s for one, _ in timings),
        steps_s=sum(one.denoised_s / together for one, together in timings),
        decode_s=max(0.0, sum(one.decoded_s for one, _ in timings) - check_s - file_s),
        check_s=check_s,
        file_s=file_s,
        step_s=fmean(run.step_s),
    )


def _settings_in_words(
    resolved: ResolvedGenerate | ResolvedCaption, batch: int, settings: EngineSettings
) -> tuple[tuple[str, str], ...]:
    """What the time depends on, but for model, device, size and versions."""
    if isinstance(resolved, ResolvedCaption):
        values: dict[str, object] = {"max_new_tokens": resolved.max_new_tokens, "prompt": resolved.prompt}
    else:
        values = {
            "steps": resolved.steps,
            "guidance_scale": f"{resolved.guidance_scale:g}",
            "scheduler": resolved.scheduler,
            "batch": batch,
            "prompt": resolved.prompt,
            "negative_prompt": resolved.negative_prompt,
            "loras": ", ".join(lora.name for lora in resolved.loras),
            "hires": f"{resolved.hires.scale:g}, {resolved.hires.strength:g}" if resolved.hires is not None else "",
            "clip_skip": resolved.clip_skip if resolved.clip_skip != 1 else "",
            "format": resolved.format,
            "safety": settings.generate.safety,
        }
    values["attention"] = settings.attention
    return tuple((key, str(value)) for key, value in values.items() if value != "")


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
