"""Decodes image files by Pillow alone, before a model is loaded. In: bytes, limits. Out: RGB or a Failure.

A picture of more than `MOST_UNPACKED` pixels is made smaller while it is read, so that memory stays bounded: no model
sees more than a few million of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image, UnidentifiedImageError

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images import decoders
from aura_daemon.engines.images.colours import Ground, in_rgb
from aura_daemon.engines.images.damage import BROKEN
from aura_daemon.engines.images.decoders import BOMBED, NoHeicDecoder
from aura_daemon.engines.images.tiff_kinds import described_tiff
from aura_daemon.engines.images.wide_tiff import joined
from aura_daemon.file_names import escaped
from aura_daemon.formats.image_signatures import ImageSignature, format_of
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system.hardware.host_memory import host_memory

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC", "PPM")
"""As users are told; no other format is read."""

MOST_UNPACKED: Final = 64_000_000
"""Pixels; a larger picture is read at a half, a third or less of its size."""

ASKED_FROM_BYTES: Final = 100_000_000
"""A picture that takes less memory than this is read without asking whether there is as much."""

ORIENTATION: Final = 0x0112
"""EXIF tag."""

TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, orientation -> the turn that puts the picture upright."""

COPY_AGAIN: Final = "copy the whole file again, or open it in an image editor and save it anew"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadPicture:
    """A picture in mode RGB, and what was read otherwise than its owner may expect."""

    image: Image.Image
    warnings: tuple[str, ...] = ()
    alpha: Image.Image | None = None
    """How opaque the parts of the picture are, mode L; None where all are."""


def free_host_bytes() -> int:
    """Host memory that this process may still take."""
    return host_memory().available_bytes


def read_picture(
    content: bytes,
    name: str,
    settings: EngineSettings,
    *,
    ground: Ground = Ground.CONTRAST,
    free_bytes: Callable[[], int] = free_host_bytes,
) -> ReadPicture | Failure:
    """The first frame in mode RGB and in the colours of sRGB, turned as its EXIF says."""
    name = name or "the image"
    if not content:
        return _refused(f"{name} is empty", "copy it again")
    if len(content) > settings.max_image_bytes:
        message = f"{name} has {len(content):,} bytes, more than the {settings.max_image_bytes:,} that are allowed"
        return _refused(message, "save it smaller, or raise limits.image_bytes")
    try:
        with decoders.limited(settings.max_image_pixels):
            opened = decoders.Opened(content, most_pixels=MOST_UNPACKED)
            needed_bytes = opened.needed_bytes()
            if needed_bytes > ASKED_FROM_BYTES and needed_bytes > (free := free_bytes()):
                return _too_large_now(name, needed_bytes, free)
            return _read(opened, name, ground)
    except BOMBED:
        message = f"{name} has more than the {settings.max_image_pixels:,} pixels that are allowed"
        return _refused(message, "save it smaller, or raise limits.image_pixels")
    except NoHeicDecoder:
        message = f"{name} is a HEIC picture, and pi-heif, which reads it, is not installed"
        return _refused(message, "`pip install pi-heif`, or save it as JPEG or PNG")
    except UnidentifiedImageError:
        return _unidentified(content, name)
    except BROKEN as error:
        return _refused(f"{name} is cut short or damaged: {escaped(str(error).strip())}", COPY_AGAIN)


def _read(opened: decoders.Opened, name: str, ground: Ground) -> ReadPicture:
    """The picture, unpacked; raises what Pillow raises."""
    picture = opened.loaded()
    turn = _turn(picture)
    warnings = [*opened.warnings, *decoders.beyond_first(picture)]
    if opened.channels > 1:
        picture, told = joined(picture, opened.channels)
        warnings += filter(None, [told])
    converted = in_rgb(picture, shrinking=opened.still_to_shrink(), ground=ground)
    image, alpha = converted.image, converted.alpha
    warnings += converted.warnings
    if image.size != opened.size:
        whole, left = (f"{size[0]}x{size[1]}" for size in (opened.size, image.size))
        warnings.append(f"it has {math.prod(opened.size):,} pixels ({whole}) and is read as {left}")
    opened.close()
    del picture, converted
    if turn is not None:
        image, alpha = image.transpose(turn), alpha.transpose(turn) if alpha is not None else None
    return ReadPicture(image=image, warnings=tuple(f"{name}: {warning}" for warning in warnings), alpha=alpha)


def _turn(picture: Image.Image) -> Image.Transpose | None:
    """The turn that EXIF asks for. Malformed EXIF, at which `ImageOps.exif_transpose` raises, is ignored."""
    try:
        return TURNS.get(picture.getexif().get(ORIENTATION, 1))
    except BROKEN:
        return None


def _unidentified(content: bytes, name: str) -> Failure:
    """The failure for bytes that no allowed decoder takes: another kind of file, or a header that is cut short."""
    signature = format_of(content)
    if signature is ImageSignature.TIFF and (kind := described_tiff(content)):
        return _refused(f"{name} is {kind}, which is not read here", "save it with 8 or 16 bits a channel, or as PNG")
    if signature is not None:
        started = signature.upper()
        return _refused(f"{name} begins as {started} but is cut short or damaged within its header", COPY_AGAIN)
    message = f"{name} is no picture of a kind that is read here; it begins with {content[:12]!r}"
    return _refused(message, f"allowed: {', '.join(FORMATS)}")


def _too_large_now(name: str, needed_bytes: int, free_bytes: int) -> Failure:
    message = f"reading {name} takes {needed_bytes / 1e6:,.0f} MB of memory, and {free_bytes / 1e6:,.0f} MB are free"
    return Failure(kind=FailureKind.OUT_OF_MEMORY, message=message, mend="save it smaller, or end other programs")


def _refused(message: str, mend: str) -> Failure:
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
