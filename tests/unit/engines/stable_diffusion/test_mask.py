"""Which parts of an image a mask selects."""

from __future__ import annotations

import numpy
import pytest
from PIL import Image, ImageDraw

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.stable_diffusion.mask import Mask, read_mask
from aura_daemon.engines.stable_diffusion.start_image import InitImage, read_start
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure
from tests.support.image_files import encoded

SIZE = (64, 64)
HOLE = (0, 0, 31, 63)
"""The left half."""


def mask_of(picture: Image.Image) -> Mask:
    read = read_mask(encoded(picture, "PNG"), "m.png", EngineSettings())
    assert isinstance(read, Mask), read
    return read


def selected(mask: Mask) -> numpy.ndarray:
    return numpy.asarray(mask.picture) >= 128


def with_hole(picture: Image.Image) -> Image.Image:
    alpha = Image.new("L", picture.size, 255)
    ImageDraw.Draw(alpha).rectangle(HOLE, 0)
    picture = picture.convert("RGBA")
    picture.putalpha(alpha)
    return picture


def photo() -> Image.Image:
    pixels = numpy.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=numpy.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    "around",
    [photo(), Image.new("L", SIZE, 0), Image.new("RGB", SIZE, "green"), photo().convert("L")],
    ids=["photo", "black", "green", "grey photo"],
)
def test_a_hole_cut_out_of_a_picture_is_drawn_anew(around: Image.Image) -> None:
    mask = mask_of(with_hole(around))
    assert selected(mask)[:, :32].all()
    assert not selected(mask)[:, 32:].any()
    assert mask.warnings == ("m.png: its transparent parts are drawn anew, and what is opaque stays",)


@pytest.mark.parametrize("stays", ["black", "clear"])
def test_white_paint_on_nothing_is_drawn_anew(stays: str) -> None:
    layer = Image.new("RGBA", SIZE, (0, 0, 0, 0 if stays == "clear" else 255))
    layer.paste((255, 255, 255, 255), (32, 0, 64, 64))
    layer.paste((0, 0, 0, 0), (0, 0, 8, 8))
    mask = mask_of(layer)
    assert selected(mask)[:, 32:].all()
    assert not selected(mask)[:, :32].any()
    assert mask.warnings == ()


def test_a_soft_mask_without_transparency_is_cut_at_its_middle() -> None:
    mask = mask_of(Image.linear_gradient("L"))
    assert selected(mask)[128:].all()
    assert not selected(mask)[:128].any()


@pytest.mark.parametrize("picture", [Image.new("L", SIZE, 127), Image.new("RGBA", SIZE, "black"), Image.new("1", SIZE)])
def test_a_mask_that_selects_nothing_fails_with_what_to_paint(picture: Image.Image) -> None:
    failed = read_mask(encoded(picture, "PNG"), "m.png", EngineSettings())
    assert isinstance(failed, Failure)
    assert failed.message == "m.png is nowhere white, so it selects nothing to draw anew"
    assert "paint white" in failed.mend


@pytest.mark.parametrize("picture", [Image.new("L", SIZE, 255), Image.new("RGBA", SIZE, (0, 0, 0, 0))])
def test_a_mask_that_selects_everything_says_so(picture: Image.Image) -> None:
    mask = mask_of(picture)
    assert selected(mask).all()
    assert mask.warnings[-1] == "m.png: it selects everything, so all of the image is drawn anew"


@pytest.mark.parametrize(("size", "told"), [((32, 32), False), ((64, 32), True), ((128, 128), False)])
def test_a_mask_of_another_shape_is_stretched_and_says_so(size: tuple[int, int], told: bool) -> None:
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    request = GenerateRequest(prompt="a", image="x.png", mask="m.png")
    start = read_start(request, encoded(photo(), "PNG"), encoded(mask, "PNG"), EngineSettings())
    assert isinstance(start, InitImage)
    stretched = "m.png: it is 64x32, and the image 64x64: it is stretched over the whole image"
    assert start.warnings == ((stretched,) if told else ())
