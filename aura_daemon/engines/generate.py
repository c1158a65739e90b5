"""Stable Diffusion 1.x: prompt to picture, in phases that are timed.

In: a resolved request. Out: Produced | Failure.

The phases are diffusers' own (`pipelines`), so the pixels are those of one plain call.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
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
from aura_daemon.core.promptsyntax import plain_text
from aura_daemon.core.settings import EMBEDDED, GenerateSettings, resolve_generate, round_px
from aura_daemon.engines import imagefile
from aura_daemon.engines.adapters import Adapters, Unusable
from aura_daemon.engines.libraries import versions
from aura_daemon.engines.models import ModelFiles
from aura_daemon.engines.pipelines import Pipelines, Start
from aura_daemon.engines.placement import PeakMemory, Placement
from aura_daemon.engines.prompting import Encoded, Prompting
from aura_daemon.engines.report import Report
from aura_daemon.engines.safety import SafetyGuard

BLACK: Final = "the picture is black, in float32 too: the prompt may ask for that, or the weights are damaged"

PREVIEW_QUALITY: Final = 75
"""Of a JPEG."""


PHASES: Final = ("encoded_s", "denoised_s", "decoded_s")
"""Of `EngineTiming`."""


@dataclass(slots=True)
class _Clock:
    """What the phases took; a second pass adds to the first."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    since_s: float = field(default_factory=time.monotonic)

    def ended(self, phase: str) -> None:
        now = time.monotonic()
        self.seconds[phase] += now - self.since_s
        self.since_s = now


class Generator:
    """A loaded pipeline."""

    def __init__(self, files: ModelFiles, placement: Placement, configured: GenerateSettings) -> None:
        """Loads; raises what diffusers raises."""
        self.files = files
        self._placement = placement
        self._configured = configured
        pipe = _load(files, placement)
        checker, pipe.safety_checker = pipe.safety_checker, None
        if checker is not None and placement.on_cuda:
            checker.to("cpu", torch.float32)
        self._guard = SafetyGuard(checker, pipe.feature_extractor, configured.safety)
        pipe.to(placement.device)
        pipe.unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
        pipe.set_progress_bar_config(disable=True)
        self._adapters = Adapters(pipe, configured.loras)
        self._prompting = Prompting(
            pipe.tokenizer, pipe.text_encoder, device=placement.device, embeddings=configured.embeddings
        )
        self._pipelines = Pipelines(pipe, placement)

    @torch.no_grad()
    def run(
        self, request: GenerateRequest, start: Start | None, report: Report, peak: PeakMemory
    ) -> Produced | Failure:
        """One picture; raises what torch raises."""
        size = start.picture.size if start is not None else None
        resolved, notes = resolve_generate(request, self._configured, self.files.own, size)
        obstacle = imagefile.lacking(resolved.format) or _standstill(resolved)
        if obstacle is not None:
            return obstacle
        clock = _Clock()
        try:
            loras = self._adapters.put_on(resolved.loras)
        except Unusable as unusable:
            return unusable.failure
        encoded = self._prompting.encode(
            resolved.prompt,
            resolved.negative_prompt,
            clip_skip=resolved.clip_skip,
            guided=resolved.guidance_scale > 1,
            adapted=self._adapters.state,
        )
        if isinstance(encoded, Failure):
            return encoded
        clock.ended("encoded_s")
        drawn = self._draw(resolved, encoded, start, _Steps(self, resolved, report, peak), clock)
        if drawn is None:
            return Failure(
                kind=FailureKind.UNEXPECTED,
                message=f"the model made no picture but NaN in {self._placement.dtype}",
                mend="set dtype: float32; if that does not help, the weights are damaged",
            )
        picture, is_black = drawn
        picture, flagged = self._guard.checked(picture)
        text, packet = imagefile.described(resolved, model=self.files.name, model_sha256=self.files.sha256)
        file = imagefile.encoded(picture, resolved, text, packet)
        if isinstance(file, Failure):
            return file
        clock.ended("decoded_s")
        extension = f".{resolved.format}"
        black = BLACK if is_black and not flagged else ""
        remark = start.remark if start is not None else ""
        warnings = (
            *notes,
            remark,
            *encoded.warnings,
            *self._warnings(resolved, encoded),
            flagged,
            black,
            *file.warnings,
        )
        return Produced(
            payloads=(Payload(extension=extension, content=file.content, width=picture.width, height=picture.height),),
            resolved=resolved,
            model=self.files.name,
            model_sha256=self.files.sha256,
            device=self._placement.device,
            dtype=self._placement.dtype,
            rung=self._placement.rung,
            batch_size=1,
            timing=EngineTiming(**clock.seconds),
            peak_bytes=peak.highest_bytes(),
            warnings=tuple(filter(None, warnings)),
            ingredients=(*loras, *encoded.inversions, *(start.ingredients if start is not None else ())),
            windows=encoded.windows,
            versions=versions(),
        )

    def preview(self, latents: torch.Tensor) -> bytes:
        """A small JPEG of latents on their way, as the safety checker lets it be seen."""
        picture, _ = self._guard.checked(self._pipelines.preview(latents))
        content = BytesIO()
        picture.save(content, "JPEG", quality=PREVIEW_QUALITY)
        return content.getvalue()

    def _draw(
        self, resolved: ResolvedGenerate, encoded: Encoded, start: Start | None, steps: _Steps, clock: _Clock
    ) -> tuple[Image.Image, bool] | None:
        """The picture, after a second pass where one is asked for; whether it is black; None where it is NaN."""
        drawn = self._pass(resolved, encoded, start, steps, clock)
        if resolved.hires is None or drawn is None:
            return drawn
        width, height = (round_px(length * resolved.hires.scale) for length in (resolved.width, resolved.height))
        enlarged = Start(picture=drawn[0].resize((width, height), Image.Resampling.LANCZOS))
        if start is not None:
            enlarged = start.fitted(width, height).holding(enlarged.picture)
        again = replace(resolved, width=width, height=height, strength=resolved.hires.strength)
        return self._pass(again, encoded, enlarged, steps, clock)

    def _pass(
        self, resolved: ResolvedGenerate, encoded: Encoded, start: Start | None, steps: _Steps, clock: _Clock
    ) -> tuple[Image.Image, bool] | None:
        """Noise or start to picture. The noise is made on the CPU: the same on every device and rung."""
        random = torch.Generator("cpu").manual_seed(resolved.seed)
        fitted = start.fitted(resolved.width, resolved.height) if start is not None else None
        latents = self._pipelines.denoise(resolved, encoded, fitted, random, steps.stepped)
        steps.pass_ended()
        clock.ended("denoised_s")
        decoded = self._pipelines.decode(latents, random)
        clock.ended("decoded_s")
        if decoded is None or fitted is None:
            return decoded
        return fitted.around(decoded[0]), decoded[1]

    def _warnings(self, resolved: ResolvedGenerate, encoded: Encoded) -> list[str]:
        """What the user should know about this picture."""
        # Words that the user's own files teach may well be known to the embedded model.
        if self.files.carried_name != EMBEDDED or encoded.inversions:
            return []
        from aura_daemon.mini.knowledge import prompt_warning

        return [prompt_warning(plain_text(resolved.prompt)) or ""]


class _Steps:
    """Tells how far a picture is, over both passes, and shows it where that was asked for."""

    def __init__(self, generator: Generator, resolved: ResolvedGenerate, report: Report, peak: PeakMemory) -> None:
        self._generator = generator
        self._resolved = resolved
        self._report = report
        self._peak = peak
        self._passes = _steps_of_passes(resolved)
        self._before = 0
        self._shown = 0

    def stepped(self, evaluation: int, evaluations: int, latents: torch.Tensor) -> None:
        """After each evaluation of the model; a step of some samplers takes two."""
        self._peak.sample()
        steps = self._passes[0]
        done = self._before + min(-(-evaluation * steps // evaluations), steps)
        every, is_last = self._resolved.preview, evaluation == evaluations
        preview = b""
        if every and done // every > self._shown and not is_last:
            self._shown = done // every
            preview = self._generator.preview(latents)
        self._report.stepped(done, self._before + sum(self._passes), preview)

    def pass_ended(self) -> None:
        """The steps of the next pass follow."""
        self._before += self._passes.pop(0)


def _steps_of_passes(resolved: ResolvedGenerate) -> list[int]:
    """How many steps each pass takes: from an image only those that its strength leaves."""
    strengths = [resolved.strength if resolved.strength is not None else 1.0]
    strengths += [resolved.hires.strength] if resolved.hires is not None else []
    return [min(int(resolved.steps * strength), resolved.steps) for strength in strengths]


def _standstill(resolved: ResolvedGenerate) -> Failure | None:
    """Why nothing would be drawn: diffusers takes `steps * strength` steps, whole ones."""
    if min(_steps_of_passes(resolved)) >= 1:
        return None
    least = -(-1000 // resolved.steps) / 1000
    return Failure(
        kind=FailureKind.BAD_INPUT,
        message=f"so small a strength leaves less than one of the {resolved.steps} steps: nothing would be drawn",
        mend=f"set strength to {least:g} at least, or more steps",
    )


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
