"""Which jobs wait in one queue, run in one batch and take the same memory."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from aura_daemon.jobs.caption_files import AskedCaptionFile, CaptionFile, CaptionPlace
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.queueing import batch_key, demand_of, engine_kind, model_named, queue_of
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    CaptionSampling,
    DatasetRequest,
    Describe,
    EmbeddedSettings,
    GenerateRequest,
    GridRequest,
    Hires,
    ImageFormat,
    JobKind,
    Lora,
    MatchRequest,
    Metadata,
    PictureCheck,
    Request,
    UpscaleRequest,
)
from aura_daemon.jobs.speed import Speed

PLAIN = GenerateRequest(prompt="a cat")

APART: dict[str, object] = {
    "steps": 3,
    "guidance_scale": 1.0,
    "scheduler": "ddim",
    "aspect_ratio": "16:9",
    "width": 512,
    "height": 512,
    "model": "sd-1.4",
    "speed": Speed.FAST,
    "variant": "openvino",
    "loras": (Lora(name="ink"),),
    "strength": 0.5,
    "clip_skip": 2,
    "control": (Control(image="a.png", model="canny"),),
    "like": (PicturePrompt(image="a.png"),),
    "upscale": Upscale(scale=2),
}
ALONE: dict[str, object] = {
    "image": "a.png",
    "hires": Hires(),
    "regions": (Region(prompt="a dog", box=(0, 0, 1, 0.5)),),
}
ALIKE: dict[str, object] = {
    "prompt": "a dog",
    "negative_prompt": "blue",
    "seed": 7,
    "format": ImageFormat.WEBP,
    "quality": 50,
    "metadata": Metadata.NONE,
    "preview": 5,
    "output": "{seed}",
    "tags": ("x",),
    "notes": "y",
    "embedded": EmbeddedSettings(image="a.png"),
    "described": "a.png",
    "follows": "j-001",
    "check": PictureCheck(best_of=4),
}


def changed(**changes: object) -> GenerateRequest:
    return replace(PLAIN, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ALIKE)
def test_jobs_go_together_whatever_they_ask_for_and_however_it_is_written(key: str) -> None:
    assert batch_key(changed(**{key: ALIKE[key]})) == batch_key(PLAIN)


@pytest.mark.parametrize("key", APART)
def test_jobs_do_not_go_together_that_are_drawn_in_another_way(key: str) -> None:
    other = batch_key(changed(**{key: APART[key]}))
    assert other is not None
    assert other != batch_key(PLAIN)


@pytest.mark.parametrize(
    "request_",
    [*(changed(**{key: value}) for key, value in ALONE.items()), GridRequest(cells=(), columns=1)],
    ids=[*ALONE, "grid"],
)
def test_what_starts_from_an_image_has_two_passes_or_is_a_sheet_runs_alone(request_: Request) -> None:
    assert batch_key(request_) is None


CAPTIONS_APART: dict[str, object] = {
    "describe": Describe.TAGS,
    "max_new_tokens": 5,
    "beams": 4,
    "sampling": CaptionSampling(temperature=0.5),
    "candidates": 5,
    "question": "what is it?",
}
CAPTIONS_ALIKE: dict[str, object] = {
    "image": "b.png",
    "prompt": "a photo of",
    "max_words": 5,
    "embed": True,
    "caption": AskedCaptionFile(place=CaptionPlace.BESIDE),
    "picture": "sub/b.png",
    "matched": True,
    "of_set": True,
}


@pytest.mark.parametrize("key", CAPTIONS_ALIKE)
def test_captions_go_together_that_differ_in_their_image_their_beginning_or_in_what_is_made_of_them(key: str) -> None:
    changed = replace(CaptionRequest(image="a.png"), **{key: CAPTIONS_ALIKE[key]})  # type: ignore[arg-type]
    assert batch_key(changed) == batch_key(CaptionRequest(image="a.png"))


@pytest.mark.parametrize("key", CAPTIONS_APART)
def test_captions_do_not_go_together_that_are_written_in_another_way(key: str) -> None:
    changed = replace(CaptionRequest(), **{key: CAPTIONS_APART[key]})  # type: ignore[arg-type]
    assert batch_key(changed) != batch_key(CaptionRequest())


def test_captions_drawn_by_chance_go_together_whatever_their_seeds() -> None:
    one, other = (CaptionRequest(sampling=CaptionSampling(seed=seed)) for seed in (1, 2))
    warmer = CaptionRequest(sampling=CaptionSampling(temperature=1.5, seed=1))
    assert batch_key(one) == batch_key(other) != batch_key(warmer)


def test_every_key_of_a_request_was_thought_of() -> None:
    assert {field.name for field in fields(GenerateRequest)} == {*APART, *ALONE, *ALIKE, "mask"}
    assert {field.name for field in fields(CaptionRequest)} == {*CAPTIONS_APART, *CAPTIONS_ALIKE}


DRAWING = BenchmarkRequest(picture=GenerateRequest(prompt="", model="sd-1.4"), sizes=((512, 512), (768, 512)))


def test_a_benchmark_needs_the_engine_and_the_model_of_what_it_measures() -> None:
    assert (engine_kind(DRAWING), model_named(DRAWING)) == (JobKind.GENERATE, "sd-1.4")
    captions = BenchmarkRequest(caption=CaptionRequest())
    assert (engine_kind(captions), model_named(captions)) == (JobKind.CAPTION, "")
    assert engine_kind(BenchmarkRequest()) is JobKind.CAPTION
    assert (engine_kind(GenerateRequest(prompt="x")), model_named(CaptionRequest())) == (JobKind.GENERATE, "")


def test_a_benchmark_runs_alone_and_waits_for_memory_by_its_sizes() -> None:
    assert batch_key(DRAWING) is None
    assert demand_of(DRAWING) == "benchmark generate sd-1.4 512x512 768x512"


@pytest.mark.parametrize(
    ("request_", "queue"),
    [
        (GenerateRequest(prompt="x"), ""),
        (GenerateRequest(prompt="x", model="sd-1.4"), "sd-1.4"),
        (GenerateRequest(prompt="x", speed=Speed.FAST), "without turbo"),
        (GenerateRequest(prompt="x", model="sd-1.4", speed=Speed.EXACT), "sd-1.4 without turbo"),
        (GenerateRequest(prompt="x", speed=Speed.TURBO), "at turbo"),
        (GenerateRequest(prompt="x", model="sd-1.4", speed=Speed.TURBO), "sd-1.4 at turbo"),
        (BenchmarkRequest(picture=GenerateRequest(prompt="x", speed=Speed.TURBO)), "at turbo"),
        (CaptionRequest(), ""),
        (CaptionRequest(question="what is it?"), "questions"),
        (MatchRequest(texts=("a",)), "matches"),
    ],
)
def test_jobs_at_turbo_those_that_refuse_it_questions_and_comparisons_wait_by_themselves(
    request_: Request, queue: str
) -> None:
    assert queue_of(request_) == queue


def test_jobs_with_maps_wait_for_memory_apart_from_others() -> None:
    twice = changed(control=(Control(image="a.png", model="canny"), Control(image="b.png", model="canny")))
    assert (demand_of(PLAIN), demand_of(twice)) == ("generate", "generate with canny")
    like = PicturePrompt(image="a.png")
    assert demand_of(changed(like=(like,))) == "generate like 1 picture"
    assert demand_of(changed(like=(like, like))) == "generate like 2 pictures"


def test_questions_go_together_whatever_they_ask_and_apart_from_captions() -> None:
    one, other = CaptionRequest(image="a.png", question="what is it?"), CaptionRequest(question="how many?")
    assert batch_key(one) == batch_key(other) != batch_key(CaptionRequest())
    assert (demand_of(one), demand_of(CaptionRequest())) == ("question", "caption")


def test_comparisons_go_together_whatever_their_texts_and_wait_for_memory_by_how_many_there_are() -> None:
    one, other = MatchRequest(image="a.png", texts=("a", "b")), MatchRequest(texts=("c",))
    assert batch_key(one) == batch_key(other) != batch_key(CaptionRequest())
    assert (demand_of(one), demand_of(other)) == ("match of 2 texts", "match of 1 text")
    assert engine_kind(one) is JobKind.CAPTION


def test_a_set_is_put_together_alone_and_without_a_model() -> None:
    request = DatasetRequest(images=("set/**",), base="set", file=CaptionFile())
    assert (batch_key(request), demand_of(request), queue_of(request)) == (None, "dataset", "")


def test_pictures_that_are_enlarged_wait_by_their_upscaler_and_go_together_whatever_they_show() -> None:
    one = UpscaleRequest(image="a.png", upscale=Upscale(model="anime", tile=64), tags=("x",))
    other = UpscaleRequest(image="b.png", upscale=Upscale(model="anime", tile=64), quality=80)
    assert batch_key(one) == batch_key(other) != batch_key(UpscaleRequest())
    assert (queue_of(one), queue_of(UpscaleRequest())) == ("anime", "")
    assert (demand_of(one), demand_of(UpscaleRequest())) == ("upscale anime in tiles of 64", "upscale")
    assert engine_kind(one) is JobKind.UPSCALE
