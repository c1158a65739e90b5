"""Which engine computes a picture on the CPU, and why. In: settings, what the job asks, the disk. Out: a variant.

`auto` follows what was measured here once for the model; nothing is assumed of a processor. No library is imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aura_daemon.config.engine import Attention, EngineSettings
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.store import ConvertedModel, Kind, is_installed
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import EAGER
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.ladder.rungs import Rung
from aura_daemon.system.processes.process_memory import may_make_code

RUNGS: Final = (Rung.CPU, Rung.CPU_TILED_DECODE)
"""Lower rungs narrow, map or split what the graph holds whole."""

WORTH_BYTES: Final = 200_000_000
"""Weights from which `auto` converts a model: a small one is drawn before its conversion is done."""

ROUGH: Final = (Speed.FAST, Speed.TURBO)
"""Levels that allow 8 bits: at `fast` they cost aura-mini 0.25 points and 2 dB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """A variant."""

    variant: str
    why: str
    """One clause."""


def machine_of(placement: Placement) -> str:
    """Names the processor and the number format, in which times were measured."""
    return hashlib.sha256(f"{placement.device_name} {placement.dtype}".encode()).hexdigest()[:16]


def is_convertible(settings: EngineSettings, files: ModelFiles, placement: Placement) -> str:
    """Why this model is not to be converted here; empty: it is."""
    engine = settings.generate.engine
    if engine not in (EngineChoice.AUTO, EngineChoice.OPENVINO):
        return f"engine: {engine} is configured"
    if not placement.on_cpu or placement.rung not in RUNGS:
        return f"rung {placement.rung} computes without it"
    if settings.attention is not Attention.SDPA:
        return f"attention: {settings.attention} is configured"
    if files.weights.pickled:
        return "the model is a pickle"
    if files.own.embedded_guidance:
        return "its UNet is told the guidance"
    if not is_installed(Kind.OPENVINO):
        return "openvino is not installed"
    if not may_make_code():
        return "this process may not make code (MemoryDenyWriteExecute)"
    if engine is EngineChoice.AUTO and files.size_bytes < WORTH_BYTES:
        return "the model is small; engine: openvino converts it all the same"
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
    if reason := is_convertible(settings, files, placement):
        return Chosen(variant=EAGER, why=reason)
    if converted is None:
        return Chosen(variant=EAGER, why="there is no home folder for converted models")
    here = [kind for kind in Kind if converted.graph(kind) is not None and not converted.failure(kind)]
    if request.variant in here:
        return Chosen(variant=request.variant, why="the picture to be made again was drawn so")
    if Kind.OPENVINO not in here:
        failure = converted.failure(Kind.OPENVINO)
        return Chosen(variant=EAGER, why=f"its conversion failed: {failure}" if failure else "it is not converted yet")
    is_rough = (request.speed or settings.generate.speed) in ROUGH
    step_s = {
        name: seconds
        for name, seconds in converted.measured(machine_of(placement)).items()
        if name in (EAGER, *here) and (is_rough or name != Kind.INT8)
    }
    if settings.generate.engine is EngineChoice.OPENVINO:
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
