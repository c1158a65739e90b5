"""Whether the end of an image is there, whatever lies behind it."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.image_ends import ends_properly
from tests.support.examples import examples
from tests.support.image_files import AVIF, BMP, GIF, JPEG, WEBP, media, png, webp

NAMED = ["odd-jpeg", "jpeg", "jpeg-comment", "png", "gif", "webp", "bmp"]

SAMSUNG = b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data1704110400000SEFHk\0\0\0\1\0\0\0\0\0\1\x0a#\0\0\0#\0\0\0\x18\0\0\0SEFT"
FILM = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(range(256)) * 40
TRAILERS = [SAMSUNG, FILM, bytes(5000), bytes(range(256)) * 400]
"""What lies behind the end of photos: Samsung's data, the film of a motion photo, padding, more than a tail."""


def exif(thumbnail: bytes) -> bytes:
    content = b"Exif\0\0" + thumbnail
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def photo(segments: bytes = b"") -> bytes:
    """A JPEG with well-formed segments, one of them a marker without a length, before its scan."""
    table = b"\xff\xdb" + struct.pack(">H", 67) + bytes(65)
    return (
        b"\xff\xd8" + segments + table + b"\xff\xff\x01" + b"\xff\xda\0\x0cscan-heads" + b"x\xff\0" * 400 + b"\xff\xd9"
    )


def gif() -> bytes:
    """Two frames, the second with colours of its own."""
    frame = b",\0\0\0\0\1\0\1\0"
    blocks = b"\2" + (b"\xff" + b"x" * 255) * 8 + b"\0"
    control = b"!\xf9\4\0\0\0\0\0"
    return (
        b"GIF89a\1\0\1\0\x80\0\0"
        + b"rgb" * 2
        + control
        + frame
        + b"\0"
        + blocks
        + frame
        + b"\x81"
        + b"rgb" * 4
        + blocks
        + b";"
    )


def ends(content: bytes) -> bool | None:
    return ends_properly(BytesIO(content))


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


@pytest.mark.parametrize("content", [JPEG, photo(), photo(b"\xff\xfe\0\4\xff\xd9"), png(), gif(), WEBP, BMP], ids=NAMED)
@pytest.mark.parametrize("behind", TRAILERS, ids=["trailer", "film", "zeros", "much"])
def test_what_phones_write_behind_a_picture_is_no_part_of_it(content: bytes, behind: bytes) -> None:
    assert ends(content + behind) is True


def test_the_end_of_a_thumbnail_is_not_the_end_of_its_photo() -> None:
    assert ends(photo(exif(JPEG))[:-2]) is False
    assert ends(photo(exif(JPEG))[:-500] + bytes(498)) is False
    assert ends(photo(exif(JPEG))) is True


@pytest.mark.parametrize("length", range(2, 1000, 37))
def test_a_photo_with_a_thumbnail_that_is_cut_anywhere_has_no_end(length: int) -> None:
    assert ends(photo(exif(JPEG[:300] + b"\xff\xd9"))[: length + 12]) is False


def test_the_end_of_a_jpeg_is_found_where_two_blocks_meet() -> None:
    start = photo()[:-2]
    content = start + b"x" * (2**20 - 1 - (len(start) - start.rindex(b"\xff\xda") - 10)) + b"\xff\xd9 and a film"
    assert ends(content) is True


def test_a_png_whose_chunks_are_damaged_is_judged_by_its_last_bytes() -> None:
    content = bytearray(png())
    content[8:12] = b"\0\0\0\x0e"
    assert ends(bytes(content)) is True
    assert ends(bytes(content) + b"\0" * 70_000) is False


def test_a_png_is_whole_only_with_the_checksum_of_its_end() -> None:
    assert ends(png()[:-1]) is False


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7, 0.9, 0.99])
def test_a_gif_that_is_cut_within_its_blocks_has_no_end(share: float) -> None:
    assert ends(gif()[: int(len(gif()) * share)]) is False


@pytest.mark.parametrize("brand", [b"avif", b"heic"])
def test_an_avif_or_heic_whose_last_box_is_cut_off_has_no_end(brand: bytes) -> None:
    start = media(brand)[:-8]
    data = struct.pack(">I", 108) + b"mdat" + bytes(100)
    long = struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100)
    assert ends(start + data) is None
    assert ends(start + long) is None
    assert ends(start + struct.pack(">I", 0) + b"mdat to the end of the file") is None
    assert ends(start + data + b"\0\0\0\x80mpvd and a film") is None
    assert ends(start + data[:-1]) is False
    assert ends(start + long[:-1]) is False


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0tEXt\0\0\0\0" * 100_001,
        b"GIF89a\1\0\1\0\0\0\0" + b"!\xff\0" * 60_000,
        media(b"avif") + b"\0\0\0\x08free" * 100_001,
        b"\xff\xd8\xff" + b"\xff" * 200_000,
        b"\xff\xd8" + b"\xff\xe0\0\2" * 200_000,
    ],
    ids=["png", "gif", "avif", "jpeg of fill bytes", "jpeg of empty segments"],
)
def test_a_file_of_very_many_parts_is_left_to_the_decoder(content: bytes) -> None:
    assert ends(content) is None


@given(
    st.binary(max_size=64),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"\0\0\0\x10ftypavif"]),
)
@settings(max_examples=examples(100))
def test_no_bytes_are_too_strange_to_be_looked_at(content: bytes, start: bytes) -> None:
    assert ends(start + content) in (True, False, None)


@pytest.mark.parametrize("content", [AVIF, b"II*\0rest", b"P5\n20 10\n255\n", b"", b"text"])
def test_some_formats_do_not_tell_their_end(content: bytes) -> None:
    assert ends(content) is None
