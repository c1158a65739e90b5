"""The caption in WebPs made of chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.webp import captioned_webp
from aura_daemon.jobs.picture_copies import changed
from tests.unit.formats.picture_metadata.captions.test_xmp_packet import DESCRIPTION, node, packet, texts


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)


def lossless(*, has_alpha: bool) -> bytes:
    bits = 39 | 29 << 14 | has_alpha << 28
    return chunk(b"VP8L", b"\x2f" + bits.to_bytes(4, "little") + b"image data")


LOSSY = chunk(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + bytes((40, 0x40, 30, 0x80)) + b"image data!")
EXTENDED = chunk(b"VP8X", bytes((0x08, 0, 0, 0, 39, 0, 0, 29, 0, 0)))
EXIF, XMP = chunk(b"EXIF", b"II*\0"), chunk(b"XMP ", packet(node("")))


def file_of(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body + b"behind"


def chunks_of(content: bytes) -> list[bytes]:
    found, place = [], 12
    while place < 8 + int.from_bytes(content[4:8], "little"):
        end = place + 8 + int.from_bytes(content[place + 4 : place + 8], "little")
        end += end % 2
        found.append(content[place:end])
        place = end
    return found


def copied(content: bytes, caption: str = "a cat") -> bytes:
    """The copy, which a second run leaves as it is."""
    made = changed(content, captioned_webp(content, caption).changes)
    assert changed(made, captioned_webp(made, caption).changes) == made
    assert made.endswith(b"behind")
    return made


@pytest.mark.parametrize(
    ("image", "flags"), [(LOSSY, 0x04), (lossless(has_alpha=False), 0x04), (lossless(has_alpha=True), 0x14)]
)
def test_a_simple_file_becomes_an_extended_one_around_the_same_image(image: bytes, flags: int) -> None:
    found = captioned_webp(file_of(image), "a cat")
    assert (found.extension, found.width, found.height) == (".webp", 40, 30)
    header, same, xmp = chunks_of(copied(file_of(image)))
    assert header == chunk(b"VP8X", bytes((flags, 0, 0, 0, 39, 0, 0, 29, 0, 0)))
    assert same == image
    assert texts(xmp[8:].rstrip(b"\0"), DESCRIPTION) == {"x-default": "a cat"}


def test_an_extended_file_keeps_its_chunks_and_its_flags() -> None:
    header, *others, xmp = chunks_of(copied(file_of(EXTENDED, LOSSY, EXIF)))
    assert header == EXTENDED.replace(b"\x08\0\0\0", b"\x0c\0\0\0", 1).replace(b"VP8X\x0c", b"VP8X\x0a")
    assert (others, xmp[:4]) == ([LOSSY, EXIF], b"XMP ")
    _, *same, edited, last = chunks_of(copied(file_of(EXTENDED, LOSSY, XMP, EXIF)))
    assert (same, last) == ([LOSSY], EXIF)
    assert "Ä. Nobody".encode() in edited


def test_a_last_byte_of_padding_that_is_missing_is_added() -> None:
    whole = file_of(LOSSY).removesuffix(b"behind")
    short = b"RIFF" + (len(whole) - 9).to_bytes(4, "little") + whole[8:-1]
    assert changed(short, captioned_webp(short, "a cat").changes) == copied(file_of(LOSSY)).removesuffix(b"behind")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file_of(LOSSY)[:-10], "cut short"),
        (file_of(), "chunks are damaged"),
        (file_of(LOSSY, b"EXIF\xff\0\0\0"), "chunks are damaged"),
        (file_of(chunk(b"VP8X", b"short"), LOSSY), "header"),
        (file_of(chunk(b"VP8 ", b"no picture")), "image data"),
        (file_of(chunk(b"VP8 ", b"\0\0\0\x9d\x01\x2a\0\0\0\0")), "image data"),
        (file_of(chunk(b"ANMF", b"")), "image data"),
        (file_of(EXTENDED, XMP, XMP), "two packets"),
        (file_of(LOSSY, *[chunk(b"more", b"")] * 100_000), "100,000 chunks"),
    ],
)
def test_what_cannot_be_copied_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(CannotHold, match=reason):
        captioned_webp(content, "a cat")


FIRST = st.sampled_from([LOSSY, lossless(has_alpha=True), EXTENDED])
PARTS = st.sampled_from([LOSSY, chunk(b"ALPH", b"odd"), chunk(b"ICCP", b"even"), EXIF, chunk(b"what", b""), XMP])


@given(FIRST, st.lists(PARTS, max_size=8), st.text(min_size=1, max_size=40), st.integers(0, 1 << 16))
def test_in_any_order_of_chunks_only_the_packet_changes(
    first: bytes, parts: list[bytes], caption: str, cut: int
) -> None:
    before = file_of(first, *parts)
    is_fit = parts.count(XMP) < 2
    if is_fit:
        kept = [one for one in chunks_of(copied(before, caption)) if one[:4] not in (b"VP8X", b"XMP ")]
        assert kept == [one for one in (first, *parts) if one not in (EXTENDED, XMP)]
    with pytest.raises(CannotHold):
        captioned_webp(before if not is_fit else before[: cut % (len(before) - len(b"behind"))], caption)
