"""Image files: those that encoders write, and those that have the structure of their format and nothing in it."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pillow_heif
from PIL import Image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """An image as a file; `kind`: Pillow's name of a format, or HEIC."""
    content = BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(content, **options)
    else:
        image.save(content, kind, **options)
    return content.getvalue()


def png(pixels: int = 3000) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    content = bytes(range(256)) * (pixels // 256 + 1)
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def webp(content: bytes) -> bytes:
    chunk = b"VP8 " + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def bmp(content: bytes) -> bytes:
    return b"BM" + struct.pack("<IHHI", 14 + len(content), 0, 0, 14) + content


def media(major: bytes, *compatible: bytes) -> bytes:
    brands = major + b"\0\0\0\0" + b"".join(compatible)
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + b"\0\0\0\x08mdat"


JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + b"picture" * 400 + b"\xff\xd9"
GIF = b"GIF89a" + b"picture" * 400 + b";"
WEBP = webp(b"picture" * 401)
BMP = bmp(b"picture" * 400)
AVIF = media(b"mif1", b"miaf", b"avif")
