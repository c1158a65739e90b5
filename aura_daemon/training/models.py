"""Runs the models for the evaluation: prompts to pictures, pictures to captions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DPMSolverMultistepScheduler,
    LCMScheduler,
    StableDiffusionPipeline,
)
from PIL import Image
from torch import Tensor
from transformers import BlipForConditionalGeneration, BlipProcessor

from aura_daemon.mini import CAPTIONER, GENERATOR, NATIVE_SIZE_PX
from aura_daemon.mini.grammar import Sentence, parse
from aura_daemon.training.distilling.turbo import TURBO_FACTS

BATCH: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawSettings:
    """How pictures are drawn; None: as the model's `aura.json` has it."""

    dtype: torch.dtype = torch.float32
    height_px: int = NATIVE_SIZE_PX
    width_px: int = NATIVE_SIZE_PX
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    turbo: bool = False
    """With the LoRA for few steps."""
    folder: Path = GENERATOR


DEFAULT: Final = DrawSettings()


def draw(prompts: Sequence[str], seeds: Sequence[int], settings: DrawSettings = DEFAULT) -> list[Image.Image]:
    """One picture for each prompt, each from its own seed."""
    vae = decoder_of(settings.folder, settings.dtype, tiny=False)
    return decoded(vae, draw_latents(prompts, seeds, settings))


@torch.inference_mode()
def draw_latents(prompts: Sequence[str], seeds: Sequence[int], settings: DrawSettings = DEFAULT) -> Tensor:
    """The same without decoding: [B, 4, H/8, W/8]."""
    defaults = generator_defaults(settings.folder, settings.turbo)
    pipeline = _generator(settings.folder, settings.dtype, settings.turbo)
    parts: list[Tensor] = []
    for start in range(0, len(prompts), BATCH):
        part = slice(start, start + BATCH)
        drawn = pipeline(
            list(prompts[part]),
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[part]],
            height=settings.height_px,
            width=settings.width_px,
            num_inference_steps=settings.num_inference_steps or int(defaults["num_inference_steps"]),
            guidance_scale=settings.guidance_scale or float(defaults["guidance_scale"]),
            output_type="latent",
        )
        parts.append(drawn.images)
    return torch.cat(parts)


@torch.inference_mode()
def decoded(decoder: AutoencoderKL | AutoencoderTiny, latents: Tensor) -> list[Image.Image]:
    """Pictures of latents; aura-mini's have a scale of 1."""
    return [
        picture for part in torch.split(latents, BATCH) for picture in as_pictures(decoder.decode(part).sample.float())
    ]


def name(images: Sequence[Image.Image], *, dtype: torch.dtype = torch.float32) -> list[str]:
    """One caption for each picture."""
    return [caption for caption, _ in name_and_trust(images, dtype=dtype)]


def came_back(sentences: Sequence[Sentence], pictures: Sequence[Image.Image]) -> int:
    """How many pictures the captioner gives its sentence: shape, colour and background."""
    answers = [parse(caption) for caption in name(pictures)]
    return sum(
        got is not None and got.combination == meant.combination for meant, got in zip(sentences, answers, strict=True)
    )


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
def decoder_of(
    folder: Path = GENERATOR, dtype: torch.dtype = torch.float32, *, tiny: bool
) -> AutoencoderKL | AutoencoderTiny:
    """The model's tiny decoder, or its VAE."""
    if tiny:
        return AutoencoderTiny.from_pretrained(folder / TURBO_FACTS["decoder"], dtype=dtype).eval()
    return AutoencoderKL.from_pretrained(folder / "vae", dtype=dtype).eval()


@cache
def generator_defaults(folder: Path = GENERATOR, turbo: bool = False) -> dict[str, float | str]:
    """The defaults in the model's `aura.json`, or those of `export.TURBO_FACTS`."""
    if turbo:
        return {"num_inference_steps": TURBO_FACTS["steps"], "guidance_scale": TURBO_FACTS["guidance_scale"]}
    facts = json.loads((folder / "aura.json").read_text(encoding="utf-8"))
    defaults: dict[str, float | str] = facts["defaults"]
    return defaults


@cache
def _generator(folder: Path, dtype: torch.dtype, turbo: bool) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=dtype)
    if turbo:
        pipeline.load_lora_weights(str(folder / TURBO_FACTS["lora"]))
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()
        pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
    else:
        pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, use_karras_sigmas=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@cache
def _captioner(dtype: torch.dtype) -> tuple[BlipForConditionalGeneration, BlipProcessor]:
    model = BlipForConditionalGeneration.from_pretrained(CAPTIONER, dtype=dtype)
    return model.eval(), BlipProcessor.from_pretrained(CAPTIONER)
