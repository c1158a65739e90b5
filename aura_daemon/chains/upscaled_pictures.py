"""Pictures that are enlarged once they are drawn. In: a request, what is done. Out: what comes next, what is delivered.

The picture that is delivered without enlarging, drawn and chosen as always, is the one that is enlarged: by another
model, in a part of its own, so that memory is found for each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import GenerateRequest, ImageFormat, Request, UpscaleRequest
from aura_daemon.jobs.resolved import ResolvedGenerate, ResolvedUpscale
from aura_daemon.jobs.results import Ingredient, IngredientKind, Produced

LOSSLESS: Final = ImageFormat.PNG
"""The format of a picture on its way to the upscaler."""


def not_enlarged(asked: GenerateRequest) -> GenerateRequest:
    """The picture before it is enlarged."""
    return replace(asked, upscale=None, format=LOSSLESS, quality=None)


def without_enlarging(done: tuple[JobPart, ...]) -> tuple[JobPart, ...]:
    """The parts that drew, without the one that enlarged."""
    return done[:-1] if done and isinstance(done[-1].request, UpscaleRequest) else done


def next_of_enlarging(
    asked: GenerateRequest,
    upscale: Upscale,
    done: tuple[JobPart, ...],
    of_drawing: Callable[[Request, tuple[JobPart, ...]], Chain | ChosenPart],
) -> Chain | ChosenPart:
    """All that `of_drawing` says, then the enlarging."""
    drawn = without_enlarging(done)
    following = of_drawing(not_enlarged(asked), drawn)
    if isinstance(following, Chain) or len(drawn) < len(done):
        return following
    runs = UpscaleRequest(upscale=upscale, format=asked.format, quality=asked.quality, metadata=asked.metadata)
    return Chain(runs=runs, looks_at=following.part, done=done)


def with_enlarged(drawn: Produced, enlarged: Produced) -> Produced:
    """The result that was drawn, as large as it became."""
    made, picture = enlarged.resolved, drawn.resolved
    assert isinstance(made, ResolvedUpscale)
    assert isinstance(picture, ResolvedGenerate)
    upscaler = Ingredient(kind=IngredientKind.UPSCALER, name=enlarged.model, sha256=enlarged.model_sha256)
    before, after = drawn.timing, enlarged.timing
    return replace(
        drawn,
        payloads=enlarged.payloads,
        resolved=replace(picture, upscale=made.upscale, format=made.format, quality=made.quality),
        ingredients=(*drawn.ingredients, upscaler),
        timing=replace(
            before,
            loaded_s=before.loaded_s + after.loaded_s,
            decoded_s=before.decoded_s + after.decoded_s,
            filed_s=before.filed_s + after.filed_s,
        ),
        peak_bytes=max(drawn.peak_bytes, enlarged.peak_bytes),
        warnings=tuple(dict.fromkeys((*drawn.warnings, *enlarged.warnings))),
        thumbnail=enlarged.thumbnail,
    )
