"""How a request's gaps are filled."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.config.engine import (
    SMALL_BYTES,
    CaptionSettings,
    Device,
    GenerateSettings,
    ModelSettings,
    allocator_options,
    memory_fraction,
)
from aura_daemon.engines.defaults import ModelDefaults, resolve_caption, resolve_generate
from aura_daemon.jobs.requests import CaptionRequest, CaptionSampling, GenerateRequest
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.sampling import NATIVE_512, Scheduler, size_for
from aura_daemon.jobs.speed import Speed

ISSUE_TABLE = {
    "1:1": (512, 512),
    "16:9": (912, 512),
    "9:16": (512, 912),
    "4:3": (680, 512),
    "3:4": (512, 680),
    "3:2": (768, 512),
    "2:3": (512, 768),
    "5:4": (640, 512),
    "4:5": (512, 640),
    "21:9": (1152, 512),
    "Auto": (512, 512),
}


def test_at_512_the_sizes_are_those_of_the_issue() -> None:
    assert {ratio: size_for(ratio, 512) for ratio in NATIVE_512} == ISSUE_TABLE


def test_at_the_size_of_the_embedded_model_the_sizes_scale() -> None:
    assert size_for("1:1", 64) == (64, 64)
    assert size_for("16:9", 64) == (112, 64)
    assert size_for("2:3", 64) == (64, 96)


@given(st.sampled_from(sorted(NATIVE_512)), st.integers(1, 2048))
@settings(max_examples=25)
def test_sizes_are_multiples_of_8_at_every_native_size(ratio: str, native_size_px: int) -> None:
    width, height = size_for(ratio, native_size_px)
    assert width % 8 == height % 8 == 0
    assert min(width, height) >= 8


def test_without_a_seed_nothing_is_resolved() -> None:
    with pytest.raises(ValueError, match="seed is drawn"):
        resolve_generate(GenerateRequest(prompt="x"), GenerateSettings(), ModelDefaults())


def test_a_bare_prompt_takes_what_suits_the_model() -> None:
    resolved, notes = resolve_generate(GenerateRequest(prompt="x", seed=0), GenerateSettings(), ModelDefaults())
    assert (resolved.steps, resolved.guidance_scale, resolved.scheduler) == (25, 9.0, "dpm++_2m_karras")
    assert (resolved.width, resolved.height, resolved.seed) == (512, 512, 0)
    assert notes == ()


def test_the_job_comes_before_the_configuration_and_that_before_the_model() -> None:
    configured = GenerateSettings(steps=11, guidance_scale=0.0, scheduler=Scheduler.DDIM)
    resolved, _ = resolve_generate(GenerateRequest(prompt="x", seed=1), configured, ModelDefaults())
    assert (resolved.steps, resolved.guidance_scale, resolved.scheduler) == (11, 0.0, "ddim")
    asked = GenerateRequest(prompt="x", seed=1, steps=1, guidance_scale=2.0, scheduler="euler")
    resolved, _ = resolve_generate(asked, configured, ModelDefaults())
    assert (resolved.steps, resolved.guidance_scale, resolved.scheduler) == (1, 2.0, "euler")


@pytest.mark.parametrize(
    ("image", "native_px", "size"),
    [
        ((512, 512), 512, (512, 512)),
        ((1920, 1080), 512, (912, 512)),
        ((1080, 1920), 512, (512, 912)),
        ((20, 10), 512, (1024, 512)),  # small ones are enlarged
        ((10_000, 100), 512, (2048, 512)),  # nothing is longer than a job could ask for
        ((1, 60_000), 64, (64, 2048)),
    ],
)
def test_a_picture_from_an_image_is_shaped_like_it_at_the_model_s_size(
    image: tuple[int, int], native_px: int, size: tuple[int, int]
) -> None:
    request, own = GenerateRequest(prompt="x", seed=1, image="a.png"), ModelDefaults(native_size_px=native_px)
    resolved, notes = resolve_generate(request, GenerateSettings(), own, image)
    assert (resolved.width, resolved.height) == size
    assert (resolved.strength, notes) == (0.75, ())


def test_a_job_that_says_a_size_or_a_ratio_is_not_shaped_like_its_image() -> None:
    for asked, size in (
        (GenerateRequest(prompt="x", seed=1, image="a.png", aspect_ratio="2:3"), (512, 768)),
        (GenerateRequest(prompt="x", seed=1, image="a.png", width=640), (640, 512)),
    ):
        resolved, _ = resolve_generate(asked, GenerateSettings(), ModelDefaults(), (1920, 1080))
        assert (resolved.width, resolved.height) == size


@pytest.mark.parametrize(
    ("width", "height", "size", "notes"),
    [
        (768, 640, (768, 640), 0),
        (682, 512, (680, 512), 1),
        (None, 300, (512, 304), 1),
        (68, None, (72, 512), 1),
        (66, 67, (64, 64), 2),
    ],
)
def test_width_and_height_override_and_say_when_they_are_rounded(
    width: int | None, height: int | None, size: tuple[int, int], notes: int
) -> None:
    request = GenerateRequest(prompt="x", seed=1, aspect_ratio="21:9", width=width, height=height)
    resolved, messages = resolve_generate(request, GenerateSettings(), ModelDefaults())
    assert (resolved.width, resolved.height) == size
    assert len(messages) == notes
    assert all("rounded" in note for note in messages)


@pytest.mark.parametrize(
    ("speed", "asked", "configured", "own", "steps"),
    [
        (Speed.FAST, None, None, 25, 15),
        (Speed.FAST, None, None, 8, 8),  # a model made for few
        (Speed.FAST, None, 20, 25, 20),
        (Speed.FAST, 40, 20, 25, 40),
        (Speed.BALANCED, None, None, 25, 25),
        (Speed.EXACT, None, None, 25, 25),
    ],
)
def test_fast_takes_fewer_steps_only_where_nobody_names_any(
    speed: Speed, asked: int | None, configured: int | None, own: int, steps: int
) -> None:
    request = GenerateRequest(prompt="x", seed=1, steps=asked, speed=speed)
    resolved, _ = resolve_generate(request, GenerateSettings(steps=configured), ModelDefaults(steps=own))
    assert (resolved.steps, resolved.speed) == (steps, speed)


@pytest.mark.parametrize(("asked", "configured", "tokens"), [(7, 9, 7), (None, 9, 9), (None, None, 50)])
def test_the_length_of_a_caption_has_the_same_precedence(
    asked: int | None, configured: int | None, tokens: int
) -> None:
    request = CaptionRequest(image="a.png", prompt="a photo of", max_new_tokens=asked)
    resolved = resolve_caption(request, CaptionSettings(max_new_tokens=configured), ModelDefaults())
    assert resolved == ResolvedCaption(image="a.png", prompt="a photo of", max_new_tokens=tokens)


@pytest.mark.parametrize(
    ("asked", "configured", "beams", "candidates", "max_words"),
    [
        ({}, {}, 1, 1, 0),
        ({}, {"beams": 4, "max_words": 9}, 4, 1, 9),
        ({"beams": 2, "max_words": 0}, {"beams": 4, "max_words": 9}, 2, 1, 0),
        ({"beams": 2, "candidates": 3}, {}, 3, 3, 0),
        ({"sampling": CaptionSampling(seed=7), "candidates": 3}, {"beams": 4}, 1, 3, 0),
    ],
)
def test_how_a_caption_is_written_has_the_same_precedence(
    asked: dict[str, Any], configured: dict[str, Any], beams: int, candidates: int, max_words: int
) -> None:
    resolved = resolve_caption(CaptionRequest(**asked), CaptionSettings(**configured), ModelDefaults())
    assert (resolved.beams, resolved.candidates, resolved.max_words) == (beams, candidates, max_words)
    assert resolved.rows == max(beams, candidates)
    assert resolved.sampling == asked.get("sampling")


def test_words_are_drawn_by_chance_only_with_a_journaled_seed() -> None:
    with pytest.raises(ValueError, match="journaled"):
        resolve_caption(CaptionRequest(sampling=CaptionSampling()), CaptionSettings(), ModelDefaults())


@pytest.mark.parametrize(
    ("spelling", "scheduler"),
    [
        ("DPM++ 2M Karras", Scheduler.DPMPP_2M_KARRAS),
        ("dpmpp_2m", Scheduler.DPMPP_2M),
        ("Euler a", Scheduler.EULER_A),
        (" EULER ", Scheduler.EULER),
        ("ddim", Scheduler.DDIM),
        ("DPM++ SDE Karras", Scheduler.DPMPP_SDE_KARRAS),
        ("DPM++ 2M SDE", Scheduler.DPMPP_2M_SDE),
        ("LMS Karras", Scheduler.LMS_KARRAS),
        ("Heun", Scheduler.HEUN),
        ("PLMS", Scheduler.PNDM),
        ("UniPC", Scheduler.UNIPC),
        ("uni_pc", Scheduler.UNIPC),
        ("euler_ancestral", Scheduler.EULER_A),
        ("LCM", Scheduler.LCM),
        ("Align Your Steps", Scheduler.ALIGN_YOUR_STEPS),
        ("AYS", Scheduler.ALIGN_YOUR_STEPS),
    ],
)
def test_samplers_are_understood_as_other_tools_spell_them(spelling: str, scheduler: Scheduler) -> None:
    assert Scheduler(spelling) is scheduler


def test_an_unknown_sampler_is_none() -> None:
    with pytest.raises(ValueError, match="Restart"):
        Scheduler("Restart")


@pytest.mark.parametrize("spelling", ["auto", "cpu", "cuda", "xpu", "mps"])
def test_a_device_is_called_as_torch_calls_it(spelling: str) -> None:
    assert Device(spelling) == spelling


def test_a_gpu_is_cuda_to_those_who_say_gpu_and_nothing_else_is() -> None:
    assert Device("gpu") is Device.CUDA
    with pytest.raises(ValueError, match="tpu"):
        Device("tpu")


CARD_GIB = 1 << 30


@pytest.mark.parametrize(
    ("configured", "total_bytes", "may_spill", "fraction"),
    [
        (None, 4 * CARD_GIB, False, 0.95),
        (None, 6 * CARD_GIB, False, 0.95),
        (None, SMALL_BYTES + 1, False, None),
        (None, 24 * CARD_GIB, True, 0.95),
        (0.5, 4 * CARD_GIB, False, 0.5),
        (0.5, 80 * CARD_GIB, True, 0.5),
    ],
)
def test_small_cards_and_those_that_spill_are_not_filled_to_the_brim(
    configured: float | None, total_bytes: int, may_spill: bool, fraction: float | None
) -> None:
    assert memory_fraction(configured, total_bytes, may_spill=may_spill) == fraction


@pytest.mark.parametrize(
    ("configured", "total_bytes", "options"),
    [
        (None, None, "expandable_segments:True"),
        (None, 8 * CARD_GIB, "expandable_segments:True"),
        (None, 6 * CARD_GIB, "expandable_segments:True,max_split_size_mb:128"),
        (64, 6 * CARD_GIB, "expandable_segments:True,max_split_size_mb:64"),
        (64, 8 * CARD_GIB, "expandable_segments:True,max_split_size_mb:64"),
        (64, None, "expandable_segments:True,max_split_size_mb:64"),
    ],
)
def test_on_small_cards_the_allocator_splits_no_large_blocks(
    configured: int | None, total_bytes: int | None, options: str
) -> None:
    assert allocator_options(configured, total_bytes) == options


def test_at_turbo_what_is_configured_for_other_levels_does_not_count() -> None:
    configured = GenerateSettings(steps=30, guidance_scale=7.0, scheduler=Scheduler.EULER)
    own = ModelDefaults(steps=4, guidance_scale=1.0, scheduler=Scheduler.LCM)
    resolved, _ = resolve_generate(GenerateRequest(prompt="x", seed=0, speed=Speed.TURBO), configured, own)
    assert (resolved.steps, resolved.guidance_scale, resolved.scheduler) == (4, 1.0, Scheduler.LCM)
    assert GenerateSettings(speed=Speed.TURBO).at_turbo
    assert not (configured.at_turbo or CaptionSettings().at_turbo)


def test_a_unet_that_is_told_the_guidance_takes_no_second_pass() -> None:
    assert ModelDefaults().is_guided(2.0)
    assert not ModelDefaults().is_guided(1.0)
    assert not ModelDefaults(embedded_guidance=True).is_guided(8.0)


def test_the_model_for_questions_has_a_revision_of_its_own_and_the_captioner_s_right_to_pickles() -> None:
    captions = CaptionSettings(model="blip-base", revision="main", allow_pickle=True)
    assert captions.answering is None
    answers = replace(captions, question_model="blip-vqa-base").answering
    assert answers == ModelSettings(model="blip-vqa-base", allow_pickle=True)
    assert captions.matching is None
    matching = replace(captions, matching_model="blip-itm-base").matching
    assert matching == ModelSettings(model="blip-itm-base", allow_pickle=True)
