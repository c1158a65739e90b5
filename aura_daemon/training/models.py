"""Runs the models for the evaluation: prompts to pictures, pictures to captions."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from PIL import Image
from torch import Tensor
from transformers import BlipForConditionalGeneration, BlipProcessor

from aura_daemon.mini import CAPTIONER, GENERATOR, NATIVE_SIZE_PX

BATCH: Final = 50


@torch.inference_mode()
def draw(
    prompts: Sequence[str],
    seeds: Sequence[int],
    *,
    dtype: torch.dtype = torch.float32,
    height_px: int = NATIVE_SIZE_PX,
    width_px: int = NATIVE_SIZE_PX,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    folder: Path = GENERATOR,
) -> list[Image.Image]:
    """One picture for each prompt, each from its own seed; other settings come from the model's `aura.json`."""
    defaults = generator_defaults(folder)
    pipeline = _generator(folder, dtype)
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), BATCH):
        part = slice(start, start + BATCH)
        pictures += pipeline(
            list(prompts[part]),
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[part]],
            height=height_px,
            width=width_px,
            num_inference_steps=num_inference_steps or int(defaults["num_inference_steps"]),
            guidance_scale=guidance_scale or float(defaults["guidance_scale"]),
        ).images
    return pictures


def name(images: Sequence[Image.Image], *, dtype: torch.dtype = torch.float32) -> list[str]:
    """One caption for each picture."""
    return [caption for caption, _ in name_and_trust(images, dtype=dtype)]


@torch.inference_mode()
def name_and_trust(images: Sequence[Image.Image], *, dtype: torch.dtype = torch.float32) -> list[tuple[str, float]]:
    """One caption for each picture, with the mean probability of its tokens in [0, 1]."""
    model, processor = _captioner(dtype)
    answers: list[tuple[str, float]] = []
    for start in range(0, len(images), BATCH):
        inputs = processor(images=list(images[start : start + BATCH]), return_tensors="pt")
        output = model.generate(
            pixel_values=inputs["pixel_values"].to(dtype),
            max_new_tokens=16,
            do_sample=False,
            num_beams=1,
            return_dict_in_generate=True,
            output_scores=True,
        )
        captions = processor.batch_decode(output.sequences, skip_special_tokens=True)
        scores = torch.stack(output.scores, 1).float().softmax(-1)  # [B, T, V]
        chosen = output.sequences[:, -scores.shape[1] :]
        probability = scores.gather(-1, chosen[..., None])[..., 0]
        said = chosen != model.config.text_config.pad_token_id
        trust = (probability * said).sum(1) / said.sum(1)
        answers += zip(captions, trust.tolist(), strict=True)
    return answers


def as_pictures(pixels: Tensor) -> list[Image.Image]:
    """From float32 [B, 3, H, W] in [-1, 1]."""
    bytes_ = ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(picture) for picture in bytes_]


@cache
def generator_defaults(folder: Path = GENERATOR) -> dict[str, float | str]:
    """The defaults in the model's `aura.json`."""
    facts = json.loads((folder / "aura.json").read_text(encoding="utf-8"))
    defaults: dict[str, float | str] = facts["defaults"]
    return defaults


@cache
def _generator(folder: Path, dtype: torch.dtype) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=dtype)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, use_karras_sigmas=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@cache
def _captioner(dtype: torch.dtype) -> tuple[BlipForConditionalGeneration, BlipProcessor]:
    model = BlipForConditionalGeneration.from_pretrained(CAPTIONER, dtype=dtype)
    return model.eval(), BlipProcessor.from_pretrained(CAPTIONER)
