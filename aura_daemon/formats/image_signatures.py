"""Tells image formats by their bytes. In: the first bytes of a file. Out: the format."""

from __future__ import annotations

import re
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
    HEIC = "heic"
    PNM = "pnm"


_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_MOST_BRANDS_BYTES: Final = 256

_PNM: Final = re.compile(rb"P[1-6][ \t]?\r?\n(?:#[^\n]{0,500}\n){0,20}[ \t]*\d{1,9}\s+\d{1,9}\s")
"""Portable bitmap, graymap and pixmap (netpbm): kind, comments, width, height. The line break behind the kind, which
every program writes, tells it from a text that begins with `P5`."""


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
    if _PNM.match(head):
        return ImageSignature.PNM
    brands = _brands(head)
    if _AVIF_BRANDS & brands:
        return ImageSignature.AVIF
    return ImageSignature.HEIC if _HEIC_BRANDS & brands else None


def _brands(head: bytes) -> set[bytes]:
    """The brands of an ISO media file, of 4 bytes each in its first box `ftyp`; empty for anything else."""
    if head[4:8] != b"ftyp":
        return set()
    box = head[8 : min(int.from_bytes(head[:4], "big"), _MOST_BRANDS_BYTES)]
    return {box[start : start + 4] for start in range(0, len(box), 4)}
