"""Which requests wait in one queue, run in one batch and take the same memory. In: requests. Out: keys to compare."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from aura_daemon.file_names import escaped
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    GridRequest,
    JobKind,
    MatchRequest,
    Request,
    UpscaleRequest,
    is_question,
    kind_of,
)
from aura_daemon.jobs.speed import Speed, loaded_as

QUESTIONS: Final = "questions"
"""The queue of questions about images."""

MATCHES: Final = "matches"
"""The queue of comparisons of images with texts."""

ANSWERS_MEND: Final = "set `caption.question_model` (to `blip-vqa-base`, for one) in the configuration"
"""Where no model serves the first of these queues."""

MATCHING_MEND: Final = "set `caption.matching_model` (to `blip-itm-base`, for one) in the configuration"
"""Where none serves the second."""


def engine_kind(request: Request) -> JobKind:
    """The kind of job whose models a request needs: a benchmark needs those of what it measures."""
    return kind_of(request.settings if isinstance(request, BenchmarkRequest) else request)


def model_named(request: Request) -> str:
    """The model that a request names; empty for the configured one."""
    inner = request.settings if isinstance(request, BenchmarkRequest) else request
    if isinstance(inner, UpscaleRequest):
        return inner.upscale.model or ""
    return (inner.model or "") if isinstance(inner, GenerateRequest) else ""


def speed_named(request: Request) -> Speed | None:
    """The level of speed that a request names; None for the configured one."""
    inner = request.settings if isinstance(request, BenchmarkRequest) else request
    return inner.speed if isinstance(inner, GenerateRequest) else None


def queue_of(request: Request) -> str:
    """The queue in which a request waits: that of its model; at turbo one of its own, since other files may lack.

    A request that names another level waits in a third: the configured level, of those that name none, may be turbo.
    Questions have a model of their own, and so have comparisons.
    """
    if isinstance(request, MatchRequest):
        return MATCHES
    if is_question(request):
        return QUESTIONS
    model, speed = model_named(request), speed_named(request)
    queue = loaded_as(model, speed) if speed in (None, Speed.TURBO) else f"{model} without {Speed.TURBO}"
    return queue.strip()


def batch_key(request: Request) -> Request | None:
    """What requests that can run in one batch have in common; None for a request that runs alone.

    Pictures may differ in prompt, seed and file format, but in nothing else that the UNet sees. A starting image, a
    mask or a second pass would need the size of the other pictures, so requests with one of them run alone. Whoever has
    the bytes of maps sees to it that they are the same: their names alone tell nothing (`engines.session`). Captions
    may differ in their image, in the words that they begin with, in the seed of the others, in where they are cut and
    in what is made of them; answers in the question too. They look at their pictures together, and are written
    together as far as the model can. Comparisons may differ in image and texts, enlarged pictures in the image.
    """
    match request:
        case CaptionRequest(sampling=sampling):
            unseeded = replace(sampling, seed=None) if sampling is not None else None
            question = QUESTIONS if is_question(request) else ""
            return replace(
                request,
                image=None,
                prompt="",
                sampling=unseeded,
                max_words=None,
                question=question,
                embed=None,
                caption=None,
                picture="",
                matched=False,
                of_set=False,
            )
        case MatchRequest():
            return MatchRequest(texts=())
        case GridRequest() | BenchmarkRequest() | DatasetRequest():
            return None
        case UpscaleRequest():
            return UpscaleRequest(upscale=request.upscale)
        case GenerateRequest():
            others = request.image is not None or request.hires is not None or request.regions
            if others:
                return None
            return replace(
                request,
                prompt="",
                negative_prompt="",
                seed=None,
                format=None,
                quality=None,
                metadata=None,
                preview=0,
                output=None,
                tags=(),
                notes="",
                embedded=None,
                check=None,
                described=None,
                follows=None,
            )
        case _:  # pragma: no cover
            assert_never(request)


def demand_of(request: Request) -> str:
    """The parts of a request that decide how much memory it takes, in words."""
    match request:
        case CaptionRequest():
            what = "question" if is_question(request) else "caption"
            beams = f"along {request.beams} beams" if request.beams is not None else ""
            candidates = f"with {request.candidates} candidates" if request.candidates is not None else ""
            return " ".join(filter(None, (what, beams, candidates)))
        case MatchRequest():
            return f"match of {len(request.texts)} text{'s' * (len(request.texts) != 1)}"
        case GridRequest():
            return "grid"
        case BenchmarkRequest():
            sizes = (f"{width}x{height}" for width, height in request.sizes)
            return " ".join(["benchmark", demand_of(request.settings), *sizes])
        case GenerateRequest():
            return " ".join(["generate", *_demand_words(request)])
        case DatasetRequest():
            return "dataset"
        case UpscaleRequest(upscale=asked):
            tile = f"in tiles of {asked.tile}" if asked.tile is not None else ""
            return " ".join(filter(None, ("upscale", asked.model or "", tile)))
        case _:  # pragma: no cover
            assert_never(request)


def _demand_words(request: GenerateRequest) -> list[str]:
    words = [request.model or ""]
    if request.width is not None or request.height is not None:
        words.append(f"{request.width or 'native'}x{request.height or 'native'}")
    else:
        words.append(request.aspect_ratio or "")
    if request.image is not None:
        words.append(f"from {escaped(request.image)}")
    if request.hires is not None:
        words.append(f"then {request.hires.scale:g} times as large")
    if request.control:
        nets = dict.fromkeys(escaped(one.model) for one in request.control)
        words.append(f"with {', '.join(nets)}")
    if request.like:
        words.append(f"like {len(request.like)} picture{'s' * (len(request.like) != 1)}")
    if request.guidance_scale is not None:
        words.append("guided" if request.guidance_scale > 1 else "unguided")
    return [word for word in words if word]
