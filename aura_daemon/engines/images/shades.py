"""Grey of more than 8 bits, whole or floating-point numbers -> grey of 8 bits. In: a picture. Out: mode L.

What the numbers mean no file says. 16 bits reach from black to white, and so do 0.0 to 1.0. Of other numbers the
smallest becomes black and the largest white, and the user is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy
from numpy.typing import NDArray
from PIL import Image

from aura_daemon.engines.images.tiff_kinds import BITS, NUMBERS

Shades: TypeAlias = Callable[[Image.Image], Image.Image]
"""A picture or a strip of it -> the same in mode L."""

BLOCK_ROWS: Final = 256


def has_shades(picture: Image.Image) -> bool:
    """Whether the picture has numbers that 8 bits do not hold."""
    return picture.mode == "F" or picture.mode.startswith("I")


def shades_of(picture: Image.Image) -> tuple[Shades, str]:
    """How its numbers become grey; and a warning, which may be empty."""
    tags: dict[int, Any] = dict(getattr(picture, "tag_v2", {}))
    if picture.mode.startswith("I;16"):
        bits = tags.get(BITS, (16,))[0]
        return (lambda strip: _grey(_numbers(strip, tags) // 2 ** (bits - 8))), ""
    lowest, highest, others = _range(picture, tags)
    warning = f"{others:,} of its pixels hold no number and are read as black" if others else ""
    if picture.mode == "F" and lowest >= 0 and highest <= 1:
        return (lambda strip: _grey(numpy.rint(_numbers(strip, tags) * 255))), warning
    if picture.mode == "I" and lowest >= 0 and highest <= 65_535:
        divisor = 256 if highest > 255 else 1
        white = 255 * divisor
        told = f"it has 32 bits of grey, from {lowest:,.0f} to {highest:,.0f}; {white:,} is read as white"
        return (lambda strip: _grey(_numbers(strip, tags) // divisor)), told
    told = (
        f"its numbers reach from {lowest:,.6g} to {highest:,.6g}; the smallest is read as black, the largest as white"
    )
    spread = (highest - lowest) or 1.0

    def stretched(strip: Image.Image) -> Image.Image:
        return _grey(numpy.rint((_numbers(strip, tags) - lowest) / spread * 255))

    return stretched, f"{told}; {warning}" if warning else told


def _range(picture: Image.Image, tags: dict[int, Any]) -> tuple[float, float, int]:
    """The smallest and the largest number, and how many pixels hold none."""
    lowest, highest, others = numpy.inf, -numpy.inf, 0
    for top in range(0, picture.height, BLOCK_ROWS):
        block = picture.crop((0, top, picture.width, min(picture.height, top + BLOCK_ROWS)))
        numbers = _numbers(block, tags)
        finite = numpy.isfinite(numbers)
        others += int(numbers.size - numpy.count_nonzero(finite))
        lowest = min(lowest, float(numpy.min(numbers, initial=numpy.inf, where=finite)))
        highest = max(highest, float(numpy.max(numbers, initial=-numpy.inf, where=finite)))
    return (lowest, highest, others) if lowest <= highest else (0.0, 0.0, others)


def _numbers(strip: Image.Image, tags: dict[int, Any]) -> NDArray[numpy.float64]:
    """The numbers of a strip; Pillow holds 32 bits without a sign in 32 bits with one."""
    numbers = numpy.asarray(strip)
    if strip.mode == "I" and tags.get(NUMBERS, (1,))[0] == 1 and tags.get(BITS, (0,))[0] == 32:
        numbers = numbers.view(numpy.uint32)
    return numbers.astype(numpy.float64)


def _grey(numbers: NDArray[numpy.float64]) -> Image.Image:
    """Mode L; what is no number is black."""
    known = numpy.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)
    return Image.fromarray(numpy.clip(known, 0, 255).astype(numpy.uint8))
