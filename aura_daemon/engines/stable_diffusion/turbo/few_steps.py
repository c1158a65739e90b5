"""Few steps: a LoRA that was trained for them is fused with the weights when they are loaded. In: ModelFiles.

After that nothing of the LoRA is left as a part of its own: other engines can convert the model, and LoRAs of jobs go
on top as they do elsewhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from loguru import logger
from safetensors.torch import load_file

from aura_daemon.engines.failures import UnfitModel, first_line, is_out_of_memory
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.weights import unavailable
from aura_daemon.engines.stable_diffusion.loras.lora_kinds import other_architecture, other_method
from aura_daemon.engines.stable_diffusion.loras.lora_layers import layers_without_place
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import Ingredient, IngredientKind
from aura_daemon.jobs.speed import Speed

_ANOTHER = "name one that was made for this model (generate.turbo.lora), or take another speed"

_ADAPTER = "few_steps"


def fuse(pipe: Any, lora: ModelFiles) -> None:
    """Adds a LoRA to the weights of a pipeline in host memory; raises UnfitModel where it is for another model."""
    tensors = load_file(lora.folder / lora.weights.names[0])
    what = other_method(tensors) or other_architecture(tensors)
    if what:
        raise UnfitModel(unavailable(lora.name, f"it is no LoRA for Stable Diffusion 1.x but for {what}", _ANOTHER))
    absent, _ = layers_without_place(pipe, tensors)
    if absent:
        cause = f"it changes {len(absent)} layers that the model does not have, such as {absent[0]}"
        raise UnfitModel(unavailable(lora.name, cause, _ANOTHER))
    try:
        with warnings.catch_warnings(action="ignore"):
            pipe.load_lora_weights(tensors, adapter_name=_ADAPTER)
    except Exception as error:
        if is_out_of_memory(error) or isinstance(error, OSError):
            raise
        logger.debug("LoRA {}: {}", lora.name, error)
        cause = f"it is none for this model ({first_line(str(error))})"
        raise UnfitModel(unavailable(lora.name, cause, _ANOTHER)) from None
    parts = [name for name in ("unet", "text_encoder") if getattr(getattr(pipe, name), "peft_config", None)]
    if not parts:
        raise UnfitModel(unavailable(lora.name, "it holds nothing for this model", _ANOTHER))
    pipe.fuse_lora(components=parts, safe_fusing=True)
    pipe.unload_lora_weights()


def companions(files: ModelFiles) -> tuple[Ingredient, ...]:
    """What results were made with beside the model at turbo."""
    if not files.at_turbo:
        return ()
    parts = ((IngredientKind.TURBO_LORA, files.lora), (IngredientKind.DECODER, files.decoder))
    return tuple(Ingredient(kind=kind, name=one.name, sha256=one.sha256) for kind, one in parts if one is not None)


def levers_of(resolved: ResolvedGenerate, files: ModelFiles) -> Iterator[str]:
    """What turbo does, in words."""
    if resolved.speed is not Speed.TURBO:
        return
    yield f"{resolved.steps} steps by {_short((files.lora or files).name)}"
    if not files.own.is_guided(resolved.guidance_scale):
        yield "no guidance" if resolved.guidance_scale <= 1 else "guidance without a second pass"
    if files.decoder is not None:
        yield f"decoded by {_short(files.decoder.name)}"


def unheard(resolved: ResolvedGenerate, files: ModelFiles, *, composes: bool) -> Iterator[str]:
    """A warning where nobody but the level or the model decided that the negative prompt does nothing.

    `composes`: the prompt has joined texts, which pull away from the negative prompt in any case.
    """
    decides = resolved.speed is Speed.TURBO or files.own.embedded_guidance
    if resolved.negative_prompt and decides and not composes and not files.own.is_guided(resolved.guidance_scale):
        yield "negative_prompt does nothing here: each step takes one pass, with the prompt"


def _short(name: str) -> str:
    """A name without its owner and the folders of this machine."""
    parts = name.rstrip("/").removesuffix(".safetensors").split("/")
    return "/".join(parts[-3:]) if "turbo" in parts[-2:-1] else parts[-1]
