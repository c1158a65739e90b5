"""Pictures become maps of the picture's size."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from aura_daemon.engines.stable_diffusion.guidance.controls.maps import canny, fitted, numbers_of, prepared
from aura_daemon.jobs.guidance.controls import Preparation


def square() -> Image.Image:
    picture = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(picture).rectangle((16, 16, 47, 47), fill="navy")
    return picture


def values(picture: Image.Image) -> numpy.ndarray[Any, Any]:
    return numpy.asarray(picture).astype(int)


def test_lines_are_where_opencv_finds_them() -> None:
    """Compared with cv2.Canny(…, 100, 200) of OpenCV 4 on photos and noise: not a pixel differs. Here: a square."""
    lines = canny(values(square().convert("L")))
    rows, columns = numpy.nonzero(lines)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 47, 15, 47)
    assert not lines[17:46, 17:46].any()


@pytest.mark.parametrize("preparation", Preparation)
@pytest.mark.parametrize("size", [(64, 64), (8, 24), (72, 40)])
def test_every_map_has_the_size_of_the_picture(preparation: Preparation, size: tuple[int, int]) -> None:
    drawn = prepared(fitted(square(), *size), preparation)
    assert (drawn.size, drawn.mode) == (size, "RGB")
    assert tuple(numbers_of(drawn).shape) == (1, 3, size[1], size[0])


def test_each_preparation_keeps_what_it_is_for() -> None:
    drawn = {one: values(prepared(square(), one)) for one in Preparation}
    assert (drawn[Preparation.NONE] == values(square())).all()
    assert set(numpy.unique(drawn[Preparation.CANNY])) == {0, 255}
    assert drawn[Preparation.SCRIBBLE].sum() > 1.5 * drawn[Preparation.CANNY].sum()
    grey = drawn[Preparation.GREY]
    assert (grey[..., 0] == grey[..., 1]).all()
    assert len(numpy.unique(grey)) == 2
    for softened in (Preparation.TILE, Preparation.BLUR):
        assert len(numpy.unique(drawn[softened])) > 4
        assert abs(drawn[softened] - drawn[Preparation.NONE]).mean() < 20


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_lines_are_thin_and_of_strong_slopes(height: int, width: int, seed: int) -> None:
    brightness = numpy.random.default_rng(seed).integers(0, 256, (height, width))
    lines = canny(brightness)
    assert lines.shape == brightness.shape
    assert not canny(numpy.full((height, width), 100)).any()
    assert not canny(brightness // 32).any()  # no slope of so few shades is strong
