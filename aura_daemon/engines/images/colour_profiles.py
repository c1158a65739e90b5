"""ICC profiles: what the numbers of a picture mean as colours. In: a picture. Out: its way to sRGB, by LittleCMS."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Final, TypeAlias, cast

from PIL import Image, ImageChops, ImageCms

from aura_daemon.engines.images.damage import BROKEN

ToSrgb: TypeAlias = Callable[[Image.Image], Image.Image]
"""A picture or a strip of it -> the same in mode RGB."""

UNTOUCHED: Final = 2
"""A profile that moves no colour by more than this, of 255, is sRGB itself: its pixels are left as they are."""

INTENT: Final = ImageCms.Intent.RELATIVE_COLORIMETRIC
FLAGS: Final = ImageCms.Flags.BLACKPOINTCOMPENSATION

GREY_MODES: Final = frozenset({"1", "L", "LA", "La"})
IGNORED: Final = "its colours are read as sRGB"

UNREADABLE: Final = (*BROKEN, ImageCms.PyCMSError, ImportError)
"""What a damaged profile raises, and a Pillow that was built without LittleCMS."""


def profile_of(picture: Image.Image, mode: str) -> tuple[ToSrgb | None, str]:
    """The way of a picture of this mode to sRGB, None where it is in sRGB; and a warning, which may be empty."""
    if mode == "LAB":
        transform = _transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")
        return (lambda strip: _applied(strip, transform)), ""
    content = picture.info.get("icc_profile")
    if not content:
        return None, ""
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(content))
        match profile.profile.xcolor_space.strip():
            case "RGB" if mode != "CMYK":
                return _unless_srgb(profile, "RGB"), ""
            case "GRAY" if mode in GREY_MODES:
                return _unless_srgb(profile, "L"), ""
            case "CMYK" if mode == "CMYK":
                transform = _transform(profile, "CMYK")
                return (lambda strip: _applied(strip, transform)), ""
            case space:
                return None, f"its colour profile is for {space or 'nothing'}, and the picture is {mode}; {IGNORED}"
    except UNREADABLE:
        return None, f"its colour profile is damaged; {IGNORED}"


def extremes(picture: Image.Image) -> list[tuple[int, int]]:
    """The lowest and the highest value of each channel, of a mode with 8 bits a channel."""
    return [cast("tuple[int, int]", band.getextrema()) for band in picture.split()]


def _unless_srgb(profile: ImageCms.ImageCmsProfile, mode: str) -> ToSrgb | None:
    """None where the profile changes nothing. Its description is not asked: there are wrong ones."""
    transform = _transform(profile, mode)
    probe = _probe().convert(mode)
    moved = ImageChops.difference(_applied(probe, transform), probe.convert("RGB"))
    if max(highest for _, highest in extremes(moved)) <= UNTOUCHED:
        return None
    return lambda strip: _applied(strip.convert("RGB").convert(mode), transform)


def _transform(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB", INTENT, FLAGS)


def _applied(picture: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    applied = ImageCms.applyTransform(picture, transform)
    assert applied is not None
    return applied


@cache
def _probe() -> Image.Image:
    """Colours from all over RGB, and all greys."""
    levels = range(0, 256, 51)
    colours = [*itertools.product(levels, levels, levels), *((level, level, level) for level in range(256))]
    probe = Image.new("RGB", (len(colours), 1))
    probe.putdata(colours)
    return probe
