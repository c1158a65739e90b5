"""Where regions lie: how much of each latent is whose."""

from __future__ import annotations

import hashlib

import pytest
import torch
from PIL import Image

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.stable_diffusion.guidance.regions.places import (
    Places,
    RegionMask,
    Shares,
    read_region_masks,
    view_around,
)
from aura_daemon.jobs.guidance.regions import Box, Region
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind, Ingredient, IngredientKind
from aura_daemon.jobs.tasks import Task
from tests.support.image_files import encoded

LEFT: Box = (0.0, 0.0, 0.5, 1.0)
RIGHT: Box = (0.5, 0.0, 1.0, 1.0)
ALL: Box = (0.0, 0.0, 1.0, 1.0)


def boxed(*boxes: Box, weight: float = 1.0) -> Places:
    return Places(regions=[Region(prompt="x", box=box, weight=weight) for box in boxes], masks={})


def masked(mask: Image.Image, image_px: tuple[int, int] | None = None) -> Places:
    read = RegionMask(
        picture=mask, ingredient=Ingredient(kind=IngredientKind.REGION_MASK, name="m.png", sha256="0" * 64)
    )
    return Places(regions=[Region(prompt="x", mask="m.png")], masks={"m.png": read}, image_px=image_px)


def right_half(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    mask.paste(255, (size[0] // 2, 0, *size))
    return mask


def rows(share: torch.Tensor) -> list[list[float]]:
    return [[round(float(value), 3) for value in row] for row in share[0, 0]]


def together(shares: Shares) -> torch.Tensor:
    return sum(shares.regions, shares.main)


def test_a_box_is_a_share_of_the_picture_and_the_main_prompt_has_the_rest() -> None:
    shares = boxed((0.25, 0.0, 0.75, 0.5)).shares(32, 16)
    assert rows(shares.regions[0]) == [[0, 1, 1, 0], [0, 0, 0, 0]]
    assert rows(shares.main) == [[1, 0, 0, 1], [1, 1, 1, 1]]


def test_a_box_between_two_latents_has_its_part_of_both() -> None:
    assert rows(boxed((0.125, 0.0, 0.5, 1.0)).shares(32, 8).regions[0]) == [[0.5, 1, 0, 0]]
    assert rows(boxed((0.3, 0.3, 0.4, 0.4)).shares(8, 8).regions[0]) == [[0.01]]


def test_what_regions_share_goes_by_their_weights() -> None:
    regions = [Region(prompt="a", box=ALL, weight=1.5), Region(prompt="b", box=LEFT, weight=0.5)]
    shares = Places(regions=regions, masks={}).shares(16, 8)
    assert [rows(one) for one in shares.regions] == [[[0.75, 1]], [[0.25, 0]]]
    assert not shares.main.any()


def test_a_weight_below_1_leaves_a_share_to_the_main_prompt() -> None:
    shares = boxed(LEFT, weight=0.75).shares(16, 8)
    assert (rows(shares.regions[0]), rows(shares.main)) == ([[0.75, 0]], [[0.25, 1]])


@pytest.mark.parametrize("size", [(64, 64), (72, 56), (512, 768), (1000, 8)])
@pytest.mark.parametrize("parts", [2, 3, 7])
def test_parts_that_make_a_whole_leave_nothing_to_the_main_prompt(size: tuple[int, int], parts: int) -> None:
    boxes: list[Box] = [(number / parts, 0.0, (number + 1) / parts, 1.0) for number in range(parts)]
    shares = boxed(*boxes).shares(*size)
    assert not shares.main.any()
    torch.testing.assert_close(together(shares), torch.ones_like(shares.main))


def test_all_of_the_picture_is_exactly_all_of_it() -> None:
    assert bool((boxed(ALL).shares(72, 56).regions[0] == 1).all())
    assert bool((masked(Image.new("L", (5, 5), 255)).shares(72, 56).regions[0] == 1).all())


def test_a_mask_covers_the_whole_picture_whatever_its_size() -> None:
    places = masked(right_half((10, 30)))
    assert rows(places.shares(32, 16).regions[0]) == [[0, 0, 1, 1]] * 2
    assert places.warnings(32, 16) == (
        "m.png: it is 10x30, and the picture 32x16: it is stretched over the whole picture",
    )
    assert masked(right_half((64, 32))).warnings(32, 16) == ()


def test_a_mask_is_cropped_with_the_image_that_the_picture_starts_from() -> None:
    places = masked(right_half((64, 16)), image_px=(128, 32))
    assert rows(places.shares(32, 32).regions[0]) == [[0, 0, 1, 1]] * 4
    assert places.warnings(32, 32) == ()
    narrow = Image.new("L", (64, 16), 0)
    narrow.paste(255, (60, 0, 64, 16))
    failure = masked(narrow, image_px=(128, 32)).obstacle(32, 32)
    assert failure is not None
    assert failure.message == "m.png is nowhere white in the part of it that 32x32 shows, so the region is nowhere"
    assert masked(narrow).obstacle(32, 32) is None


def task(mask: bytes) -> Task:
    regions = (Region(prompt="x", mask="m.png"), Region(prompt="y", mask="m.png"), Region(prompt="z", box=ALL))
    return Task(job_id="j", request=GenerateRequest(prompt="p", regions=regions), further_images={"m.png": mask})


def test_the_mask_of_several_regions_is_read_once_and_named_with_its_hash() -> None:
    content = encoded(right_half((16, 16)), "PNG")
    read = read_region_masks(task(content), EngineSettings())
    assert isinstance(read, dict)
    assert list(read) == ["m.png"]
    ingredient = read["m.png"].ingredient
    assert (ingredient.kind, ingredient.name) == (IngredientKind.REGION_MASK, "m.png")
    assert ingredient.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (encoded(Image.new("L", (8, 8), 0), "PNG"), "m.png is nowhere white, so the region is nowhere"),
        (b"no picture", "m.png"),
        (b"", "m.png"),
    ],
)
def test_a_mask_that_is_none_is_told(content: bytes, said: str) -> None:
    failure = read_region_masks(task(content), EngineSettings())
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.BAD_INPUT
    assert said in failure.message


def test_what_is_read_otherwise_is_told_in_words_of_regions() -> None:
    hole = Image.new("RGBA", (8, 8), (10, 200, 10, 255))
    hole.paste((0, 0, 0, 0), (0, 0, 4, 8))
    read = read_region_masks(task(encoded(hole, "PNG")), EngineSettings())
    assert isinstance(read, dict)
    assert read["m.png"].warnings == ("m.png: its transparent parts are the region",)
    white = read_region_masks(task(encoded(Image.new("L", (8, 8), 255), "PNG")), EngineSettings())
    assert isinstance(white, dict)
    assert white["m.png"].warnings == ("m.png: it selects everything, so the region is all of the picture",)


@pytest.mark.parametrize(
    ("left", "right", "width", "least", "seen"),
    [
        (0, 8, 16, 8, (0, 8)),
        (8, 16, 16, 8, (8, 16)),
        (0, 4, 16, 8, (0, 8)),
        (6, 10, 16, 8, (4, 12)),
        (12, 16, 16, 8, (8, 16)),
        (0, 9, 32, 8, (0, 16)),  # a multiple of 8
        (3, 4, 7, 8, (0, 7)),  # no more than there is
        (3, 4, 32, 64, (0, 32)),
    ],
)
def test_a_region_is_seen_with_what_is_around_it(
    left: int, right: int, width: int, least: int, seen: tuple[int, int]
) -> None:
    covered = torch.zeros(1, 1, 8, width)
    covered[..., left:right] = 0.5
    view = view_around(covered, least)
    assert (view.top, view.bottom, view.left, view.right) == (0, 8, *seen)
    turned = view_around(covered.transpose(2, 3), least)
    assert (turned.left, turned.right, turned.top, turned.bottom) == (0, 8, *seen)


def test_the_least_view_is_the_size_of_the_model_or_all_of_the_picture() -> None:
    assert Places(regions=[], masks={}, native_px=512).least_view(768, 512) == 64
    assert Places(regions=[], masks={}).least_view(768, 512) == 96
