"""What each lever gains and loses on this machine, by itself. In: settings of a worker. Out: ratios, and quality.

A lever is one change against the same base: PyTorch as the model is written, in the number format that the machine
computes in, every step as asked. What the base has already is switched off instead. A gain is a median over pairs of
pictures, base and lever in turn, each in a process of its own; quality is that of aura-mini (`training.quality`),
whatever model is timed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import median
from typing import Any, Final

from aura_daemon.bench.children import commands as children
from aura_daemon.bench.children.commands import PROMPT, SwitchedSettings
from aura_daemon.bench.children.served import EngineFailed, EngineProcess
from aura_daemon.bench.figures import NotMeasured
from aura_daemon.bench.speeds import MINI_PROMPT, Told, convert
from aura_daemon.config.engine import EMBEDDED, Dtype, EngineSettings
from aura_daemon.errors import AuraError
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import OPENVINO, OPENVINO_INT8
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.system.hardware import processor
from aura_daemon.workers.engine_start import ENVIRONMENT

FEWER_STEPS: Final = 10
"""As few as aura-mini draws as well as with 25 (measured)."""

WHOLE_STEPS: Final = 25


class Group(StrEnum):
    """What a lever is about; the captions are for tables."""

    ENGINES = "engines and number formats"
    LESS = "computing less"
    FEW = "few steps"
    BASE = "off, which the base has on"
    SPEEDS = "together"
    CAPTIONS = "captions"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lever:
    """One change against the base."""

    name: str
    group: Group
    asked: Mapping[str, Any] = field(default_factory=dict)
    """Keys of `SwitchedSettings`, which `training.quality` knows too."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of the process; it changes no picture."""
    reason: str = ""
    """Why it is not measured at all."""

    @property
    def for_quality(self) -> dict[str, Any]:
        """As `training.quality` reads it."""
        return {"name": self.name, "engine": EngineChoice.EAGER, **self.asked}


BASE: Final = Lever(name="nothing", group=Group.BASE)

_TINY: Final = {"speed": Speed.TURBO, "steps": WHOLE_STEPS, "guidance_scale": 3.0, "scheduler": "dpm++_2m_karras"}


def levers() -> tuple[Lever, ...]:
    """All of them, those that this machine cannot run included."""
    openvino = {"engine": EngineChoice.OPENVINO}
    engines = [
        Lever(name="float32", group=Group.ENGINES, asked={"dtype": Dtype.FLOAT32}),
        Lever(name="bfloat16", group=Group.ENGINES, asked={"dtype": Dtype.BFLOAT16}),
        Lever(
            name="OpenVINO, float32",
            group=Group.ENGINES,
            asked={**openvino, "variant": OPENVINO, "dtype": Dtype.FLOAT32},
        ),
        Lever(
            name="OpenVINO, bfloat16",
            group=Group.ENGINES,
            asked={**openvino, "variant": OPENVINO, "dtype": Dtype.BFLOAT16},
        ),
        Lever(name="OpenVINO, 8 bits", group=Group.ENGINES, asked={**openvino, "variant": OPENVINO_INT8}),
        *(
            Lever(name=engine, group=Group.ENGINES, asked={"engine": engine})
            for engine in (EngineChoice.COMPILED, EngineChoice.CUDA_GRAPHS, EngineChoice.TENSORRT)
        ),
    ]
    less = [
        Lever(name="features carried on", group=Group.LESS, asked={"speed": Speed.BALANCED}),
        Lever(name="guidance in an interval", group=Group.LESS, asked={"switch": "guidance-interval"}),
        Lever(name=f"{FEWER_STEPS} steps of {WHOLE_STEPS}", group=Group.LESS, asked={"steps": FEWER_STEPS}),
        Lever(name="tiny decoder", group=Group.LESS, asked={**_TINY, "switch": "tiny-decoder"}),
        Lever(name="no middle block (pruned)", group=Group.LESS, asked={"switch": "pruned"}),
        Lever(
            name="merged tokens",
            group=Group.LESS,
            reason="not built: 1.2 times as fast, by PyTorch alone",
        ),
    ]
    few = [
        Lever(name="4 steps by a LoRA", group=Group.FEW, asked={"speed": Speed.TURBO, "switch": "few-steps"}),
        Lever(name="the same, tiny decoder", group=Group.FEW, asked={"speed": Speed.TURBO}),
    ]
    cores = processor.cores()
    off = [
        Lever(name="one thread", group=Group.BASE, asked={"threads": 1}),
        Lever(name=f"{cores} threads", group=Group.BASE, asked={"threads": cores}),
        Lever(name="no huge pages", group=Group.BASE, environment={"THP_MEM_ALLOC_ENABLE": "0"}),
        Lever(name="threads wait awake", group=Group.BASE, environment={"OMP_WAIT_POLICY": "ACTIVE"}),
        Lever(name="not channels-last", group=Group.BASE, asked={"switch": "contiguous"}),
        Lever(name="prompts encoded anew", group=Group.BASE, asked={"switch": "forgetful"}),
    ]
    together = [
        Lever(name=f"speed: {speed}", group=Group.SPEEDS, asked={"speed": speed, "engine": EngineChoice.AUTO})
        for speed in Speed
    ]
    return *engines, *less, *few, *off, *together


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """How much sooner a picture is there with a lever."""

    name: str
    times: float
    """The median over pairs: the base's time by the lever's."""
    spread: float
    """How far apart the pairs are, as a share of it."""
    cpu_times: float
    """The same of the processor's seconds, all pairs together: other programs change it less."""
    picture_s: float
    variant: str
    levers: tuple[str, ...]


def gains(
    settings: EngineSettings, size: tuple[int | None, int | None], *, pairs: int, told: Told
) -> Iterator[Gain | NotMeasured]:
    """Each lever in turn, with the base beside it; raises AuraError where the base draws nothing."""
    _convert(settings, size, told)
    plain = _settings(settings, size)
    try:
        with _process(plain, {}) as base:
            for lever in levers():
                if lever.reason:
                    yield NotMeasured(name=lever.name, reason=lever.reason)
                    continue
                told(lever.name, 0, pairs)
                try:
                    with _process(replace(plain, **lever.asked), lever.environment) as engine:
                        drawn_by = engine.loaded.facts["variant"]
                        if drawn_by != lever.asked.get("variant", drawn_by):
                            yield NotMeasured(name=lever.name, reason=f"{drawn_by} drew it: no conversion is here")
                        else:
                            yield _gain(lever, base, engine, pairs, told)
                except EngineFailed as error:
                    yield NotMeasured(name=lever.name, reason=str(error).removeprefix("RuntimeError: "))
    except EngineFailed as error:
        raise AuraError(str(error)) from error


def _process(settings: SwitchedSettings, environment: Mapping[str, str]) -> EngineProcess:
    return EngineProcess(
        children.switched_pictures(settings), environment={**ENVIRONMENT, **environment}, patience_s=3600.0
    )


def _settings(settings: EngineSettings, size: tuple[int | None, int | None]) -> SwitchedSettings:
    model = settings.generate
    return SwitchedSettings(
        model=model.model,
        revision=model.revision,
        allow_pickle=model.allow_pickle,
        device=settings.device,
        dtype=settings.dtype,
        threads=settings.threads,
        turbo_lora=model.turbo.lora,
        turbo_decoder=model.turbo.decoder,
        prompt=MINI_PROMPT if model.model == EMBEDDED else PROMPT,
        width=size[0] or 0,
        height=size[1] or 0,
    )


def _convert(settings: EngineSettings, size: tuple[int | None, int | None], told: Told) -> None:
    """Converts what is timed and what is judged, in 8 bits too, where that can be."""
    for model in dict.fromkeys((settings.generate.model, EMBEDDED)):
        generate = replace(settings.generate, model=model, engine=EngineChoice.OPENVINO)
        prompt, (width, height) = (MINI_PROMPT, (None, None)) if model == EMBEDDED else (PROMPT, size)
        request = GenerateRequest(prompt=prompt, seed=1, width=width, height=height, speed=Speed.FAST)
        convert(replace(settings, generate=generate), request, lambda: told("a model is converted, once", 0, 1))


def _gain(lever: Lever, base: EngineProcess, engine: EngineProcess, pairs: int, told: Told) -> Gain:
    ratios, seconds = list[float](), list[float]()
    before = base.cpu_s, engine.cpu_s
    for number in range(pairs):  # each has drawn one to warm up
        told(lever.name, number, pairs)
        beside, own = base.ask("picture"), engine.ask("picture")
        seconds.append(own.seconds)
        ratios.append(beside.seconds / own.seconds)
    return Gain(
        name=lever.name,
        times=median(ratios),
        spread=(max(ratios) - min(ratios)) / median(ratios),
        cpu_times=(base.cpu_s - before[0]) / max(engine.cpu_s - before[1], 0.01),
        picture_s=median(seconds),
        variant=own.facts["variant"],
        levers=tuple(own.facts["levers"]),
    )


def qualities(wanted: Sequence[Lever], prompts: int) -> dict[str, Mapping[str, Any]]:
    """What each costs on aura-mini, by its name; raises AuraError where nothing can be drawn at all."""
    judged = json.dumps([lever.for_quality for lever in wanted if not lever.reason and not lever.environment])
    command = [sys.executable, "-P", "-m", "aura_daemon.training.quality", judged, "--prompts", str(prompts)]
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        raise AuraError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["name"]: row for row in rows}
