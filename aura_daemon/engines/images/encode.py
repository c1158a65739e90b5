"""Encodes a picture as a file with embedded metadata. In: picture, text, packet. Out: bytes | Failure.

The text is A1111's `parameters` (a PNG text chunk, else the EXIF user comment), the packet is XMP. The same input makes
the same bytes: no time is written.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from aura_daemon.formats.picture_metadata import xmp
from aura_daemon.formats.picture_metadata.infotext import infotext
from aura_daemon.jobs.requests import ImageFormat, Metadata
from aura_daemon.jobs.resolved import ResolvedGenerate, ResolvedUpscale
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system.library_versions import versions

XMP_KEY: Final = "XML:com.adobe.xmp"
"""Keyword of the PNG text chunk (XMP specification, part 3)."""

MOST_JPEG_BYTES: Final = 65_533
"""Limit of one JPEG segment, and so of all EXIF."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedImage:
    """A file's content."""

    content: bytes
    warnings: tuple[str, ...] = ()


def lacking(image_format: ImageFormat) -> Failure | None:
    """A Failure where Pillow cannot write this format; asked before anything is drawn."""
    # Our names are those of Pillow's codecs; a build may lack any except PNG's.
    if image_format is ImageFormat.PNG or features.check(image_format):
        return None
    message = f"this Pillow cannot write {image_format} files: it was built without that codec"
    mend = "install Pillow from its wheels (pip install --force-reinstall pillow), or say format: png"
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)


def described(made: ResolvedGenerate, *, model: str, model_sha256: str) -> tuple[str, str]:
    """Text and packet for a picture, as its `metadata` setting says; empty strings where nothing is embedded."""
    version = dict(versions())["aura_daemon"]
    match made.metadata:
        case Metadata.FULL:
            text = infotext(made, model=model, model_sha256=model_sha256, version=version)
            return text, xmp.full(made, model=model, version=version)
        case Metadata.MINIMAL:
            return "", xmp.origin(made)
        case Metadata.NONE:
            return "", ""


def encoded(
    picture: Image.Image, resolved: ResolvedGenerate | ResolvedUpscale, text: str, packet: str
) -> EncodedImage | Failure:
    """The picture in the requested format."""
    if (lacks := lacking(resolved.format)) is not None:
        return lacks
    options: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    if resolved.format is ImageFormat.PNG:
        options["pnginfo"] = _png_texts(text, packet)
    else:
        options["quality"] = resolved.quality
        if packet:
            options["xmp"] = packet.encode()
        exif = user_comment(text) if text else b""
        if resolved.format is ImageFormat.JPG and len(exif) > MOST_JPEG_BYTES:
            exif = b""
            warnings = ("its settings are too long for a JPEG and are not embedded; format: png has room for them",)
        if exif:
            options["exif"] = exif
    file = BytesIO()
    picture.save(file, "JPEG" if resolved.format is ImageFormat.JPG else resolved.format.upper(), **options)
    return EncodedImage(content=file.getvalue(), warnings=warnings)


def user_comment(text: str) -> bytes:
    """EXIF with a comment only (EXIF 2.32, section 4.6.5), in the byte order that A1111's readers expect."""
    comment = b"UNICODE\0" + text.encode("utf-16-be")
    pointer = struct.pack(">HHHII", 1, 0x8769, 4, 1, 26) + bytes(4)
    entry = struct.pack(">HHHII", 1, 0x9286, 7, len(comment), 44) + bytes(4)
    return b"Exif\0\0" + b"MM\0*" + struct.pack(">I", 8) + pointer + entry + comment


def _png_texts(text: str, packet: str) -> PngInfo:
    """Text chunks; Pillow writes iTXt for text outside Latin-1."""
    texts = PngInfo()
    if text:
        texts.add_text("parameters", text)
    if packet:
        texts.add_itxt(XMP_KEY, packet)
    return texts
