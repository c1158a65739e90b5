"""Stable Diffusion 1.x: prompt to picture, in phases that are timed.

In: a resolved request. Out: Produced | Failure.

The phases are diffusers' own, so the pixels are those of one plain call of `StableDiffusionPipeline`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Final

import diffusers
import torch
from loguru import logger
from PIL import Image

from aura_daemon.core.job import (
    EngineTiming,
    Failure,
    FailureKind,
    GenerateRequest,
    Payload,
    Produced,
    ResolvedGenerate,
)
from aura_daemon.core.settings import EMBEDDED, GenerateSettings, Scheduler, resolve_generate
from aura_daemon.engines.libraries import versions
from aura_daemon.engines.models import ModelFiles
from aura_daemon.engines.placement import PeakMemory, Placement
from aura_daemon.engines.report import Report

SCHEDULERS: Final[dict[Scheduler, tuple[str, dict[str, Any]]]] = {
    Scheduler.DPMPP_2M_KARRAS: (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 2, "use_karras_sigmas": True},
    ),
    Scheduler.DPMPP_2M: (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 2, "use_karras_sigmas": False},
    ),
    Scheduler.EULER: ("EulerDiscreteScheduler", {"use_karras_sigmas": False}),
    Scheduler.EULER_A: ("EulerAncestralDiscreteScheduler", {}),
    Scheduler.DDIM: ("DDIMScheduler", {}),
    Scheduler.PNDM: ("PNDMScheduler", {"skip_prk_steps": True}),
}
"""Our names -> diffusers' class and what it is told beyond the model's own scheduler configuration."""

BLOCKED: Final = "the model's safety checker blocked this picture: it is black; another prompt or seed may pass"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Encoded:
    """Embeddings, `[1, 77, D]`; no negative ones where guidance is off."""

    prompt: torch.Tensor
    negative: torch.Tensor | None


class Generator:
    """A loaded pipeline; its safety checker stays on the CPU (580 MiB in half precision that 4 GB cards lack)."""

    def __init__(self, files: ModelFiles, placement: Placement, configured: GenerateSettings) -> None:
        """Loads; raises what diffusers raises."""
        self.files = files
        self._placement = placement
        self._configured = configured
        pipe = _load(files, placement)
        self._checker = pipe.safety_checker
        pipe.safety_checker = None
        if self._checker is not None and placement.on_cuda:
            self._checker.to("cpu", torch.float32)
        pipe.to(placement.device)
        pipe.unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
        pipe.set_progress_bar_config(disable=True)
        self._scheduler_config = dict(pipe.scheduler.config)
        self._pipe = pipe

    @torch.no_grad()
    def run(self, request: GenerateRequest, report: Report, peak: PeakMemory) -> Produced | Failure:
        """One picture; raises what torch raises."""
        resolved, notes = resolve_generate(request, self._configured, self.files.own)
        began = time.monotonic()
        random = torch.Generator("cpu").manual_seed(resolved.seed)
        encoded = self._encode(resolved)
        encoded_at = time.monotonic()
        latents = self._denoise(resolved, encoded, random, report, peak)
        denoised_at = time.monotonic()
        decoded = self._decode(latents, random)
        if decoded is None:
            return Failure(
                kind=FailureKind.UNEXPECTED,
                message=f"the model made no picture but NaN in {self._placement.dtype}",
                mend="set dtype: float32; if that does not help, the weights are damaged",
            )
        picture, blocked = decoded
        png = BytesIO()
        picture.save(png, "PNG")
        return Produced(
            payloads=(Payload(extension=".png", content=png.getvalue(), width=picture.width, height=picture.height),),
            resolved=resolved,
            model=self.files.name,
            model_sha256=self.files.sha256,
            device=self._placement.device,
            dtype=self._placement.dtype,
            rung=self._placement.rung,
            batch_size=1,
            timing=EngineTiming(
                encoded_s=encoded_at - began,
                denoised_s=denoised_at - encoded_at,
                decoded_s=time.monotonic() - denoised_at,
            ),
            peak_bytes=peak.highest_bytes(),
            warnings=(*notes, *self._warnings(resolved, blocked)),
            versions=versions(),
        )

    def _encode(self, resolved: ResolvedGenerate) -> _Encoded:
        """Prompts to embeddings."""
        prompt, negative = self._pipe.encode_prompt(
            resolved.prompt,
            self._placement.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=resolved.guidance_scale > 1,
            negative_prompt=resolved.negative_prompt,
        )
        return _Encoded(prompt=prompt, negative=negative)

    def _denoise(
        self,
        resolved: ResolvedGenerate,
        encoded: _Encoded,
        random: torch.Generator,
        report: Report,
        peak: PeakMemory,
    ) -> torch.Tensor:
        """Noise to latents `[1, 4, H / 8, W / 8]`."""
        name, told = SCHEDULERS[Scheduler(resolved.scheduler)]
        scheduler_class: Any = getattr(diffusers, name)
        self._pipe.scheduler = scheduler_class.from_config(self._scheduler_config, **told)

        def stepped(_pipe: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            peak.sample()
            report.stepped(min(step + 1, resolved.steps), resolved.steps)  # PNDM calls once more than it was asked for
            return tensors

        latents: torch.Tensor = self._pipe(
            prompt_embeds=encoded.prompt,
            negative_prompt_embeds=encoded.negative,
            width=resolved.width,
            height=resolved.height,
            num_inference_steps=resolved.steps,
            guidance_scale=resolved.guidance_scale,
            generator=random,
            output_type="latent",
            callback_on_step_end=stepped,
        ).images
        return latents

    def _decode(self, latents: torch.Tensor, random: torch.Generator) -> tuple[Image.Image, bool] | None:
        """Latents to picture and whether it was blocked; None where there is no picture in them."""
        vae = self._pipe.vae
        scaled = latents / vae.config.scaling_factor
        image = vae.decode(scaled, return_dict=False, generator=random)[0]
        if not bool(torch.isfinite(image).all()) and vae.dtype != torch.float32:
            logger.warning("the picture is NaN in {}: decoding once more in float32", self._placement.dtype)
            vae.to(torch.float32)
            image = vae.decode(scaled.float(), return_dict=False, generator=random)[0]
            vae.to(self._placement.torch_dtype)
        if not bool(torch.isfinite(image).all()):
            return None
        image, blocked = self._check(image)
        pictures = self._pipe.image_processor.postprocess(image, "pil", [not blocked])
        return pictures[0], blocked

    def _check(self, image: torch.Tensor) -> tuple[torch.Tensor, bool]:
        """The picture, or black and True where the model's own safety checker flags it."""
        if self._checker is None:
            return image, False
        seen = self._pipe.image_processor.postprocess(image, "pil")
        features = self._pipe.feature_extractor(seen, return_tensors="pt").pixel_values
        images, flagged = self._checker(images=image, clip_input=features.to("cpu", self._checker.dtype))
        return images, bool(flagged[0])

    def _warnings(self, resolved: ResolvedGenerate, blocked: bool) -> list[str]:
        """What the user should know about this picture."""
        texts = (("prompt", resolved.prompt), ("negative_prompt", resolved.negative_prompt))
        said = [self._cut(key, text) for key, text in texts]
        said.append(BLOCKED if blocked else "")
        if self.files.carried_name == EMBEDDED:
            from aura_daemon.mini.knowledge import prompt_warning

            said.append(prompt_warning(resolved.prompt) or "")
        return [warning for warning in said if warning]

    def _cut(self, key: str, text: str) -> str:
        """Says what CLIP does not read: it takes 77 tokens with the two that mark begin and end."""
        tokenizer = self._pipe.tokenizer
        limit = tokenizer.model_max_length
        tokens = tokenizer(text, padding=False, truncation=False, verbose=False).input_ids
        if len(tokens) <= limit:
            return ""
        lost = tokenizer.decode(tokens[limit - 1 : -1]).strip()
        return f"{key} has {len(tokens)} tokens and the model reads {limit}; this was cut: {lost}"


def timed(produced: Produced, loaded_s: float) -> Produced:
    """The same with the time it took to load the model."""
    return replace(produced, timing=replace(produced.timing, loaded_s=loaded_s))


def _load(files: ModelFiles, placement: Placement) -> Any:
    """The pipeline on the CPU, in the placement's dtype."""
    if files.checkpoint is not None:
        return diffusers.StableDiffusionPipeline.from_single_file(
            str(files.checkpoint),
            config=str(files.folder),
            dtype=placement.torch_dtype,
            local_files_only=True,
            safety_checker=None,
        )
    if placement.torch_dtype is torch.float16 and files.weights.variant is None:
        logger.info("model {} has no fp16 files: its full files are converted while loading", files.name)
    return diffusers.StableDiffusionPipeline.from_pretrained(
        str(files.folder),
        dtype=placement.torch_dtype,
        variant=files.weights.variant,
        use_safetensors=not files.weights.pickled,
        low_cpu_mem_usage=True,
        local_files_only=True,
    )
