"""Stable Diffusion with one lever switched, where no setting does that. For measurements: no job asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, assert_never

import torch
from diffusers import UNet2DConditionModel

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.interface import TaskResult
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.reporter import Reporter
from aura_daemon.engines.stable_diffusion.family import Decoded, StableDiffusion
from aura_daemon.engines.stable_diffusion.generator import Generator
from aura_daemon.engines.stable_diffusion.levers.levers import LEVERS
from aura_daemon.engines.stable_diffusion.pipelines import Pipelines
from aura_daemon.jobs.speed import Speed


class Switch(StrEnum):
    """What is done otherwise."""

    GUIDANCE_INTERVAL = "guidance-interval"
    """At `exact` guidance has the interval of `fast`."""
    FEW_STEPS = "few-steps"
    """Of `turbo` the LoRA alone: the VAE decodes."""
    TINY_DECODER = "tiny-decoder"
    """Of `turbo` the decoder alone, with as many steps and as much guidance as the job says."""
    PRUNED = "pruned"
    """The UNet lacks its middle block; the weights of the others are what they were."""
    CONTIGUOUS = "contiguous"
    """Weights are not in the layout channels-last."""
    FORGETFUL = "forgetful"
    """No prompt's embeddings are kept."""


class SwitchedStableDiffusion(StableDiffusion):
    """The family, but for one switch."""

    def __init__(self, settings: EngineSettings, switch: Switch) -> None:
        super().__init__(settings)
        self._switch = switch

    def load(self, files: ModelFiles, placement: Placement) -> Generator:
        """Loads, and switches."""
        match self._switch:
            case Switch.FEW_STEPS:
                return super().load(replace(files, decoder=None), placement)
            case Switch.TINY_DECODER:
                return super().load(replace(files, lora=None), placement)
            case Switch.GUIDANCE_INTERVAL:
                loaded = super().load(files, placement)
                narrow = replace(LEVERS[Speed.EXACT], guided=LEVERS[Speed.FAST].guided)
                loaded.pipelines.levers = {**LEVERS, Speed.EXACT: narrow}
                return loaded
            case Switch.PRUNED:
                loaded = super().load(files, placement)
                loaded.parts.pipe.unet = _without_middle(loaded.parts.pipe.unet)
                loaded.pipelines = Pipelines(loaded.parts, placement, files)
                return loaded
            case Switch.CONTIGUOUS:
                loaded = super().load(files, placement)
                loaded.parts.pipe.unet.to(memory_format=torch.contiguous_format)
                loaded.parts.pipe.vae.to(memory_format=torch.contiguous_format)
                return loaded
            case Switch.FORGETFUL:
                return super().load(files, placement)
            case _:
                assert_never(self._switch)

    def run(
        self, engine: Generator, tasks: Sequence[Decoded], reporter: Reporter, peak: PeakMemory
    ) -> Iterator[TaskResult]:
        """As the family does."""
        if self._switch is Switch.FORGETFUL:
            engine.prompting.forget()
        return super().run(engine, tasks, reporter, peak)


def _without_middle(whole: Any) -> Any:
    weights = whole.state_dict()
    pruned = UNet2DConditionModel.from_config({**whole.config, "mid_block_type": None}).to(whole.dtype)
    pruned.load_state_dict({name: weights[name] for name in pruned.state_dict()})
    return pruned.to(memory_format=torch.channels_last).eval()
