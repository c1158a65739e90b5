"""Captions in pictures of any format. In: a file that can be decoded, a caption. Out: the changes that make the copy.

What is written: XMP dc:description and alt text; in a JPEG the caption of IPTC's older records too. Image data is never
touched, and a copy of the copy with the same caption has the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from typing import Final

from aura_daemon.formats.image_ends import ends_properly
from aura_daemon.formats.image_signatures import ImageSignature, format_of
from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold, CaptionedPicture
from aura_daemon.formats.picture_metadata.captions.heif import captioned_heif
from aura_daemon.formats.picture_metadata.captions.jpeg import captioned_jpeg
from aura_daemon.formats.picture_metadata.captions.png import captioned_png
from aura_daemon.formats.picture_metadata.captions.tiff import captioned_tiff
from aura_daemon.formats.picture_metadata.captions.webp import captioned_webp

_WRITERS: Final[Mapping[ImageSignature | None, Callable[[bytes, str], CaptionedPicture]]] = {
    ImageSignature.JPEG: captioned_jpeg,
    ImageSignature.PNG: captioned_png,
    ImageSignature.WEBP: captioned_webp,
    ImageSignature.TIFF: captioned_tiff,
    ImageSignature.HEIC: partial(captioned_heif, extension=".heic"),
    ImageSignature.AVIF: partial(captioned_heif, extension=".avif"),
}


def captioned(content: bytes, caption: str) -> CaptionedPicture:
    """The changes by which a picture gets its caption; raises CannotHold."""
    signature = format_of(content[:4096])
    write = _WRITERS.get(signature)
    if write is None:
        kind = (signature or "unknown").upper()
        raise CannotHold(f"captions are written into JPEG, PNG, WebP, HEIC, AVIF and TIFF, and this is {kind}")
    if not caption.strip():
        raise CannotHold("the caption is empty")
    if ends_properly(BytesIO(content)) is False:
        raise CannotHold("it is cut short")
    return write(content, caption)
