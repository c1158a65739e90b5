"""What torch and the libraries say of this machine, for `doctor`. In: a question. Out: findings.

The plan is made by the very rules by which a job's rung is chosen (`fits`), in a process that has imported what a
worker imports. Nothing is loaded, hashed or fetched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

import torch
from huggingface_hub import constants

from aura_daemon.config.engine import EMBEDDED, EngineSettings, GenerateSettings, ModelSettings, Safety
from aura_daemon.doctor import report
from aura_daemon.doctor.report import ModelPresence, ProbeRequest
from aura_daemon.engines.captioning.model_format import ANSWERS, CAPTIONS, MATCHES
from aura_daemon.engines.compiled.variants import variant_of
from aura_daemon.engines.defaults import ModelDefaults, resolve_generate
from aura_daemon.engines.model_files.companions import USUAL_DECODER, USUAL_LORA, companions_of, look_for_all
from aura_daemon.engines.model_files.find import FEW_STEPS, Found, ModelFiles, look_for_model
from aura_daemon.engines.model_files.hub import AbsentModel
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.openvino.choice import chosen, chosen_looking
from aura_daemon.engines.openvino.store import ConversionStore, ConvertedModel
from aura_daemon.engines.openvino.wishes.places import cache_folder
from aura_daemon.engines.placement.devices import Devices, Placement
from aura_daemon.engines.placement.footprints import STANDARD_CAPTIONERS, STANDARD_PARTS, standard_footprint
from aura_daemon.engines.placement.loaded_models import Key, LoadedModels
from aura_daemon.engines.placement.rung_choice import MemoryDemand, ReservedMemory, RungChooser
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.family import StableDiffusion
from aura_daemon.engines.stable_diffusion.levers.levers import LEVERS, mean_cost
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.engines.upscaling.model_format import UPSCALERS
from aura_daemon.engines.upscaling.names import upscaler_named
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.jobs.results import Failure
from aura_daemon.jobs.speed import Speed
from aura_daemon.ladder.attempts import TOP
from aura_daemon.ladder.fitting import MemoryNeed, MemoryRoom, NoRoom, RungChoice, choose
from aura_daemon.ladder.measurements import picture_s
from aura_daemon.ladder.prediction import Extent, Footprint
from aura_daemon.ladder.rungs import RUNGS, Rung

FULL_SPEED: Final = {"bfloat16": ("amx_bf16", "avx512_bf16"), "float16": ("amx_fp16", "avx512_fp16")}
"""Half precision -> abilities of a CPU with which it is faster than float32."""

USUAL_LORA_BYTES: Final = 135_000_000
USUAL_DECODER_BYTES: Final = 9_800_000
"""As their pages on the hub say."""


def findings(question: ProbeRequest) -> report.ProbeAnswer:
    """Everything."""
    session = Session(question.settings)
    found = session.devices
    devices = found if isinstance(found, Devices) else None
    cpu = devices.cpu if devices is not None and devices.accelerator is None else None
    half = devices is not None and devices.first.dtype == "float16"
    plan = None
    if devices is not None and question.wish is not None:
        planner = _LadderPlanner(question, devices, base_bytes=session.memory().resident_bytes)
        plan = planner.plan(question.wish, half=half)
    return report.ProbeAnswer(
        torch=_torch(devices.first if devices is not None else None),
        hub_cache=str(constants.HF_HUB_CACHE),
        hub_is_forbidden=bool(constants.HF_HUB_OFFLINE),
        models=tuple(
            _models(
                question.settings,
                half=half,
                cpu=cpu,
            )
        ),
        plan=plan,
        refusal=report.Finding(message=found.message, mend=found.mend) if isinstance(found, Failure) else None,
    )


def _torch(first: Placement | None) -> report.TorchFound:
    """`first`: where the top of the ladder is."""
    build = "CPU"
    if torch.version.cuda:
        build = f"CUDA {torch.version.cuda}"
    elif torch.version.hip:
        build = f"ROCm {torch.version.hip}"
    capability = ""
    if first is not None and first.device.startswith("cuda") and torch.version.cuda:
        capability = "sm_{}{}".format(*torch.cuda.get_device_capability(first.device))
    return report.TorchFound(
        version=str(torch.__version__),
        build=build,
        device=first.device if first is not None else "",
        device_name=first.device_name if first is not None else "",
        dtype=first.dtype if first is not None else "",
        dtypes=_dtypes(first) if first is not None else (),
        capability=capability,
        uuid=f"GPU-{first.uuid}" if first is not None and first.uuid else "",
    )


def _dtypes(placement: Placement) -> tuple[str, ...]:
    if placement.on_cpu:
        able = torch.cpu.get_capabilities()
        return ("float32", *(name for name, flags in FULL_SPEED.items() if any(able.get(flag) for flag in flags)))
    bfloat16 = placement.device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    return ("float32", "float16", *(("bfloat16",) if bfloat16 else ()))


def _configured(settings: EngineSettings) -> Iterator[tuple[JobKind, ModelSettings, ModelFormat]]:
    for name in dict.fromkeys((settings.generate.model, *settings.generate.models)):
        yield JobKind.GENERATE, _named(settings.generate, name), STABLE_DIFFUSION
    yield JobKind.CAPTION, settings.caption, CAPTIONS
    if (answering := settings.caption.answering) is not None:
        yield JobKind.CAPTION, answering, ANSWERS
    if (matching := settings.caption.matching) is not None:
        yield JobKind.CAPTION, matching, MATCHES
    if settings.upscale.model != EMBEDDED:
        upscaler = upscaler_named(settings.upscale, None)
        yield JobKind.UPSCALE, settings.upscale if isinstance(upscaler, Failure) else upscaler, UPSCALERS


def _named(configured: GenerateSettings, model: str) -> GenerateSettings:
    return configured if model == configured.model else replace(configured, model=model, revision=None)


def _engine(settings: EngineSettings, model: ModelSettings, files: ModelFiles, cpu: Placement) -> str:
    """What computes a model on the CPU, or looks at pictures for it, and why."""
    is_generator = isinstance(model, GenerateSettings)
    forced = variant_of(settings.generate.engine, cpu, adapted=False) if is_generator else None
    if forced is not None:
        return f"{forced}: engine: {settings.generate.engine} is configured"
    folder = cache_folder(os.environ)
    converted = ConversionStore(folder).look_for(files) if folder is not None else None
    never = ConvertedModel(folder=folder / "none") if folder is not None else None
    if is_generator:
        found = chosen(settings, GenerateRequest(prompt=""), files, cpu, converted or never)
    else:
        found = chosen_looking(settings, files, cpu, converted or never)
    return f"{found.variant}: {found.why}"


def _models(settings: EngineSettings, *, half: bool, cpu: Placement | None) -> Iterator[report.ModelFound]:
    """The configured models; where they draw at turbo, each with what it takes for that."""
    shown: set[str] = set()
    for kind, model, model_format in _configured(settings):
        found = look_for_model(model, model_format, half)
        told = _model(kind, model, found, half=half)
        if isinstance(found, ModelFiles) and cpu is not None and kind is not JobKind.UPSCALE:
            told = told.model_copy(update={"engine": _engine(settings, model, found, cpu)})
        yield told
        if not isinstance(model, GenerateSettings) or not model.at_turbo or isinstance(found, Failure):
            continue
        taken = companions_of(model, found if isinstance(found, ModelFiles) else None)
        if isinstance(taken, Failure):
            yield _model(kind, model, taken, half=half)
            continue
        for one in taken.all:
            if one.told_as not in shown:
                shown.add(one.told_as)
                there = look_for_model(one.settings, one.model_format, half)
                named = replace(one.settings, model=one.told_as)
                yield _model(kind, named, there, half=half)


def _model(kind: JobKind, settings: ModelSettings, found: Found, *, half: bool) -> report.ModelFound:
    model = partial(report.ModelFound, kind=kind, name=settings.model)
    match found:
        case ModelFiles() as files:
            folder = str(files.checkpoint or files.folder)
            return model(presence=ModelPresence.HERE, folder=folder, weight_bytes=files.size_bytes)
        case AbsentModel(missing_bytes=size_bytes):
            missing = size_bytes if size_bytes is not None else _standard_bytes(settings.model, half=half)
            return model(presence=ModelPresence.ABSENT, weight_bytes=missing)
        case Failure(message=message, mend=mend):
            return model(presence=ModelPresence.WRONG, message=message, mend=mend)


def _standard_bytes(model: str, *, half: bool) -> int:
    """What the short names bring; 0 for what nobody knows. Captioners have no files in half precision."""
    known = {
        "sd-1.4": sum(STANDARD_PARTS.values()) * (2 if half else 4),
        **{name: numbers * 4 for name, numbers in STANDARD_CAPTIONERS.items()},
        USUAL_LORA: USUAL_LORA_BYTES,
        USUAL_DECODER: USUAL_DECODER_BYTES,
    }
    return known.get(model, 0)


class _LadderPlanner:
    def __init__(self, question: ProbeRequest, devices: Devices, *, base_bytes: int) -> None:
        self._settings = question.settings
        self._measured = question.measured
        self._devices = devices
        self._family = StableDiffusion(question.settings)
        self._fits = RungChooser(
            devices,
            LoadedModels(),
            base_bytes=base_bytes,
            climb_after=question.settings.climb_after,
            held=ReservedMemory(device_bytes=question.held_device_bytes, host_bytes=question.held_bytes),
        )

    def plan(self, wish: report.PlanRequest, *, half: bool) -> report.LadderPlan | None:
        """None where the model cannot be used, which is said of the model."""
        configured = _named(self._settings.generate, wish.model)
        found = look_for_all(configured, STABLE_DIFFUSION, half)
        if isinstance(found, Failure):
            return None
        files = found if isinstance(found, ModelFiles) else None
        own = files.own if files is not None else ModelDefaults()
        if files is None and configured.at_turbo:
            own = replace(own, steps=FEW_STEPS, guidance_scale=1.0)
        asked = GenerateRequest(prompt="", seed=0, width=wish.width, height=wish.height)
        resolved, _ = resolve_generate(asked, configured, own)
        guided = own.is_guided(resolved.guidance_scale)
        extent = Extent(width=wish.width, height=wish.height, batch=wish.batch, guided=guided)
        demand = self._demand(configured, files, extent)
        steps = resolved.steps
        spent = steps * mean_cost(LEVERS[configured.speed], steps)
        start = self._fits.choose(demand, TOP, self._measured)
        room = self._fits.room(demand.key)
        return report.LadderPlan(
            wish=wish,
            assumed=files is None,
            steps_a_picture=steps,
            free_host_bytes=room.host_bytes,
            ladder=tuple(self._step(rung, demand, room, spent) for rung in demand.rungs),
            start=start.rung if isinstance(start, RungChoice) else None,
            start_batch=start.batch if isinstance(start, RungChoice) else 0,
        )

    def _demand(self, configured: GenerateSettings, files: ModelFiles | None, extent: Extent) -> MemoryDemand:
        checks = configured.safety is not Safety.OFF

        def footprint(placement: Placement) -> Footprint:
            if files is not None:
                return self._family.footprint(files, placement)
            return standard_footprint(placement, with_checker=checks)

        return MemoryDemand(
            key=Key(kind=JobKind.GENERATE, model=configured.model, speed=Speed.TURBO if configured.at_turbo else None),
            extent=extent,
            rungs=self._family.rungs(self._devices.backend),
            footprint=footprint,
        )

    def _step(self, rung: Rung, demand: MemoryDemand, room: MemoryRoom, steps: float) -> report.LadderStep:
        """A rung alone: what all pictures take there, and how many of them fit. `steps`: as many whole ones."""
        batch = demand.extent.batch

        def need(rung: Rung, batch: int) -> MemoryNeed:
            return self._fits.need(demand, rung, batch, self._measured)

        fitting = choose([rung], need, room, batch=batch)
        wanted = need(rung, batch)
        return report.LadderStep(
            rung=rung,
            caption=RUNGS[rung].caption,
            needed_bytes=wanted.bytes,
            needed_host_bytes=wanted.host_bytes,
            free_bytes=room.for_rung(rung, alone=True),
            fits=0 if isinstance(fitting, NoRoom) else fitting.batch,
            picture_s=picture_s(self._fits.measured_on(demand, rung, self._measured), rung, demand.extent, steps),
        )
