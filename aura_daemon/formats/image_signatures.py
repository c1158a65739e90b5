"""Tells image formats by their bytes. In: first and last bytes of a file. Out: the format; whether its end is there.

Only the structure is read, nothing is decoded. The worker decodes, and reports an image that it cannot decode.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ImageSignature(StrEnum):
    """Formats that can be decoded."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    GIF = "gif"
    BMP = "bmp"
    TIFF = "tiff"
    AVIF = "avif"


_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_MOST_BRANDS_BYTES: Final = 256
_ZEROS_TELL_BYTES: Final = 64
"""So many zero bytes at the end of a compressed image cannot be image data."""


def format_of(head: bytes) -> ImageSignature | None:
    """The format by its magic bytes, whatever the name of the file; None for anything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageSignature.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return ImageSignature.JPEG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ImageSignature.WEBP
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ImageSignature.GIF
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return ImageSignature.BMP
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return ImageSignature.TIFF
    return ImageSignature.AVIF if _AVIF_BRANDS & _brands(head) else None


def is_heic(head: bytes) -> bool:
    """Whether this is a HEIC image, as Apple's cameras write, which cannot be decoded."""
    return bool(_HEIC_BRANDS & _brands(head)) and format_of(head) is None


def ends_properly(head: bytes, tail: bytes, size_bytes: int) -> bool | None:
    """Whether the end of an image is there; None where that cannot be told without decoding.

    `tail` is the last 64 KiB. False may also mean trailing data, such as a phone's film behind a JPEG: such a file
    waits longer, and then runs all the same.
    """
    match format_of(head):
        case ImageSignature.PNG:
            return b"IEND\xaeB`\x82" in tail
        case ImageSignature.JPEG:
            return tail.rstrip(b"\0\r\n").endswith(b"\xff\xd9")
        case ImageSignature.GIF:
            return tail.rstrip(b"\0").endswith(b";")
        case ImageSignature.WEBP:
            # A file whose space was allocated beforehand has the right size, and zeros at its end.
            return size_bytes >= int.from_bytes(head[4:8], "little") + 8 and any(tail[-_ZEROS_TELL_BYTES:])
        case ImageSignature.BMP:
            return size_bytes >= int.from_bytes(head[2:6], "little")
        case _:
            return None


def _brands(head: bytes) -> set[bytes]:
    """The brands of an ISO media file, of 4 bytes each in its first box `ftyp`; empty for anything else."""
    if head[4:8] != b"ftyp":
        return set()
    box = head[8 : min(int.from_bytes(head[:4], "big"), _MOST_BRANDS_BYTES)]
    return {box[start : start + 4] for start in range(0, len(box), 4)}
