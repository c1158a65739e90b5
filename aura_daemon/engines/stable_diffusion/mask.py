"""Which parts of an image a mask selects. In: its bytes. Out: a picture that is white where the image is drawn anew.

White is drawn anew and black stays. A mask with transparent parts is one of two kinds: white paint on nothing, as a
layer of a painting program; or a picture, or black, out of which a hole was cut, as editors of other services want it.
"""

from __future__ import annotations

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

MEND: Final = "paint white what is to be drawn anew, and black what stays"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mask:
    """Mode L; values from `LEAST_WHITE` are drawn anew."""

    picture: Image.Image
    warnings: tuple[str, ...] = ()


def read_mask(content: bytes, name: str, settings: EngineSettings) -> Mask | Failure:
    """The mask; a Failure where it selects nothing."""
    read = read_picture(content, name, settings, ground=Ground.BLACK)
    if isinstance(read, Failure):
        return read
    picture, warnings = read.image.convert("L"), read.warnings
    if read.alpha is not None and not _is_painted(read.image, read.alpha):
        picture = ImageOps.invert(read.alpha)
        warnings += (f"{name}: its transparent parts are drawn anew, and what is opaque stays",)
    if selects_nothing(picture):
        return nothing_selected(name)
    if not any(picture.histogram()[:LEAST_WHITE]):
        warnings += (f"{name}: it selects everything, so all of the image is drawn anew",)
    return Mask(picture=picture, warnings=warnings)


def selects_nothing(picture: Image.Image) -> bool:
    """Whether a mask is nowhere white."""
    return not any(picture.histogram()[LEAST_WHITE:])


def nothing_selected(name: str, within: str = "") -> Failure:
    """The failure of a mask that is nowhere white."""
    message = f"{name} is nowhere white{within}, so it selects nothing to draw anew"
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=MEND)


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
