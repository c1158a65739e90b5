"""The files of Stable Diffusion 1.x models. Importing this module imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aura_daemon.config.workers.services import ModelRole
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.weights import WeightFiles, choose_weights
from aura_daemon.mini import GENERATOR

STEMS: Final = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
    "safety_checker": "model",
    "image_encoder": "model",
}
"""Parts of a diffusers folder that have weights -> how their files are called."""


def generator_weights(
    names: Iterable[str], index: Mapping[str, Any], half: bool, allow_pickle: bool
) -> WeightFiles | str:
    """Weights of a diffusers folder by its `model_index.json`; a str says what is missing or refused."""
    parts = [part for part in STEMS if _has_weights(index.get(part))]
    return choose_weights(names, [(f"{part}/", STEMS[part]) for part in parts], half, allow_pickle)


def _has_weights(entry: object) -> bool:
    """True for a part of `model_index.json` that is there: `[library, class]`, neither null."""
    return isinstance(entry, list) and len(entry) == 2 and None not in entry


STABLE_DIFFUSION: Final = ModelFormat(
    noun="a generator",
    description="a Stable Diffusion 1.x pipeline (StableDiffusionPipeline in its model_index.json)",
    architectures=("StableDiffusionPipeline", "LatentConsistencyModelPipeline"),  # the same parts, and the same UNet
    embedded=GENERATOR,
    weight_files=generator_weights,
    role=ModelRole.GENERATOR,
    has_checkpoints=True,
)
