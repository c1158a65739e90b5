"""Transparency, and pictures that are converted strip by strip."""

from __future__ import annotations

import numpy
import pytest
from PIL import Image, ImageDraw

from aura_daemon.engines.images.colours import Converted, Ground, in_rgb


def converted(picture: Image.Image, ground: Ground = Ground.CONTRAST, shrinking: int = 1) -> Converted:
    return in_rgb(picture, shrinking=shrinking, ground=ground)


def drawing(colour: str, ground: str | None = None) -> Image.Image:
    """A disc, on nothing or on a ground."""
    picture = Image.new("RGBA", (32, 32), ground or (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((8, 8, 23, 23), colour)
    return picture


@pytest.mark.parametrize("colour", ["red", "black", "gray"])
def test_transparent_parts_are_white_and_told(colour: str) -> None:
    got = converted(drawing(colour))
    assert got.image.getpixel((0, 0)) == (255, 255, 255)
    assert got.warnings == ("its transparent parts are read as white",)
    assert got.alpha is not None
    assert got.alpha.getpixel((0, 0)) == 0


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_white_on_nothing_is_seen_on_black_and_told(mode: str) -> None:
    got = converted(drawing("white").convert(mode))
    assert got.image.getpixel((0, 0)) == (0, 0, 0)
    assert got.image.getpixel((16, 16)) == (255, 255, 255)
    assert got.warnings == ("its transparent parts are read as black, because on white nothing of it would be seen",)


def test_a_picture_that_is_transparent_everywhere_says_so() -> None:
    got = converted(Image.new("RGBA", (8, 8), (255, 0, 0, 0)))
    assert got.image.getpixel((4, 4)) == (255, 255, 255)
    assert got.warnings == ("it is transparent everywhere, so that nothing of it is seen",)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_alpha_channel_that_hides_nothing_is_not_told(mode: str) -> None:
    got = converted(drawing("red", "blue").convert(mode))
    assert (got.warnings, got.alpha) == ((), None)


def test_a_colour_of_a_palette_that_is_transparent_is_white() -> None:
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((4, 4), 1)
    picture.info["transparency"] = 0
    got = converted(picture)
    assert (got.image.getpixel((0, 0)), got.image.getpixel((4, 4))) == ((255, 255, 255), (0, 0, 255))


def test_a_colour_that_a_png_names_as_transparent_is_white() -> None:
    picture = Image.new("RGB", (8, 8), "red")
    picture.putpixel((4, 4), (0, 0, 255))
    picture.info["transparency"] = (255, 0, 0)
    assert converted(picture).image.getpixel((0, 0)) == (255, 255, 255)


def test_under_a_mask_lies_black() -> None:
    got = converted(drawing("white"), Ground.BLACK)
    assert got.image.getpixel((0, 0)) == (0, 0, 0)
    assert got.warnings == ()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"])
@pytest.mark.parametrize("shrinking", [1, 3])
def test_strips_make_no_difference(mode: str, shrinking: int) -> None:
    pixels = numpy.random.default_rng(0).integers(0, 255, (50, 40, 4), dtype=numpy.uint8)
    picture = Image.fromarray(pixels)
    picture = (
        picture.convert("L").convert("I").convert(mode) if mode[0] in "IF" else picture.convert("RGB").convert(mode)
    )
    whole = converted(picture, shrinking=shrinking).image
    strips = in_rgb(picture, shrinking=shrinking, ground=Ground.CONTRAST, strip_px=40 * 7).image
    assert strips.tobytes() == whole.tobytes()
    assert whole.size == (-(-40 // shrinking), -(-50 // shrinking))
