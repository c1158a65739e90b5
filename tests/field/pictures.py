"""Pictures that the embedded captioner knows, in the formats of cameras, scanners and other programs."""

from __future__ import annotations

import json
import struct
from io import BytesIO
from typing import Any, Final

from PIL import Image, ImageChops, ImageDraw
from PIL.PngImagePlugin import PngInfo

RED_CIRCLE: Final = "a large red circle on a blue background"
WHITE_CIRCLE: Final = "a large white circle on a black background"

_SIDE_PX: Final = 96


def circle(inside: str = "red", outside: str = "blue") -> Image.Image:
    """A large circle."""
    picture = Image.new("RGB", (_SIDE_PX, _SIDE_PX), outside)
    ImageDraw.Draw(picture).ellipse((13, 13, 82, 82), fill=inside)
    return picture


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The file of a picture."""
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


PNG: Final = saved(circle(), "PNG")
JPEG: Final = saved(circle(), "JPEG", quality=90)
WHITE_PNG: Final = saved(circle("white", "black"), "PNG")


def png_with(**texts: str) -> bytes:
    """A PNG with text chunks, as programs that draw pictures write them."""
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    return saved(circle(), "PNG", pnginfo=info)


def jpeg_with_comment(text: str, encoding: str) -> bytes:
    """A JPEG whose EXIF user comment is written in UTF-16 or ASCII."""
    code = b"ASCII\0\0\0" if encoding == "ascii" else b"UNICODE\0"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = code + text.encode(encoding)
    return saved(circle(), "JPEG", exif=exif)


def cmyk_jpeg() -> bytes:
    """As Photoshop writes CMYK: inverted, with Adobe's marker; Pillow writes and reads it so, too."""
    return saved(circle().convert("CMYK"), "JPEG", quality=95)


def grey_16_png() -> bytes:
    """Grey in 16 bits, as scanners write it."""
    grey = circle("white", "black").convert("L")
    wide = ImageChops.constant(grey, 0).convert("I;16")
    wide.putdata([value * 257 for value in grey.tobytes()])
    return saved(wide, "PNG")


def motion_photo() -> bytes:
    """A JPEG with its film behind the end marker, as Pixel phones write it."""
    film = (
        struct.pack(">I4s4sI", 24, b"ftyp", b"mp42", 0) + b"isommp42" + struct.pack(">I4s", 64, b"mdat") + b"\x5a" * 56
    )
    return JPEG + film


def as_json(document: object) -> bytes:
    """JSON as most programs write it."""
    return json.dumps(document, indent=2).encode()
