"""Decodes image files by Pillow alone, before a model is loaded. In: bytes, limits. Out: RGB or Failure(BAD_INPUT)."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

from PIL import Image, UnidentifiedImageError

from aura_daemon.config.engine import EngineSettings
from aura_daemon.jobs.results import Failure, FailureKind

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of the formats that are read; no other decoder of Pillow is used."""

BROKEN: Final = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged data; caught only around calls of decoders."""

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

SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)

COPY_AGAIN: Final = "copy the whole file again, or open it in an image editor and save it anew"


def read_picture(
    content: bytes, name: str, settings: EngineSettings, *, ground: str = "white"
) -> Image.Image | Failure:
    """The first frame in mode RGB, turned as its EXIF says; transparent parts show the colour `ground`."""
    name = name or "the image"
    if not content:
        return _refused(f"{name} is empty", "copy it again")
    if len(content) > settings.max_image_bytes:
        message = f"{name} has {len(content):,} bytes, more than the {settings.max_image_bytes:,} that are allowed"
        return _refused(message, "save it smaller, or raise limits.image_bytes")
    try:
        with _limited(settings.max_image_pixels):
            return _in_rgb(_upright(_decoded(content)), ground)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        message = f"{name} has more than the {settings.max_image_pixels:,} pixels that are allowed"
        return _refused(message, "save it smaller, or raise limits.image_pixels")
    except UnidentifiedImageError:
        return _unidentified(content, name)
    except BROKEN as error:
        return _refused(f"{name} is cut short or damaged: {error}", COPY_AGAIN)


@contextmanager
def _limited(most_pixels: int) -> Iterator[None]:
    """Has Pillow raise for larger images before it unpacks them; Pillow takes the limit only as a global variable."""
    usual = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = most_pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = usual


def _decoded(content: bytes) -> Image.Image:
    """The first frame; raises what Pillow raises."""
    picture: Image.Image = Image.open(BytesIO(content), formats=FORMATS)
    picture.load()
    return picture


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF says. Malformed EXIF, at which `ImageOps.exif_transpose` raises, is ignored."""
    try:
        turn = TURNS.get(picture.getexif().get(ORIENTATION, 1))
    except BROKEN:
        turn = None
    return picture if turn is None else picture.transpose(turn)


def _in_rgb(picture: Image.Image, ground: str) -> Image.Image:
    """The picture in mode RGB; transparent parts show the colour `ground`."""
    if picture.mode.startswith("I"):  # 16 bits of grey: Pillow's own conversion clips them at 255
        return picture.point(lambda value: value / 256).convert("L").convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, ground), layered).convert("RGB")


def _unidentified(content: bytes, name: str) -> Failure:
    """The failure for bytes that no allowed decoder takes: another kind of file, or a header that is cut short."""
    if started := _format_of(content):
        return _refused(f"{name} begins as {started} but is cut short or damaged within its header", COPY_AGAIN)
    if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"mif1", b"hevc"):
        return _refused(f"{name} is a HEIC picture, which is not read here", "save it as JPEG or PNG")
    message = f"{name} is no picture of a kind that is read here; it begins with {content[:12]!r}"
    return _refused(message, f"allowed: {', '.join(FORMATS)}")


def _format_of(content: bytes) -> str:
    """The format that the leading bytes name; empty where they name none."""
    if content[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return next((name for signature, name in SIGNATURES if content.startswith(signature)), "")


def _refused(message: str, mend: str) -> Failure:
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
