"""Measures every speed, and the origin's settings beside them. In: settings of a worker. Out: figures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

from aura_daemon.bench.children import commands as children
from aura_daemon.bench.children.commands import PROMPT, CeilingSettings, PlainSettings
from aura_daemon.bench.children.random_names import CAPTIONER, CHECKED_GENERATOR, GENERATOR, TINY_DECODER, cache_folder
from aura_daemon.bench.children.served import EngineAnswer, EngineFailed, EngineProcess
from aura_daemon.bench.figures import ORIGIN, Figures, NotMeasured
from aura_daemon.bench.floor import Counted
from aura_daemon.bench.timed_worker import TimedRun, TimedWorker
from aura_daemon.config.engine import EMBEDDED, NONE, EngineSettings, TurboSettings
from aura_daemon.errors import AuraError
from aura_daemon.jobs.requests import BenchmarkRequest, CaptionRequest, GenerateRequest
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import Failure, Produced
from aura_daemon.jobs.speed import Speed

MINI_PROMPT: Final = "a large red circle on a blue background"
"""For the embedded model, which knows no astronauts."""

WARM_STEPS: Final = 2
MOST_CONVERSIONS: Final = 3
"""A model is converted for one engine after the other."""

ORIGIN_ROUNDS: Final = 3
"""Steps of the origin's settings that are timed, after one to warm up."""

Told: TypeAlias = Callable[[str, int, int], None]
"""Who is told what runs, its step and its steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is measured."""

    speeds: tuple[Speed, ...]
    width: int | None
    """None: the model's own size."""
    height: int | None
    steps: int | None
    """None: those of configuration and model, and of the speed."""
    repeats: int


def write_random_models(settings: EngineSettings, *, checks: bool = True) -> EngineSettings:
    """The same settings with models of real size, which are written where they are not there yet.

    At turbo there is no LoRA: fused, it takes no time. `checks`: with a safety checker, as published.
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(children.random_models(str(folder)), stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise AuraError(f"the models with random weights could not be written to {folder}: {_last_line(done.stderr)}")
    name = CHECKED_GENERATOR if checks else GENERATOR
    turbo = TurboSettings(lora=NONE, decoder=str(folder / TINY_DECODER))
    return replace(
        settings,
        generate=replace(settings.generate, model=str(folder / name), revision=None, turbo=turbo),
        caption=replace(settings.caption, model=str(folder / CAPTIONER), revision=None),
    )


def random_models_are_there(folder: Path) -> bool:
    """Whether all are written."""
    return all((folder / name).is_dir() for name in (CHECKED_GENERATOR, CAPTIONER, TINY_DECODER))


def count(settings: EngineSettings, asked: Asked) -> Counted:
    """The work of the model, and this machine's ceilings; raises AuraError for a model that is not there."""
    model = settings.generate
    wanted = CeilingSettings(
        model=model.model,
        revision=model.revision,
        allow_pickle=model.allow_pickle,
        device=settings.device,
        width=asked.width or 0,
        height=asked.height or 0,
    )
    done = subprocess.run(children.ceilings(wanted), capture_output=True)
    if done.returncode != 0:
        raise AuraError(_last_line(done.stderr))
    return Counted.from_dict(json.loads(done.stdout))


def measure_speed(
    settings: EngineSettings, asked: Asked, speed: Speed, told: Told
) -> tuple[Figures, TimedRun] | NotMeasured:
    """One speed, by a fresh worker: a short picture to load and warm up, then those that count."""
    prompt = MINI_PROMPT if settings.generate.model == EMBEDDED else PROMPT
    request = GenerateRequest(prompt=prompt, seed=1, width=asked.width, height=asked.height, speed=speed)

    def stepped(step: int, steps: int) -> None:
        told(speed, step, steps)

    runs: list[TimedRun] = []
    convert(settings, request, lambda: told("a model is converted, once", 0, 1))
    with TimedWorker(settings) as worker:
        warm = worker.run(replace(request, steps=WARM_STEPS))
        if isinstance(warm, Failure):
            return NotMeasured(name=speed, reason=warm.told)
        for _ in range(asked.repeats):
            run = worker.run(replace(request, steps=asked.steps), stepped)
            if isinstance(run, Failure):
                return NotMeasured(name=speed, reason=run.told)
            runs.append(run)
    return figures_of(speed, runs, load_s=warm.produced.timing.loaded_s + runs[0].produced.timing.loaded_s), runs[0]


def convert(settings: EngineSettings, request: GenerateRequest, told: Callable[[], None]) -> None:
    """Has a worker draw until no conversion follows: what is measured then is what runs from the second day on."""
    for _ in range(MOST_CONVERSIONS):
        with TimedWorker(settings) as worker:
            if isinstance(worker.run(replace(request, steps=1)), Failure) or not worker.wait_for_conversion(told):
                return


def figures_of(name: str, runs: list[TimedRun], *, load_s: float) -> Figures:
    """Medians of several runs of one request."""
    first = runs[0].produced
    resolved = first.resolved
    assert isinstance(resolved, ResolvedGenerate)
    timings = [run.produced.timing for run in runs]
    return Figures(
        name=name,
        how=how(first),
        steps=resolved.steps,
        pictures_s=tuple(run.whole_s for run in runs),
        load_s=load_s,
        encode_s=median(one.encoded_s for one in timings),
        step_s=median(one.denoised_s for one in timings) / resolved.steps,
        decode_s=median(one.decoded_s - one.filed_s for one in timings),
        file_s=median(one.filed_s for one in timings),
        peak_bytes=max(run.produced.peak_bytes for run in runs),
        rung=first.rung,
        dtype=first.dtype,
        variant=first.variant,
        levers=first.levers,
    )


def how(produced: Produced) -> str:
    """What computed a picture, in words."""
    return ", ".join((produced.variant, produced.dtype, *produced.levers))


def measure_origin(settings: EngineSettings, counted: Counted, told: Told) -> Figures | NotMeasured:
    """The origin's settings, composed of its stages: a whole picture takes minutes on a CPU."""
    model = settings.generate
    plain = PlainSettings(
        model=model.model,
        revision=model.revision,
        allow_pickle=model.allow_pickle,
        device=settings.device,
        width=counted.width,
        height=counted.height,
    )
    try:
        with EngineProcess(children.plain(plain)) as engine:
            answers: dict[str, list[EngineAnswer]] = {"encode": [], "step": [], "decode": []}
            engine.ask("step")
            for number in range(ORIGIN_ROUNDS):
                told(ORIGIN, number + 1, ORIGIN_ROUNDS)
                answers["encode"].append(engine.ask("encode"))
                answers["step"].append(engine.ask("step"))
            answers["decode"].append(engine.ask("decode"))
    except EngineFailed as error:
        return NotMeasured(name=ORIGIN, reason=str(error))
    facts = engine.loaded.facts
    seconds = {name: median(one.seconds for one in given) for name, given in answers.items()}
    return Figures(
        name=ORIGIN,
        how=f"plain diffusers, {plain.dtype}, {plain.steps} steps of {facts['scheduler']}",
        steps=facts["calls"],
        load_s=engine.loaded.seconds,
        encode_s=seconds["encode"],
        step_s=seconds["step"],
        decode_s=seconds["decode"],
        peak_bytes=answers["decode"][-1].peak_bytes,
        dtype=plain.dtype,
    )


def measure_captions(settings: EngineSettings, repeats: int) -> Produced | NotMeasured:
    """The captioner, as a job of kind benchmark measures it."""
    with TimedWorker(settings) as worker:
        run = worker.run(BenchmarkRequest(caption=CaptionRequest(), repeats=repeats))
    return NotMeasured(name="caption", reason=run.told) if isinstance(run, Failure) else run.produced


def _last_line(log: bytes) -> str:
    lines = log.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"
