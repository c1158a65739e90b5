"""Regions, drawn: the pixels of plain prompts where there is one, and what is seen where there are several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from aura_daemon.engines.prompts.encoding import EncodedPass
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.guidance.regions.places import View
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_prompt import Layer, RegionalPass
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_unet import RegionalUNet, computed_rows
from aura_daemon.formats.prompts.prompt_passes import read
from aura_daemon.formats.prompts.prompt_schedule import PassSteps
from aura_daemon.jobs.guidance.regions import Box, Region
from aura_daemon.jobs.requests import GenerateRequest, Hires
from aura_daemon.jobs.results import Failure, IngredientKind, Produced
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import Speed
from aura_daemon.mini import GENERATOR
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.unit.engines.stable_diffusion.test_pipelines import (
    drawing,
    encoded,
    left_half,
    made,
    picture_of,
    pixels,
    session,
)

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

LEFT: Box = (0.0, 0.0, 0.5, 1.0)
RIGHT: Box = (0.5, 0.0, 1.0, 1.0)
ALL: Box = (0.0, 0.0, 1.0, 1.0)
LONG = "a " * 80


@pytest.fixture(scope="module")
def tiny(generator_folder: Path) -> Session:
    return session(generator_folder)


@pytest.fixture(scope="module")
def mini() -> Session:
    return session(GENERATOR)


def run(on: Session, prompt: str, *regions: Region, **asked: Any) -> Produced | Failure:
    contents = {name: asked.pop(name) for name in ("image", "mask") if name in asked}
    further = asked.pop("further", {})
    named = {name: f"{name}.png" for name in contents}
    keys: dict[str, Any] = {"prompt": prompt, "seed": 7, "steps": 4, "regions": regions} | named | asked
    request = GenerateRequest(**keys)
    outcome = run_alone(on, request, contents.get("image"), "", Listener(), mask=contents.get("mask"), further=further)
    assert isinstance(outcome, Produced | Failure)
    return outcome


def draw(on: Session, prompt: str, *regions: Region, **asked: Any) -> numpy.ndarray[Any, Any]:
    return pixels(picture_of(run(on, prompt, *regions, **asked)))


def there(prompt: str, box: Box = ALL, weight: float = 1.0) -> Region:
    return Region(prompt=prompt, box=box, weight=weight)


# -- parity ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        *({"scheduler": scheduler} for scheduler in Scheduler),
        {"guidance_scale": 1.0},
        {"hires": Hires(scale=1.5, strength=0.5)},
        {"image": encoded(drawing()), "strength": 0.5},
        {"image": encoded(drawing()), "mask": encoded(left_half()), "strength": 0.75},
        *({"speed": speed, "steps": 12} for speed in (Speed.BALANCED, Speed.FAST)),
    ],
    ids=lambda asked: " ".join(asked),
)
def test_a_region_that_is_all_of_the_picture_is_the_plain_prompt_bit_for_bit(
    tiny: Session, asked: dict[str, Any]
) -> None:
    told = {"negative_prompt": "c", **asked}
    got = draw(tiny, f"{LONG}other", there("a (red:1.2) cat"), **told)
    numpy.testing.assert_array_equal(got, draw(tiny, "a (red:1.2) cat", **told))


@pytest.mark.parametrize("prompt", ["a cat", "a [cat:dog:0.5]", "cat AND dog:0.5", f"{LONG}cat", "a BREAK (b:1.3)"])
def test_regions_that_say_the_same_are_one_prompt_but_for_rounding(tiny: Session, prompt: str) -> None:
    got = draw(tiny, "other", there(prompt, LEFT), there(prompt, RIGHT), negative_prompt="c")
    assert abs(got - draw(tiny, prompt, negative_prompt="c")).max() <= 1  # of 255: halves of latents are summed


def test_without_guidance_regions_that_say_the_same_are_one_prompt_too(tiny: Session) -> None:
    for prompt in ("a cat", "cat AND dog:0.5"):
        got = draw(tiny, "other", there(prompt, LEFT), there(prompt, RIGHT), guidance_scale=1.0)
        assert abs(got - draw(tiny, prompt, guidance_scale=1.0)).max() <= 1


def test_a_region_of_no_weight_and_one_that_says_what_the_prompt_says_change_nothing(tiny: Session) -> None:
    expected = draw(tiny, "a cat")
    numpy.testing.assert_array_equal(draw(tiny, "a cat", there("a dog", LEFT, weight=0.0)), expected)
    assert abs(draw(tiny, "a cat", there("a cat", LEFT)) - expected).max() <= 1
    assert (draw(tiny, "a cat", there("a dog", LEFT)) != expected).any()


def test_long_prompts_may_stand_beside_short_ones(tiny: Session) -> None:
    both = run(tiny, f"{LONG}b", there("short", LEFT), there(f"{LONG}{LONG}c", (0.5, 0.0, 1.0, 0.5)))
    assert made(both).windows == 3


# -- the formula -------------------------------------------------------------------------------------------------------


class RecordingUNet:
    """Predicts as noise what the embeddings hold, and counts rows."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.widths: list[int] = []

    def __call__(
        self, sample: torch.Tensor, _timestep: Any, encoder_hidden_states: torch.Tensor, **_: Any
    ) -> tuple[torch.Tensor]:
        self.rows.append(len(sample))
        self.widths.append(sample.shape[-1])
        return (sample + encoder_hidden_states.mean((1, 2))[:, None, None, None],)


TEXTS = {"a": 1.0, "b": 10.0, "n": 0.5}


def layer(prompt: str, share: list[float], *, guided: bool = True) -> Layer:
    texts = read(prompt, "n", [PassSteps(steps=4, taken=4)], guided=guided)
    embeddings = {text: torch.full((1, 77, 8), noise) for text, noise in TEXTS.items()}
    told = EncodedPass(texts=texts.passes[0], embeddings=embeddings)
    return Layer(told=told, share=torch.tensor(share)[None, None, None], view=View(top=0, left=0, bottom=1, right=2))


@pytest.mark.parametrize(
    ("prompts", "guided", "expected", "rows"),
    [
        (("a", "b"), True, [1.0, 0.25 * 1 + 0.75 * 10], [2, 1]),
        (("a", "b"), False, [1.0, 0.25 * 1 + 0.75 * 10], [1, 1]),
        (("a", "b AND a:2"), True, [1.0, 0.25 * 1 + 0.75 * (0.5 + 9.5 + 2 * 0.5)], [2, 2]),
        (("a", "b AND a:2"), False, [1.0, 0.25 * 1 + 0.75 * (0.5 + 9.5 + 2 * 0.5)], [1, 1, 1, 1]),
    ],
)
def test_each_latent_takes_the_noise_of_its_regions(
    prompts: tuple[str, str], guided: bool, expected: list[float], rows: list[int]
) -> None:
    unet = RecordingUNet()
    layers = [layer(prompts[0], [1.0, 0.25], guided=guided), layer(prompts[1], [0.0, 0.75], guided=guided)]
    prompted = RegionalUNet(unet, RegionalPass(layers))
    sample = torch.zeros(2 if guided else 1, 4, 1, 2)
    (noise,) = prompted(sample, 1, torch.zeros(len(sample), 77, 8))
    assert noise[-1, 0, 0].tolist() == pytest.approx(expected)
    assert unet.rows == rows
    assert computed_rows([RegionalPass(layers)], guided=guided) == sum(rows)
    if guided:
        assert noise[0, 0, 0].tolist() == [0.5, 0.5]


def test_a_prompt_sees_its_view_alone() -> None:
    unet = RecordingUNet()
    left, right = View(top=0, left=0, bottom=1, right=2), View(top=0, left=1, bottom=1, right=4)
    told = RegionalPass(
        [replace(layer("a", [1.0, 0.5, 0.0, 0.0]), view=left), replace(layer("b", [0.0, 0.5, 1.0, 1.0]), view=right)]
    )
    sample = torch.arange(4.0).expand(2, 4, 1, 4) * 100
    (noise,) = RegionalUNet(unet, told)(sample, 1, torch.zeros(2, 77, 8))
    assert noise[1, 0, 0].tolist() == pytest.approx([1, 100 + 5.5, 210, 310])
    assert noise[0, 0, 0].tolist() == pytest.approx([0.5, 100.5, 200.5, 300.5])
    assert unet.rows == [2, 2]
    assert unet.widths == [2, 3]
    assert computed_rows([told], guided=True) == (2 * 2 + 2 * 3) / 4
    assert computed_rows([told], guided=False) == (2 + 3) / 4


# -- what is told ------------------------------------------------------------------------------------------------------


def test_masks_are_ingredients_and_what_was_stretched_is_said(tiny: Session) -> None:
    mask = Region(prompt="a dog", mask="m.png")
    outcome = made(run(tiny, "a cat", mask, further={"m.png": encoded(left_half((32, 16)))}))
    assert [file.kind for file in outcome.ingredients] == [IngredientKind.REGION_MASK]
    assert any("m.png: it is 32x16, and the picture 64x64" in line for line in outcome.warnings)
    by_box = draw(tiny, "a cat", there("a dog", LEFT))
    numpy.testing.assert_array_equal(pixels(picture_of(outcome)), by_box)
    assert made(run(tiny, "a cat")).resolved != outcome.resolved


def test_a_mask_that_is_nowhere_white_fails_alone(tiny: Session) -> None:
    mask = Region(prompt="a dog", mask="m.png")
    failure = run(tiny, "a cat", mask, further={"m.png": encoded(Image.new("L", (8, 8), 0))})
    assert isinstance(failure, Failure)
    assert failure.message == "m.png is nowhere white, so the region is nowhere"


def test_the_embedded_model_judges_the_prompts_that_are_drawn(mini: Session) -> None:
    sentences = ("a large red circle on a white background", "a large green star on a white background")
    regions = there(sentences[0], LEFT), there(sentences[1], RIGHT)
    assert made(run(mini, "a mauve elephant", *regions, steps=2)).warnings == ()
    said = made(run(mini, sentences[0], there("a mauve elephant", LEFT), steps=2)).warnings
    assert sum("'mauve'" in line for line in said) == 1
