"""A picture in any mode -> RGB in the colours of sRGB. In: a picture as its file has it. Out: mode RGB.

All of this is done pixel by pixel, so that it is done strip by strip: a large picture is never there twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from PIL import Image

from aura_daemon.engines.images.colour_profiles import extremes, profile_of
from aura_daemon.engines.images.shades import has_shades, shades_of

STRIP_PX: Final = 4_000_000
"""Pixels that are converted at once."""

SAME: Final = 8
"""Colours that differ by no more than this look like one, of 255."""


class Ground(StrEnum):
    """What is seen through transparent parts."""

    CONTRAST = "contrast"
    """White; black where the picture could not be told from white."""
    BLACK = "black"


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """A picture in mode RGB, its opacity in mode L where it has any, and what the user is told."""

    image: Image.Image
    alpha: Image.Image | None
    warnings: tuple[str, ...]


def in_rgb(picture: Image.Image, *, shrinking: int, ground: Ground, strip_px: int = STRIP_PX) -> Converted:
    """The picture in mode RGB, 1/`shrinking` as wide and high; raises what Pillow raises."""
    strips = partial(_strips, picture, shrinking=shrinking, strip_px=strip_px)
    told: list[str] = []
    if has_shades(picture):
        shades, warning = shades_of(picture)
        told.append(warning)
        picture_mode = "L"
    else:
        shades, picture_mode = None, picture.mode
    profile, warning = profile_of(picture, picture_mode)
    told.append(warning)
    is_clear = picture.has_transparency_data and shades is None

    def colours(strip: Image.Image) -> Image.Image:
        strip = shades(strip) if shades is not None else strip
        alpha = None
        if is_clear:
            strip = strip.convert("RGBA")
            alpha = strip.getchannel("A")
        strip = profile(strip) if profile is not None else _plain(strip)
        if alpha is not None:
            strip = strip.convert("RGB")
            strip.putalpha(alpha)
        return strip

    if not is_clear:
        image = picture if _is_ready(picture, profile, shrinking) else strips(colours, mode="RGB")
        return Converted(image=image, alpha=None, warnings=_told(told))
    alpha = strips(lambda strip: strip.convert("RGBA").getchannel("A"), mode="L")
    ((lowest, highest),) = extremes(alpha)

    def on(colour: str) -> Image.Image:
        return strips(lambda strip: _laid_on(colours(strip), colour), mode="RGB")

    image = on("black" if ground is Ground.BLACK else "white")
    if lowest == 255 or ground is Ground.BLACK:
        return Converted(image=image, alpha=alpha if lowest < 255 else None, warnings=_told(told))
    if highest == 0:
        told.append("it is transparent everywhere, so that nothing of it is seen")
    elif _is_blank(image) and not _is_blank(black := on("black")):
        image = black
        told.append("its transparent parts are read as black, because on white nothing of it would be seen")
    else:
        told.append("its transparent parts are read as white")
    return Converted(image=image, alpha=alpha, warnings=_told(told))


def _is_ready(picture: Image.Image, profile: object, shrinking: int) -> bool:
    return picture.mode == "RGB" and profile is None and shrinking == 1


def _plain(strip: Image.Image) -> Image.Image:
    """Without a profile: Pillow's own conversion."""
    return strip if strip.mode in ("RGB", "RGBA") else strip.convert("RGB")


def _laid_on(layered: Image.Image, colour: str) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", layered.size, colour), layered).convert("RGB")


def _is_blank(image: Image.Image) -> bool:
    return all(highest - lowest <= SAME for lowest, highest in extremes(image))


def _told(warnings: list[str]) -> tuple[str, ...]:
    return tuple(filter(None, warnings))


def _strips(
    picture: Image.Image,
    converted: Callable[[Image.Image], Image.Image],
    *,
    mode: str,
    shrinking: int,
    strip_px: int,
) -> Image.Image:
    """The picture converted strip by strip and made smaller by the mean of pixels."""
    width, height = picture.size
    rows = max(1, strip_px // width // shrinking) * shrinking
    if rows >= height and shrinking == 1:
        return converted(picture)
    out = Image.new(mode, (-(-width // shrinking), -(-height // shrinking)))
    for top in range(0, height, rows):
        strip = converted(picture.crop((0, top, width, min(height, top + rows))))
        out.paste(strip.reduce(shrinking) if shrinking > 1 else strip, (0, top // shrinking))
    return out
