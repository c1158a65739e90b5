"""Fills what a request leaves open: from the job, then the configuration, the model, Stable Diffusion 1.x and BLIP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeVar

from aura_daemon.config.engine import CaptionSettings, GenerateSettings
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, ImageFormat, is_question, shared_fields
from aura_daemon.jobs.resolved import ResolvedCaption, ResolvedGenerate
from aura_daemon.jobs.sampling import MULTIPLE_PX, STRENGTH, Scheduler, round_px, size_for, size_like
from aura_daemon.jobs.speed import Speed

Number = TypeVar("Number", int, float)


FAST_STEPS: Final = 15
"""Most steps of a picture that is drawn fast. aura-mini would bear 10, but Stable Diffusion's pictures need more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelDefaults:
    """What suits a model; the defaults of this class suit Stable Diffusion 1.x and BLIP."""

    native_size_px: int = 512
    steps: int = 25
    guidance_scale: float = 9.0
    scheduler: Scheduler = Scheduler.DPMPP_2M_KARRAS
    max_new_tokens: int = 50
    embedded_guidance: bool = False
    """The UNet is told the guidance, so that no second pass is needed."""
    few_steps: bool = False
    """The model itself was made for few steps."""

    def is_guided(self, guidance_scale: float) -> bool:
        """Whether every step takes a second pass, with the negative prompt."""
        return guidance_scale > 1 and not self.embedded_guidance


def resolve_generate(
    request: GenerateRequest,
    configured: GenerateSettings,
    own: ModelDefaults,
    image_px: tuple[int, int] | None = None,
) -> tuple[ResolvedGenerate, tuple[str, ...]]:
    """The request with every value filled in, and notes on what was rounded. The seed was drawn when it was journaled.

    `own`: at turbo, of the model with its companions: the configured steps, guidance and sampler are for other levels.
    `image_px`: width and height of the image that the picture starts from.
    """
    speed = request.speed or configured.speed
    if speed is Speed.TURBO:
        configured = replace(configured, steps=None, guidance_scale=None, scheduler=None)
    if request.seed is None:
        raise ValueError("the seed is drawn when the job is journaled, before it is resolved")
    width, height = size_for(request.aspect_ratio or "Auto", own.native_size_px)
    if image_px is not None and request.aspect_ratio is None:
        width, height = size_like(image_px, own.native_size_px)
    if request.width is not None or request.height is not None:
        width = round_px(request.width if request.width is not None else own.native_size_px)
        height = round_px(request.height if request.height is not None else own.native_size_px)
    notes = [
        f"{name} {requested} was rounded to {rounded}, a multiple of {MULTIPLE_PX}"
        for name, requested, rounded in (("width", request.width, width), ("height", request.height, height))
        if requested is not None and requested != rounded
    ]
    picture_format = request.format or configured.format
    resolved = shared_fields(request, ResolvedGenerate) | {
        "speed": speed,
        "steps": _first(request.steps, configured.steps, steps_of(speed, own)),
        "guidance_scale": _first(request.guidance_scale, configured.guidance_scale, own.guidance_scale),
        "scheduler": Scheduler(request.scheduler) if request.scheduler else configured.scheduler or own.scheduler,
        "width": width,
        "height": height,
        "strength": _first(request.strength, None, STRENGTH) if request.image is not None else None,
        "format": picture_format,
        "quality": None if picture_format is ImageFormat.PNG else _first(request.quality, None, configured.quality),
        "metadata": request.metadata or configured.metadata,
    }
    return ResolvedGenerate(**resolved), tuple(notes)


def steps_of(speed: Speed, own: ModelDefaults) -> int:
    """Steps where neither a job nor the configuration names any."""
    return min(own.steps, FAST_STEPS) if speed is Speed.FAST else own.steps


def resolve_caption(request: CaptionRequest, configured: CaptionSettings, own: ModelDefaults) -> ResolvedCaption:
    """The request with every value filled in. A seed was drawn when it was journaled.

    Candidates that are not drawn by chance are the best ends of a beam search, which is at least as wide.
    """
    if request.sampling is not None and request.sampling.seed is None:
        raise ValueError("the seed is drawn when the job is journaled, before it is resolved")
    candidates = request.candidates or 1
    beams = 1 if request.sampling is not None else max(request.beams or configured.beams or 1, candidates)
    return ResolvedCaption(
        image=request.image,
        prompt=request.prompt,
        max_new_tokens=request.max_new_tokens or configured.max_new_tokens or own.max_new_tokens,
        beams=beams,
        sampling=request.sampling,
        candidates=candidates,
        max_words=_first(request.max_words, configured.max_words, 0),
        question=request.question,
        describe=request.describe or configured.describe,
        embed=(request.embed if request.embed is not None else configured.embed) and not is_question(request),
    )


def _first(requested: Number | None, configured: Number | None, own: Number) -> Number:
    """The first value that is set."""
    if requested is not None:
        return requested
    return configured if configured is not None else own
