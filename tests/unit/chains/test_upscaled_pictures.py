"""Pictures that are enlarged once they are drawn: what runs, and what is delivered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aura_daemon.chains.next_part import chain_of, completed, next_part
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import (
    CaptionRequest,
    GenerateRequest,
    ImageFormat,
    Metadata,
    PictureCheck,
    Request,
    UpscaleRequest,
)
from aura_daemon.jobs.resolved import ResolvedGenerate, ResolvedUpscale
from aura_daemon.jobs.results import EngineTiming, IngredientKind, Payload, Produced

ASKED = GenerateRequest(
    prompt="a red circle",
    seed=7,
    format=ImageFormat.JPG,
    quality=80,
    metadata=Metadata.MINIMAL,
    upscale=Upscale(model="four", scale=2.0),
)


def part(request: Request) -> JobPart:
    text = "a red circle" if isinstance(request, CaptionRequest) else ""
    return JobPart(request=request, model="m", model_sha256="0", device="cpu", rung="cpu", seconds=1.0, text=text)


def run(asked: GenerateRequest) -> tuple[list[Chain], ChosenPart, tuple[JobPart, ...]]:
    chains: list[Chain] = []
    done: tuple[JobPart, ...] = ()
    while isinstance(following := next_part(asked, done), Chain):
        chains.append(following)
        done = (*done, part(following.runs))
    return chains, following, done


def test_a_picture_is_drawn_without_loss_and_then_enlarged() -> None:
    chains, chosen, _ = run(ASKED)
    assert chain_of(ASKED) == chains[0]
    assert [chain.runs for chain in chains] == [
        replace(ASKED, upscale=None, format=ImageFormat.PNG, quality=None),
        UpscaleRequest(
            upscale=Upscale(model="four", scale=2.0), format=ImageFormat.JPG, quality=80, metadata=Metadata.MINIMAL
        ),
    ]
    assert [chain.looks_at for chain in chains] == [None, 0]
    assert chosen == ChosenPart(part=0)


def test_of_several_tries_the_best_alone_is_enlarged() -> None:
    chains, chosen, done = run(replace(ASKED, check=PictureCheck(best_of=2)))
    kinds = [type(chain.runs) for chain in chains]
    assert kinds == [GenerateRequest, GenerateRequest, CaptionRequest, CaptionRequest, UpscaleRequest]
    assert (chains[-1].looks_at, chosen) == (0, ChosenPart(part=0))
    made = completed(replace(ASKED, check=PictureCheck(best_of=2)), done, drawn(), last=enlarged())
    assert made.match is not None
    assert made.match.seed == 7


def test_a_picture_of_a_caption_is_described_drawn_and_enlarged() -> None:
    chains, chosen, _ = run(replace(ASKED, prompt="{caption}", described="a.png"))
    assert [type(chain.runs) for chain in chains] == [CaptionRequest, GenerateRequest, UpscaleRequest]
    assert (chains[-1].looks_at, chosen) == (1, ChosenPart(part=1))


def test_the_result_is_what_was_drawn_as_large_as_it_became() -> None:
    _, _, done = run(ASKED)
    made = completed(ASKED, done, drawn(), last=enlarged())
    assert made.payloads == enlarged().payloads
    assert isinstance(made.resolved, ResolvedGenerate)
    assert (made.resolved.upscale, made.resolved.format, made.resolved.quality) == (
        Upscale(model="four", scale=2.0, tile=512),
        ImageFormat.JPG,
        80,
    )
    assert made.resolved.seed == 7
    assert made.model == "drawer"
    (upscaler,) = made.ingredients
    assert (upscaler.kind, upscaler.name, upscaler.sha256) == (IngredientKind.UPSCALER, "four", "f" * 64)
    assert (made.timing.loaded_s, made.timing.decoded_s, made.peak_bytes) == (3.0, pytest.approx(0.7), 20)
    assert made.warnings == ("drawn", "made smaller")


def drawn() -> Produced:
    resolved = ResolvedGenerate(
        prompt="a red circle",
        negative_prompt="",
        steps=2,
        guidance_scale=1.0,
        scheduler="euler",
        seed=7,
        width=64,
        height=64,
    )
    return produced(resolved, "drawer", EngineTiming(loaded_s=1.0, decoded_s=0.5), 10, ("drawn",))


def enlarged() -> Produced:
    asked = Upscale(model="four", scale=2.0, tile=512)
    resolved = ResolvedUpscale(image=None, upscale=asked, format=ImageFormat.JPG, quality=80)
    return produced(resolved, "four", EngineTiming(loaded_s=2.0, decoded_s=0.2), 20, ("drawn", "made smaller"))


def produced(
    resolved: ResolvedGenerate | ResolvedUpscale, model: str, timing: EngineTiming, peak: int, warnings: tuple[str, ...]
) -> Produced:
    return Produced(
        payloads=(Payload(extension=".png", content=model.encode()),),
        resolved=resolved,
        model=model,
        model_sha256=model[0] * 64,
        device="cpu",
        dtype="float32",
        rung="cpu",
        batch_size=1,
        timing=timing,
        peak_bytes=peak,
        warnings=warnings,
    )
