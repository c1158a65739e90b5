"""Pillow's decoders, and what each of them needs. In: bytes. Out: a picture in the mode of its file.

Pillow takes limits as global variables only; nothing here runs in two threads at once.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

from PIL import Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError

from aura_daemon.engines.images.damage import BROKEN
from aura_daemon.engines.images.wide_tiff import as_grey
from aura_daemon.formats.image_ends import ends_properly
from aura_daemon.formats.image_signatures import ImageSignature, format_of

PILLOW_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of the formats that are read besides HEIC; no other decoder of Pillow is used."""

BOMBED: Final = (Image.DecompressionBombWarning, Image.DecompressionBombError)

MOST_TEXT_BYTES: Final = 16 << 20
"""Of one text or profile in a PNG, unpacked; longer ones are left out. Workflows of 1 to 2 MB are common."""

TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
PROFILE: Final = frozenset({b"iCCP"})
"""Chunks of PNG whose length Pillow limits."""

TOO_LONG: Final = "MAX_TEXT"
"""Part of Pillow's message where they are longer."""

FILLINGS: Final = (bytes(64), b"\x5a" * 64)
"""Two different continuations of a JPEG: pixels that differ with them are not in the file."""

BYTES_A_PIXEL: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Of Pillow's memory; 4 in every other mode."""

UNPACKING_BYTES: Final = {"WEBP": 12, "AVIF": 8, "HEIF": 4}
"""Of a decoder's own memory a pixel, at most; measured with Pillow 13 and pi-heif 1.4."""

STRIP_BYTES: Final = 75_000_000
"""What the conversion of a strip takes."""


class NoHeicDecoder(Exception):
    """The library that reads HEIC is not installed."""


@contextmanager
def limited(most_pixels: int) -> Iterator[None]:
    """Has Pillow raise for larger images before it unpacks them, and not raise for long texts."""
    usual = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = most_pixels
        PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = MOST_TEXT_BYTES, 2 * MOST_TEXT_BYTES
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = usual


class Opened:
    """A picture whose header was read."""

    def __init__(self, content: bytes, *, most_pixels: int) -> None:
        """Raises what Pillow raises, or NoHeicDecoder."""
        self.warnings: list[str] = []
        self._content = content
        self._formats = _formats(content)
        self._shrinking = 1
        self.channels = 1
        """Channels that lie side by side in a row of the picture that Pillow reads."""
        self._open(content)
        self.size = self._picture.width // self.channels, self._picture.height
        """In pixels, as its file has them."""
        self._shrinking = math.ceil(math.sqrt(math.prod(self.size) / most_pixels))
        self._draft()

    def needed_bytes(self) -> int:
        """The memory that it takes to read the picture, in mode RGB at the end."""
        picture = self._picture
        bytes_a_pixel = BYTES_A_PIXEL.get(picture.mode, 4) + UNPACKING_BYTES.get(picture.format or "", 0)
        pixels = math.prod(picture.size)
        needed = bytes_a_pixel * pixels + 4 * pixels // self.still_to_shrink() ** 2
        if picture.mode != "RGB" or "icc_profile" in picture.info or self.still_to_shrink() > 1:
            needed += STRIP_BYTES
        if isinstance(picture, JpegImagePlugin.JpegImageFile) and picture.info.get("progressive"):
            # All coefficients of a progressive JPEG are held, in 2 bytes each, at whatever size it is unpacked.
            parts = [across * down for _, across, down, _ in picture.layer]
            needed += round(2 * math.prod(self.size) * sum(parts) / max(parts))
        return needed

    def still_to_shrink(self) -> int:
        """The whole number by which the picture is to be made smaller yet: only a JPEG is unpacked smaller."""
        return math.ceil(self._shrinking / round(self.size[0] * self.channels / self._picture.width))

    def loaded(self) -> Image.Image:
        """The first frame, unpacked; raises what Pillow raises."""
        if isinstance(self._picture, JpegImagePlugin.JpegImageFile) and not ends_properly(BytesIO(self._content)):
            if not self._is_whole_but_for_its_end():
                raise OSError("the end of its data is missing")
            self.warnings.append("the mark of its end is missing, but all of the picture is there")
        try:
            self._picture.load()
        except ValueError as error:
            if TOO_LONG not in str(error):
                raise
            self._open(_without(TEXTS, self._content))
            self._picture.load()
        return self._picture

    def close(self) -> None:
        """Lets go of the picture that was read."""
        del self._picture

    def _is_whole_but_for_its_end(self) -> bool:
        """Whether all the data of a JPEG is there, so that what follows changes no pixel; opens it with an end."""
        data = self._content.rstrip(b"\0")
        data += b"\0" * data.endswith(b"\xff")  # in image data, 255 is written as 255, 0
        pixels = []
        for filling in FILLINGS:
            self._open(data + filling + b"\xff\xd9")
            pixels.append(self._picture.tobytes())
        return pixels[0] == pixels[1]

    def _open(self, content: bytes) -> None:
        """Reads the header, without texts that are too long."""
        try:
            self._picture = Image.open(BytesIO(content), formats=self._formats)
        except UnidentifiedImageError:
            if format_of(content) is not ImageSignature.TIFF:
                raise
            self._content, self.channels = as_grey(content)
            self._picture = Image.open(BytesIO(self._content), formats=self._formats)
        except ValueError as error:
            if TOO_LONG not in str(error):
                raise
            self._content = _without(TEXTS, content)
            try:
                self._picture = Image.open(BytesIO(self._content), formats=self._formats)
            except ValueError:
                self._content = _without(PROFILE, self._content)
                self._picture = Image.open(BytesIO(self._content), formats=self._formats)
                self.warnings.append("its colour profile is too long; its colours are read as sRGB")
        self._draft()

    def _draft(self) -> None:
        """Has a JPEG unpacked at a half, a quarter or an eighth, but no smaller than asked."""
        if self._shrinking > 1 and isinstance(self._picture, JpegImagePlugin.JpegImageFile):
            width, height = self._picture.size
            self._picture.draft(None, (width // self._shrinking, height // self._shrinking))


def beyond_first(picture: Image.Image) -> Iterator[str]:
    """What is told of pages and frames after the first; a JPEG's further pictures are previews and gain maps."""
    try:
        if picture.format in ("JPEG", "MPO") or not getattr(picture, "is_animated", False):
            return
        match picture.format:
            case "TIFF":
                yield f"it has {getattr(picture, 'n_frames', 2)} pages; only the first is read"
            case "HEIF":
                yield f"it holds {getattr(picture, 'n_frames', 2)} pictures; only the main one is read"
            case _:  # the frames of a GIF are not counted: that would take long
                yield "it is an animation; only its first frame is read"
    except BROKEN:
        return


def _formats(content: bytes) -> tuple[str, ...]:
    """The formats that Pillow is to try; adds HEIC to Pillow's own, or raises NoHeicDecoder."""
    if format_of(content) is not ImageSignature.HEIC:
        return PILLOW_FORMATS
    try:
        import pi_heif
    except ImportError:
        raise NoHeicDecoder from None
    if "HEIF" not in Image.OPEN:
        pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return ("HEIF",)


def _without(names: frozenset[bytes], content: bytes) -> bytes:
    """A PNG without the chunks of these names."""
    kept, place = [content[:8]], 8
    while place < len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        if content[place + 4 : place + 8] not in names:
            kept.append(content[place:end])
        place = end
    return b"".join(kept)
