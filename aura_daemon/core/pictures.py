"""Image formats by their bytes. In: the first and the last bytes of a file. Out: the format; whether its end is there.

Structure only: nothing is decoded here. The worker decodes, and says so where that fails.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ImageFormat(StrEnum):
    """Formats that are decoded."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    GIF = "gif"
    BMP = "bmp"
    TIFF = "tiff"
    AVIF = "avif"


_AVIF_BRANDS: Final = (b"avif", b"avis")


def format_of(head: bytes) -> ImageFormat | None:
    """The format by its magic bytes, whatever the file is called; None for anything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ImageFormat.WEBP
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ImageFormat.GIF
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return ImageFormat.BMP
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return ImageFormat.TIFF
    if head[4:8] == b"ftyp" and any(brand in head[8:64] for brand in _AVIF_BRANDS):
        return ImageFormat.AVIF
    return None


def ends_properly(head: bytes, tail: bytes, size_bytes: int) -> bool | None:
    """Whether the end of an image is there; None where the format does not tell without decoding.

    False may also be trailing rubbish: such a file waits longer, and is then tried all the same.
    """
    match format_of(head):
        case ImageFormat.PNG:
            return b"IEND\xaeB`\x82" in tail[-64:]
        case ImageFormat.JPEG:
            return tail.rstrip(b"\0").endswith(b"\xff\xd9")
        case ImageFormat.GIF:
            return tail.rstrip(b"\0").endswith(b";")
        case ImageFormat.WEBP:
            return size_bytes >= int.from_bytes(head[4:8], "little") + 8
        case ImageFormat.BMP:
            return size_bytes >= int.from_bytes(head[2:6], "little")
        case _:
            return None
