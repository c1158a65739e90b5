"""The caption in PNGs made of chunks."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.png import captioned_png
from aura_daemon.formats.picture_metadata.captions.xmp_packet import MOST_BYTES
from aura_daemon.jobs.picture_copies import changed
from tests.unit.formats.picture_metadata.captions.test_xmp_packet import DESCRIPTION, node, packet, texts

KEYWORD = b"XML:com.adobe.xmp\0"


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


HEADER = chunk(b"IHDR", bytes((0, 0, 0, 40, 0, 0, 0, 30, 8, 2, 0, 0, 0)))
DATA, END = chunk(b"IDAT", b"image data") + chunk(b"IDAT", b"more of it"), chunk(b"IEND", b"")
PALETTE, TEXT = chunk(b"PLTE", b"\1\2\3"), chunk(b"tEXt", b"Comment\0mine")


def file_of(*chunks: bytes, header: bytes = HEADER) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + END + b"behind"


def xmp(content: bytes, *, is_packed: bool = False) -> bytes:
    body = b"\1\0en\0key\0" + zlib.compress(content) if is_packed else b"\0\0\0\0" + content
    return chunk(b"iTXt", KEYWORD + body)


def copied(content: bytes, caption: str = "a cat") -> bytes:
    """The copy, which a second run leaves as it is."""
    made = changed(content, captioned_png(content, caption).changes)
    assert changed(made, captioned_png(made, caption).changes) == made
    return made


def test_the_packet_stands_before_the_image_data_and_all_else_stays() -> None:
    before = file_of(PALETTE, TEXT, DATA)
    found = captioned_png(before, "a cat")
    assert (found.extension, found.width, found.height) == (".png", 40, 30)
    (change,) = found.changes
    assert (change.start, change.end) == (before.index(DATA), before.index(DATA))
    kind, body, check = change.content[4:8], change.content[8:-4], change.content[-4:]
    assert int.from_bytes(check) == zlib.crc32(kind + body)
    assert texts(body.removeprefix(KEYWORD + b"\0\0\0\0"), DESCRIPTION) == {"x-default": "a cat"}


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_packet_that_is_there_is_edited_where_it_stands(is_packed: bool) -> None:
    before = file_of(TEXT, DATA, xmp(packet(node("")), is_packed=is_packed))
    made = copied(before)
    assert made.startswith(before[: before.index(KEYWORD) - 8])
    assert "Ä. Nobody".encode() in made
    assert made.endswith(END + b"behind")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file_of(TEXT, header=TEXT), "header"),
        (file_of(DATA, header=chunk(b"IHDR", b"short")), "header"),
        (file_of(TEXT), "no image data"),
        (file_of(xmp(b""), DATA, xmp(b"")), "two packets"),
        (file_of(DATA)[:-20], "chunks are damaged"),
        (file_of(chunk(b"1234", b""), DATA), "chunks are damaged"),
        (b"\x89PNG\r\n\x1a\n", "chunks are damaged"),
        (file_of(*[chunk(b"abCd", b"")] * 100_000), "100,000 chunks"),
        (file_of(DATA, chunk(b"iTXt", KEYWORD + b"\1\0\0\0rubbish")), "packed XMP"),
        (file_of(DATA, chunk(b"iTXt", KEYWORD + b"\1\0\0\0" + zlib.compress(b"x" * 99)[:-3])), "packed XMP"),
        (file_of(DATA, xmp(b"x" * (MOST_BYTES + 1), is_packed=True)), "1,048,576 bytes"),
        (file_of(DATA, chunk(b"iTXt", KEYWORD)), "damaged"),
    ],
)
def test_what_cannot_be_copied_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(CannotHold, match=reason):
        captioned_png(content, "a cat")


PARTS = st.sampled_from([PALETTE, TEXT, DATA, chunk(b"eXIf", b"II*\0"), xmp(packet(node("")))])


@given(st.lists(PARTS, max_size=8), st.text(min_size=1, max_size=40), st.integers(0, 1 << 16))
def test_in_any_order_of_chunks_only_the_packet_changes(parts: list[bytes], caption: str, cut: int) -> None:
    before = file_of(*parts)
    is_fit = DATA in parts and parts.count(xmp(packet(node("")))) < 2
    if is_fit:
        (change,) = captioned_png(before, caption).changes
        left = copied(before, caption).replace(change.content, b"", 1)
        assert left == before.replace(xmp(packet(node(""))), b"")
    with pytest.raises(CannotHold):
        captioned_png(before if not is_fit else before[: cut % (len(before) - len(b"behind"))], caption)
