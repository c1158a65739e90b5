"""Which engine computes a picture on the CPU, and why. In: settings, what the job asks, the disk. Out: a variant.

`auto` follows what was measured here once for the model; nothing is assumed of a processor. No library is imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aura_daemon.config.engine import Attention, EngineSettings
from aura_daemon.engines.model_files.find import ModelFiles, architectures_of
from aura_daemon.engines.openvino.store import ConvertedModel, Kind, is_installed
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import EAGER
from aura_daemon.jobs.speed import CaptionEngine, CaptionSpeed, EngineChoice, Speed
from aura_daemon.ladder.rungs import Rung
from aura_daemon.system.processes.process_memory import may_make_code

RUNGS: Final = (Rung.CPU, Rung.CPU_TILED_DECODE)
"""Lower rungs narrow, map or split what the graph holds whole."""

WORTH_BYTES: Final = 200_000_000
"""Weights from which `auto` converts a model: a small one is drawn before its conversion is done."""

ROUGH: Final = (Speed.FAST, Speed.TURBO)
"""Levels that allow 8 bits: at `fast` they cost aura-mini 0.25 points and 2 dB."""


LOOKING: Final = ("BlipForConditionalGeneration", "blip")
"""Architectures of captioners that look at pictures with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """A variant."""

    variant: str
    why: str
    """One clause."""


NO_FOLDER: Final = Chosen(variant=EAGER, why="there is no home folder for converted models")


def machine_of(placement: Placement) -> str:
    """Names the processor and the number format, in which times were measured."""
    return machine_named(placement.device_name, placement.dtype)


def machine_named(device_name: str, dtype: str) -> str:
    """The same, of a processor's name."""
    return hashlib.sha256(f"{device_name} {dtype}".encode()).hexdigest()[:16]


def is_convertible(settings: EngineSettings, files: ModelFiles, placement: Placement) -> str:
    """Why this generator is not to be converted here; empty: it is."""
    engine = settings.generate.engine
    if engine not in (EngineChoice.AUTO, EngineChoice.OPENVINO):
        return f"engine: {engine} is configured"
    if reason := _speaks_against(files, placement, key="engine", forced=engine is EngineChoice.OPENVINO):
        return reason
    if settings.attention is not Attention.SDPA:
        return f"attention: {settings.attention} is configured"
    return "its UNet is told the guidance" if files.own.embedded_guidance else ""


def is_looking_convertible(settings: EngineSettings, files: ModelFiles, placement: Placement) -> str:
    """The same of how a captioner looks at pictures."""
    engine = settings.caption.engine
    if engine is CaptionEngine.EAGER:
        return f"caption.engine: {engine} is configured"
    if not set(architectures_of(files.folder)) & set(LOOKING):
        return "only BLIP captioners look at pictures with it"
    return _speaks_against(files, placement, key="caption.engine", forced=engine is CaptionEngine.OPENVINO)


def _speaks_against(files: ModelFiles, placement: Placement, *, key: str, forced: bool) -> str:
    """What holds of every model. `forced`: the configuration asks for OpenVINO, under `key`."""
    if not placement.on_cpu or placement.rung not in RUNGS:
        return f"rung {placement.rung} computes without it"
    if files.weights.pickled:
        return "the model is a pickle"
    if not is_installed(Kind.OPENVINO):
        return "openvino is not installed"
    if not may_make_code():
        return "this process may not make code (MemoryDenyWriteExecute)"
    if not forced and files.size_bytes < WORTH_BYTES:
        return f"the model is small; {key}: openvino converts it all the same"
    return ""


def chosen(
    settings: EngineSettings,
    request: GenerateRequest,
    files: ModelFiles,
    placement: Placement,
    converted: ConvertedModel | None,
) -> Chosen:
    """The variant for a job; `converted`: None where there is no folder for converted models."""
    if request.variant == EAGER:
        return Chosen(variant=EAGER, why="the picture to be made again was drawn so")
    if any(lora.weight for lora in request.loras):
        return Chosen(variant=EAGER, why="the job has LoRAs")
    if request.control:
        return Chosen(variant=EAGER, why="the job has `control`")
    if request.like:
        return Chosen(variant=EAGER, why="the job has `like`")
    if reason := is_convertible(settings, files, placement):
        return Chosen(variant=EAGER, why=reason)
    if converted is None:
        return NO_FOLDER
    if request.variant in _here(converted):
        return Chosen(variant=request.variant, why="the picture to be made again was drawn so")
    is_rough = (request.speed or settings.generate.speed) in ROUGH
    forced = settings.generate.engine is EngineChoice.OPENVINO
    return _of_measured(converted, placement, allows_int8=is_rough, forced=forced)


def chosen_looking(
    settings: EngineSettings, files: ModelFiles, placement: Placement, converted: ConvertedModel | None
) -> Chosen:
    """How a captioner looks at pictures; its words are found by PyTorch in any case."""
    if reason := is_looking_convertible(settings, files, placement):
        return Chosen(variant=EAGER, why=reason)
    if converted is None:
        return NO_FOLDER
    caption = settings.caption
    allows_int8, forced = caption.speed is CaptionSpeed.BALANCED, caption.engine is CaptionEngine.OPENVINO
    return _of_measured(converted, placement, allows_int8=allows_int8, forced=forced)


def _here(converted: ConvertedModel) -> list[Kind]:
    return [kind for kind in Kind if converted.graph(kind) is not None and not converted.failure(kind)]


def _of_measured(converted: ConvertedModel, placement: Placement, *, allows_int8: bool, forced: bool) -> Chosen:
    """The fastest of what is here; `forced`: it need not be measured, and PyTorch is none of them."""
    here = _here(converted)
    if Kind.OPENVINO not in here:
        failure = converted.failure(Kind.OPENVINO)
        return Chosen(variant=EAGER, why=f"its conversion failed: {failure}" if failure else "it is not converted yet")
    step_s = {
        name: seconds
        for name, seconds in converted.measured(machine_of(placement)).items()
        if name in (EAGER, *here) and (allows_int8 or name != Kind.INT8)
    }
    if forced:
        step_s.pop(EAGER, None)
        step_s.setdefault(Kind.OPENVINO, 0.0)
    elif EAGER not in step_s or Kind.OPENVINO not in step_s:
        return Chosen(variant=EAGER, why="it is not measured yet")
    return _fastest(step_s)


def _fastest(step_s: Mapping[str, float]) -> Chosen:
    told = ", ".join(f"{name} {seconds:.3g}" for name, seconds in sorted(step_s.items(), key=lambda one: one[1]))
    fastest = min(step_s, key=lambda name: step_s[name])
    if not step_s[fastest]:
        return Chosen(variant=fastest, why="engine: openvino is configured")
    return Chosen(variant=fastest, why=f"measured, a step in seconds of one core: {told}")
