"""A small picture of a result, for the gallery. In: a picture. Out: the bytes of a WebP file."""

from __future__ import annotations

from io import BytesIO
from typing import Final

from PIL import Image, features

LONGEST_SIDE_PX: Final = 400
"""Nearly twice the height of a row of the gallery, for screens with two pixels a dot."""

QUALITY: Final = 75
METHOD: Final = 2
"""Of WebP's 0 (fast) to 6 (small): 10 ms for 512 x 512 pixels; 3 and 4 take twice as long for a twentieth less."""


def thumbnail(picture: Image.Image, *, wanted: bool) -> bytes:
    """A WebP without metadata, no side longer than `LONGEST_SIDE_PX`; empty where Pillow cannot write WebP."""
    if not wanted or not features.check("webp"):
        return b""
    small = picture
    if max(picture.size) > LONGEST_SIDE_PX:
        small = picture.copy() if picture.mode == "RGB" else picture.convert("RGB")
        small.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX), Image.Resampling.BICUBIC, reducing_gap=2.0)
    file = BytesIO()
    small.convert("RGB").save(file, "WEBP", quality=QUALITY, method=METHOD)
    return file.getvalue()
