"""Which parts of an image a mask selects. In: its bytes. Out: a picture that is white where the image is drawn anew.

White is drawn anew and black stays. A mask with transparent parts is one of two kinds: white paint on nothing, as a
layer of a painting program; or a picture, or black, out of which a hole was cut, as editors of other services want it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy
from PIL import Image, ImageOps

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.colours import Ground
from aura_daemon.engines.images.decode import read_picture
from aura_daemon.jobs.results import Failure, FailureKind

LEAST_WHITE: Final = 128
"""Values of a mask from here to 255 count as white."""

PAINT: Final = 48
"""How far from black, from white, and from grey a colour may be to be a mask's paint, of 255."""

LEAST_PAINT: Final = 0.75
"""The share of paint in the opaque parts of a mask; the opaque parts of a photo have less."""

SAMPLE_PX: Final = 256
"""Of either side: as much as is looked at of the opaque parts."""

STRETCHED: Final = 0.01
"""The difference in shape between a mask and its picture of which the user is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskPurpose:
    """What the white parts of a mask are for, in words."""

    nothing: str
    everything: str
    holes: str
    mend: str


DRAWN_ANEW: Final = MaskPurpose(
    nothing="so it selects nothing to draw anew",
    everything="all of the image is drawn anew",
    holes="its transparent parts are drawn anew, and what is opaque stays",
    mend="paint white what is to be drawn anew, and black what stays",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mask:
    """Mode L; values from `LEAST_WHITE` are selected."""

    picture: Image.Image
    warnings: tuple[str, ...] = ()


def read_mask(content: bytes, name: str, settings: EngineSettings, purpose: MaskPurpose = DRAWN_ANEW) -> Mask | Failure:
    """The mask; a Failure where it selects nothing."""
    read = read_picture(content, name, settings, ground=Ground.BLACK)
    if isinstance(read, Failure):
        return read
    picture, warnings = read.image.convert("L"), read.warnings
    if read.alpha is not None and not _is_painted(read.image, read.alpha):
        picture = ImageOps.invert(read.alpha)
        warnings += (f"{name}: {purpose.holes}",)
    if selects_nothing(picture):
        return nothing_selected(name, purpose=purpose)
    if not any(picture.histogram()[:LEAST_WHITE]):
        warnings += (f"{name}: it selects everything, so {purpose.everything}",)
    return Mask(picture=picture, warnings=warnings)


def selects_nothing(picture: Image.Image) -> bool:
    """Whether a mask is nowhere white."""
    return not any(picture.histogram()[LEAST_WHITE:])


def nothing_selected(name: str, within: str = "", purpose: MaskPurpose = DRAWN_ANEW) -> Failure:
    """The failure of a mask that is nowhere white."""
    message = f"{name} is nowhere white{within}, {purpose.nothing}"
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=purpose.mend)


def fitted_mask(mask: Image.Image, of_px: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """Stretched over a whole picture of `of_px`, then cropped to another shape and scaled with it; black and white."""
    mask = mask.resize(of_px, Image.Resampling.BILINEAR)
    mask = ImageOps.fit(mask, size, Image.Resampling.BILINEAR)
    return mask.point(lambda value: 255 if value >= LEAST_WHITE else 0)


def stretched(name: str, mask: Image.Image, of_px: tuple[int, int], of: str = "image") -> Iterator[str]:
    """What is told where a mask has not the shape of its picture."""
    (width, height), (across, down) = mask.size, of_px
    if abs(width * down / (height * across) - 1) > STRETCHED:
        yield f"{name}: it is {width}x{height}, and the {of} {across}x{down}: it is stretched over the whole {of}"


def _is_painted(picture: Image.Image, alpha: Image.Image) -> bool:
    """Whether the opaque parts are white paint, or white and black, and no photo."""
    if selects_nothing(picture.convert("L")):
        return False
    size = min(SAMPLE_PX, picture.width), min(SAMPLE_PX, picture.height)
    colours = numpy.asarray(picture.resize(size, Image.Resampling.NEAREST), dtype=numpy.int16)
    opaque = numpy.asarray(alpha.resize(size, Image.Resampling.NEAREST)) >= LEAST_WHITE
    lowest, highest = colours.min(axis=2), colours.max(axis=2)
    paint = (highest <= PAINT) | (lowest >= 255 - PAINT)
    return bool(numpy.count_nonzero(paint & opaque) >= LEAST_PAINT * numpy.count_nonzero(opaque))
