"""Pictures become maps: fitted to the size of what is drawn, and prepared. In: pictures. Out: numbers for ControlNets.

Only what needs no weights is here. Lines are found as OpenCV's Canny finds them, from which ControlNets learnt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias, assert_never

import numpy
import torch
from PIL import Image, ImageFilter, ImageOps

from aura_daemon.engines.stable_diffusion.mask import STRETCHED
from aura_daemon.jobs.guidance.controls import Preparation

Grey: TypeAlias = numpy.ndarray[Any, Any]
"""`[H, W]`."""

WEAK: Final = 100
STRONG: Final = 200
"""Slopes of brightness, of 8 bits, from which a point may belong to a line, and begins one. As in A1111."""

LINE_WIDTH_PX: Final = 3
"""Of a scribble at the model's native 512 pixels; wider in larger pictures."""
NATIVE_PX: Final = 512

COARSE: Final = 8
"""How many times smaller a tile is before it is enlarged again: as small as the latents."""

BLUR_SHARE: Final = 0.0125
"""Radius of the blur, by the shorter side."""

DARK: Final = 8
"""A map without any lighter value shows nothing."""

TURN: Final = float(numpy.tan(numpy.pi / 8))
"""The steepness from which a slope counts as diagonal, and no longer as level or upright."""


def fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Cropped around the middle to this shape and scaled to this size, as the image is that a picture starts from."""
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)


def prepared(picture: Image.Image, preparation: Preparation) -> Image.Image:
    """The map that a fitted picture becomes, mode RGB."""
    match preparation:
        case Preparation.NONE:
            return picture
        case Preparation.CANNY:
            return _white_on_black(canny(_brightness(picture)))
        case Preparation.SCRIBBLE:
            softened = picture.filter(ImageFilter.GaussianBlur(max(1.0, min(picture.size) / NATIVE_PX)))
            width_px = max(3, round(LINE_WIDTH_PX * min(picture.size) / NATIVE_PX))
            lines = _white_on_black(canny(_brightness(softened)))
            return lines.filter(ImageFilter.MaxFilter(width_px // 2 * 2 + 1))
        case Preparation.GREY:
            return picture.convert("L").convert("RGB")
        case Preparation.TILE:
            coarse = max(1, picture.width // COARSE), max(1, picture.height // COARSE)
            small = picture.resize(coarse, Image.Resampling.BOX)
            return small.resize(picture.size, Image.Resampling.BICUBIC)
        case Preparation.BLUR:
            return picture.filter(ImageFilter.GaussianBlur(BLUR_SHARE * min(picture.size)))
        case _:
            assert_never(preparation)


def canny(brightness: Grey) -> Grey:
    """Where lines are (Canny 1986), as OpenCV finds them with its defaults: `[H, W]` of booleans.

    `brightness`: 0 to 255. Slopes are by Sobel, their size is |x| + |y|. A point stays that is steepest across its
    line; lines of weak points stay where they touch a strong one.
    """
    from scipy import ndimage  # takes as long to import as a map to be made: only whoever makes lines needs it

    values = brightness.astype(numpy.int32)
    x, y = (ndimage.sobel(values, axis=axis, mode="nearest") for axis in (1, 0))
    size = numpy.abs(x) + numpy.abs(y)
    level = numpy.abs(y) < TURN * numpy.abs(x)
    upright = numpy.abs(y) * TURN > numpy.abs(x)
    falls = (x < 0) != (y < 0)
    around = numpy.pad(size, 1)

    def beside(down: int, across: int) -> Grey:
        return around[1 + down : 1 + down + size.shape[0], 1 + across : 1 + across + size.shape[1]]

    conditions = [level, upright, falls]
    before = numpy.select(conditions, [beside(0, -1), beside(-1, 0), beside(-1, 1)], beside(-1, -1))
    after = numpy.select(conditions, [beside(0, 1), beside(1, 0), beside(1, -1)], beside(1, 1))
    is_straight = level | upright
    steepest = (size > before) & numpy.where(is_straight, size >= after, size > after)
    weak = steepest & (size > WEAK)
    lines, count = ndimage.label(weak, numpy.ones((3, 3)))
    begun = numpy.zeros(count + 1, dtype=bool)
    begun[numpy.unique(lines[weak & (size > STRONG)])] = True
    begun[0] = False
    found: Grey = begun[lines]
    return found


def numbers_of(picture: Image.Image) -> torch.Tensor:
    """What a ControlNet reads: float32 `[1, 3, H, W]` in [0, 1]."""
    values = torch.from_numpy(numpy.array(picture.convert("RGB"), dtype=numpy.float32) / 255.0)
    return values.permute(2, 0, 1)[None].contiguous()


def oddities(name: str, picture: Image.Image, drawn: Image.Image, width: int, height: int) -> Iterator[str]:
    """What is told of a map: that it was cropped, that it shows nothing. `drawn`: the map that was made of it."""
    if abs(picture.width * height / (picture.height * width) - 1) > STRETCHED:
        (across, down) = picture.size
        yield f"{name}: it is {across}x{down}, and the picture {width}x{height}: it is cropped around its middle"
    values = _brightness(drawn)
    lowest, highest = int(values.min()), int(values.max())
    if highest <= DARK:
        yield f"{name}: the map is black: it says only that nothing is there"
    elif lowest == highest:
        yield f"{name}: the map is all of one colour: it says nothing of where things are"


def _brightness(picture: Image.Image) -> Grey:
    return numpy.array(picture.convert("L"))


def _white_on_black(lines: Grey) -> Image.Image:
    return Image.fromarray(lines.astype(numpy.uint8) * 255).convert("RGB")
