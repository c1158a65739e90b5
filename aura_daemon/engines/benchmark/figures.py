"""What the runs of a benchmark have measured, put together. In: the runs of every size. Out: its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aura_daemon.config.engine import EngineSettings
from aura_daemon.jobs.benchmarks import BenchmarkRun, RunSeconds, SizeFigures, SizeNotRun
from aura_daemon.jobs.queueing import engine_kind
from aura_daemon.jobs.requests import BenchmarkRequest, CaptionSampling
from aura_daemon.jobs.resolved import ResolvedBenchmark, ResolvedCaption, ResolvedGenerate
from aura_daemon.jobs.results import EngineTiming, Produced
from aura_daemon.jobs.speed import Speed
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.system.hardware import processor as host_processor


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredSize:
    """One size, measured: all its runs, the first of which warmed up."""

    runs: tuple[RunSeconds, ...]
    load_s: float
    made: tuple[Produced, ...]
    tried: RunConditions


def produced_of(
    done: Sequence[MeasuredSize],
    not_run: tuple[SizeNotRun, ...],
    *,
    request: BenchmarkRequest,
    settings: EngineSettings,
    notes: Sequence[str],
    load_average: float,
) -> Produced:
    """The result: its sidecar tells of all runs together; its pages are made by whoever knows earlier runs."""
    first = done[0].made[0]
    made = [one for measured in done for one in measured.made]
    sizes = tuple(_figures(measured, request.batch) for measured in done)
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
            repeats=request.repeats,
            batch=request.batch,
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
            of=engine_kind(request).value,
            model=first.model,
            model_sha256=first.model_sha256,
            device=first.device,
            device_name=done[0].tried.device_name,
            dtype=first.dtype,
            variant=first.variant,
            processor=processor.capability if processor is not None else "",
            threads=processor.threads if processor is not None else 0,
            settings=_settings_in_words(resolved, request.batch, settings),
            repeats=request.repeats,
            sizes=sizes,
            not_run=not_run,
            load_average=round(load_average, 2),
            cores=host_processor.cores(),
            notes=tuple(notes),
            versions=first.versions,
        ),
    )


def _figures(measured: MeasuredSize, batch: int) -> SizeFigures:
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


def _settings_in_words(
    resolved: ResolvedGenerate | ResolvedCaption, batch: int, settings: EngineSettings
) -> tuple[tuple[str, str], ...]:
    """What the time depends on, but for model, device, size and versions."""
    if isinstance(resolved, ResolvedCaption):
        values: dict[str, object] = {
            "max_new_tokens": resolved.max_new_tokens,
            "prompt": resolved.prompt,
            "beams": resolved.beams if resolved.beams > 1 else "",
            "sampling": _chance(resolved.sampling) if resolved.sampling is not None else "",
            "candidates": resolved.candidates if resolved.candidates > 1 else "",
        }
    else:
        values = {
            "steps": resolved.steps,
            "guidance_scale": f"{resolved.guidance_scale:g}",
            "scheduler": resolved.scheduler,
            "speed": resolved.speed if resolved.speed is not Speed.EXACT else "",
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


def _chance(sampling: CaptionSampling) -> str:
    return f"temperature {sampling.temperature:g}, top_p {sampling.top_p:g}, seed {sampling.seed}"
