"""Makes the part of a sidecar that is about a benchmark. In: the run, earlier runs. Out: the records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aura_daemon.formats.benchmarks import schema
from aura_daemon.formats.benchmarks.comparison import STAGES, changed, comparable, figure_changes, previous
from aura_daemon.formats.sidecars.requests import BenchmarkRecord, HiresRecord, LoraRecord, SamplingRecord
from aura_daemon.jobs.benchmarks import BenchmarkRun, SizeFigures
from aura_daemon.jobs.resolved import ResolvedBenchmark, ResolvedCaption

_DIGITS: Final = 6
"""Behind the decimal point: microseconds."""


def benchmark_request(resolved: ResolvedBenchmark) -> BenchmarkRecord:
    """The keys of a job file that measures the same again."""
    settings = resolved.settings
    if isinstance(settings, ResolvedCaption):
        sampling = settings.sampling
        return BenchmarkRecord(
            of="caption",
            repeats=resolved.repeats,
            prompt=settings.prompt,
            max_new_tokens=settings.max_new_tokens,
            beams=settings.beams if sampling is None else None,
            sampling=SamplingRecord.model_validate(sampling) if sampling is not None else None,
            candidates=settings.candidates if settings.candidates > 1 else None,
        )
    return BenchmarkRecord(
        of="generate",
        repeats=resolved.repeats,
        batch=resolved.batch,
        sizes=[f"{width}x{height}" for width, height in resolved.sizes],
        prompt=settings.prompt,
        negative_prompt=settings.negative_prompt,
        steps=settings.steps,
        guidance_scale=settings.guidance_scale,
        scheduler=settings.scheduler,
        speed=settings.speed,
        seed=settings.seed,
        model=settings.model,
        loras=[LoraRecord.model_validate(lora) for lora in settings.loras] or None,
        hires=HiresRecord.model_validate(settings.hires) if settings.hires is not None else None,
        clip_skip=settings.clip_skip,
        format=settings.format,
        quality=settings.quality,
        metadata=settings.metadata,
    )


def benchmark_result(run: BenchmarkRun, earlier: Sequence[BenchmarkRun]) -> schema.BenchmarkResultRecord:
    """The figures, what changed since the run before, and earlier runs that can be compared."""
    last = previous(run, earlier)
    return schema.BenchmarkResultRecord(
        device_name=run.device_name,
        load_average=run.load_average,
        cores=run.cores,
        sizes=[_size(one) for one in run.sizes],
        not_run=[schema.NotRunRecord(width=one.width, height=one.height, reason=one.reason) for one in run.not_run],
        notes=list(run.notes),
        since_last=_since(last, run) if last is not None else None,
        earlier=[_earlier(one) for one in comparable(run, earlier)],
    )


def _size(one: SizeFigures) -> schema.SizeRecord:
    return schema.SizeRecord(
        width=one.width,
        height=one.height,
        rung=one.rung,
        together=one.together,
        per_minute=round(one.per_minute, 3),
        run_s=round(one.median_s("whole_s"), _DIGITS),
        spread=round(one.spread, 4),
        runs_s=[round(run.whole_s, _DIGITS) for run in one.runs],
        load_s=round(one.load_s, _DIGITS),
        first_s=round(one.first_s, _DIGITS),
        step_s=round(one.median_s("step_s"), _DIGITS),
        stages_s={name: round(one.median_s(field), _DIGITS) for field, name in STAGES.items()},
        peak_bytes=one.peak_bytes,
    )


def _since(last: BenchmarkRun, run: BenchmarkRun) -> schema.SinceLastRecord:
    return schema.SinceLastRecord(
        job_id=last.id,
        finished=last.finished,
        changed=[schema.ChangedRecord(what=one.what, before=one.before, after=one.after) for one in changed(last, run)],
        figures=[
            schema.FigureChangeRecord(
                size=one.size,
                figure=one.figure,
                before=round(one.before, _DIGITS),
                after=round(one.after, _DIGITS),
                ratio=round(one.ratio, 4),
                in_words=one.in_words,
            )
            for one in figure_changes(last, run)
        ],
    )


def _earlier(run: BenchmarkRun) -> schema.EarlierRecord:
    return schema.EarlierRecord(
        job_id=run.id,
        finished=run.finished,
        per_minute={one.name: round(one.per_minute, 3) for one in run.sizes},
        versions=dict(run.versions),
    )
