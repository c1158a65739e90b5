"""Image formats by their bytes, and whether their end is there."""

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.image_signatures import ImageSignature, ends_properly, format_of, is_heic

HEAD, TAIL = 4096, 65_536


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


def ends(content: bytes) -> bool | None:
    return ends_properly(content[:HEAD], content[-TAIL:], len(content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(), ImageSignature.PNG),
        (JPEG, ImageSignature.JPEG),
        (WEBP, ImageSignature.WEBP),
        (GIF, ImageSignature.GIF),
        (b"GIF87a;", ImageSignature.GIF),
        (BMP, ImageSignature.BMP),
        (b"II*\0", ImageSignature.TIFF),
        (b"MM\0+", ImageSignature.TIFF),
        (AVIF, ImageSignature.AVIF),
        (media(b"avis"), ImageSignature.AVIF),
        (b"", None),
        (b"BMW is a car", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (media(b"isom", b"mp42"), None),
        (media(b"heic", b"mif1"), None),
        (b"the word avif ftyp avif", None),
        (b"\x89PN", None),
    ],
)
def test_the_format_is_what_the_bytes_say(content: bytes, expected: ImageSignature | None) -> None:
    assert format_of(content) is expected


@given(st.binary(max_size=64))
@settings(max_examples=25)
def test_no_bytes_are_too_strange_to_be_looked_at(content: bytes) -> None:
    assert ends(content) in (True, False, None)
    assert not (is_heic(content) and format_of(content))


def test_a_heic_picture_is_known_as_such_and_an_avif_is_none() -> None:
    assert is_heic(media(b"heic", b"mif1"))
    assert not is_heic(AVIF)
    assert not is_heic(JPEG)


@pytest.mark.parametrize(
    "content",
    [
        png(),
        png() + b"trailing rubbish" * 20,
        JPEG,
        JPEG + b"\0" * 500,
        JPEG + b"\r\n",
        JPEG + JPEG,  # MPO: two pictures, one behind the other
        GIF,
        WEBP,
        webp(b"odd"),
        WEBP + b"more",
        BMP,
    ],
)
def test_the_end_of_a_whole_image_is_there(content: bytes) -> None:
    assert ends(content) is True


@pytest.mark.parametrize("content", [png(), JPEG, GIF, WEBP, BMP])
def test_the_end_of_a_truncated_image_is_missing(content: bytes) -> None:
    assert ends(content[:-100]) is False


@pytest.mark.parametrize("content", [png(100_000), JPEG * 1, GIF, WEBP])
def test_zeros_allocated_beforehand_are_no_end(content: bytes) -> None:
    half = content[: len(content) // 2]
    assert ends(half + b"\0" * (len(content) - len(half))) is False


def test_a_film_behind_a_jpeg_looks_unfinished_and_so_waits_longer() -> None:
    assert ends(JPEG + b"ftypmp42 and a film") is False


@pytest.mark.parametrize("content", [AVIF, b"II*\0rest", b"", b"text"])
def test_some_formats_do_not_tell_their_end(content: bytes) -> None:
    assert ends(content) is None
