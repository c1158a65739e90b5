"""Pictures as agents get them: small enough for a model to look at. In: bytes of a result. Out: bytes, sizes.

The only module outside the engines that decodes pictures, by PIL, in a process of its own for each picture
(`scaling_main`), which has shut itself in before. Neither the daemon nor the server of the tools does it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from aura_daemon.errors import Problem

MOST_PLAIN_BYTES: Final = 1_000_000
"""A result that is not larger, nor wider or higher than wanted, is handed over as it is."""

QUALITY: Final = 85

_PLAIN: Final = frozenset({"PNG", "JPEG", "WEBP"})
"""What every model that looks at pictures reads; results may be AVIF too."""

MIME_TYPES: Final = frozenset(f"image/{kind.lower()}" for kind in _PLAIN)
"""What a picture comes back as."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownPicture:
    """A picture, ready to be handed over."""

    content: bytes
    mime_type: str
    size: tuple[int, int]
    """Of the result: width, height."""
    shown: tuple[int, int]


def shown_picture(content: bytes, *, most_px: int, most_pixels: int) -> ShownPicture | Problem:
    """A picture of which no side is longer than `most_px`; a problem where it is none, or has too many pixels."""
    from PIL import AvifImagePlugin, Image, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `most_pixels` is the limit
            opened = Image.open(BytesIO(content), formats=[*_PLAIN, "AVIF"])
        width, height = size = opened.size
        if width * height > most_pixels:
            message = f"the picture has {width * height:,} pixels, more than {most_pixels:,} (limits.image_pixels)"
            return Problem(message=message)
        kind = opened.format or ""
        if max(size) <= most_px and len(content) <= MOST_PLAIN_BYTES and kind in _PLAIN:
            opened.load()  # whether it is there to its end
            return ShownPicture(content=content, mime_type=f"image/{kind.lower()}", size=size, shown=size)
        opened.draft("RGB", (most_px, most_px))
        picture = ImageOps.exif_transpose(opened)
        picture.thumbnail((most_px, most_px), Image.Resampling.LANCZOS)
        if picture.has_transparency_data:
            over = picture.convert("RGBA")
            picture = Image.new("RGBA", over.size, "white")
            picture.alpha_composite(over)
        written = BytesIO()
        picture.convert("RGB").save(written, "JPEG", quality=QUALITY)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        return Problem(message=f"cannot be read as a picture: {error or type(error).__name__}")
    return ShownPicture(content=written.getvalue(), mime_type="image/jpeg", size=size, shown=picture.size)
