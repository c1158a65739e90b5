"""The caption in TIFFs made of tags."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.tiff import captioned_tiff
from aura_daemon.jobs.picture_copies import changed
from tests.unit.formats.picture_metadata.captions.test_xmp_packet import DESCRIPTION, node, packet, texts

Order = Literal["little", "big"]
SHORT, LONG = 3, 4
SIZE = {256: (LONG, b"", 40), 257: (SHORT, b"", 30)}
STRIPS = {273: (LONG, b"", 8), 279: (LONG, b"", 10)}


def file_of(tags: dict[int, tuple[int, bytes, int]], order: Order = "little", magic: int = 42) -> bytes:
    """Header, ten bytes of image data, values, tags. Of a tag: its type, its values, or a number that is its value."""

    def number(value: int, width: int) -> bytes:
        return value.to_bytes(width, order)

    body, entries = b"image data", b""
    for tag, (kind, values, value) in sorted(tags.items()):
        entries += number(tag, 2) + number(kind, 2) + number(len(values) or 1, 4)
        entries += number(8 + len(body), 4) if values else number(value, 2 if kind == SHORT else 4).ljust(4, b"\0")
        body += values
    head = (b"II" if order == "little" else b"MM") + number(magic, 2) + number(8 + len(body), 4)
    return head + body + number(len(tags), 2) + entries + number(0, 4)


def copied(content: bytes, caption: str = "a cat") -> bytes:
    """The copy, which a second run leaves as it is."""
    made = changed(content, captioned_tiff(content, caption).changes)
    assert captioned_tiff(made, caption).changes == ()
    assert made[:4] == content[:4]
    assert made[8:].startswith(content[8:])
    return made


def tags_of(content: bytes, order: Order) -> dict[int, bytes]:
    at = int.from_bytes(content[4:8], order)
    count = int.from_bytes(content[at : at + 2], order)
    entries = (content[start : start + 12] for start in range(at + 2, at + 2 + 12 * count, 12))
    return {int.from_bytes(entry[:2], order): entry for entry in entries}


@pytest.mark.parametrize("order", ["little", "big"])
def test_nothing_that_is_there_moves_and_the_caption_stands_behind(order: Order) -> None:
    before = file_of({**SIZE, **STRIPS, 315: (2, b"Somebody\0", 0)}, order)
    found = captioned_tiff(before, "a cat")
    assert (found.extension, found.width, found.height, found.has_replaced) == (".tif", 40, 30, False)
    made = copied(before)
    tags = tags_of(made, order)
    xmp = tags.pop(700)
    assert tags == tags_of(before, order)
    at, length = (int.from_bytes(xmp[place : place + 4], order) for place in (8, 4))
    assert texts(made[at : at + length], DESCRIPTION) == {"x-default": "a cat"}


def test_a_packet_that_is_there_is_edited() -> None:
    made = copied(file_of({**SIZE, **STRIPS, 700: (1, packet(node("")), 0)}))
    assert made.count("Ä. Nobody".encode()) == 2  # the old one is not removed, and nothing leads to it
    assert len(tags_of(made, "little")) == 5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file_of(SIZE, magic=43), "BigTIFF"),
        (b"II*\0", "cut short"),
        (b"II*\0\x08\0\0\0\xff\xff" + bytes(12 * 65_535 + 4), "another tag"),
        (file_of({**SIZE, **STRIPS})[:-1], "cut short"),
        (file_of({**SIZE, 273: (LONG, b"", 8), 279: (LONG, b"", 4000)}), "cut short"),
        (file_of({**SIZE, 700: (99, b"x" * 9, 0)})[:9] + b"", "cut short"),
        (file_of(STRIPS), "how large"),
        (file_of({**SIZE, 700: (1, b"no packet", 0)}), "damaged"),
        (file_of({**SIZE, 700: (1, b"x" * 9, 0)}).replace(b"\1\0\x09\0\0\0", b"\1\0\x09\0\0\1"), "cut short"),
    ],
)
def test_what_cannot_be_copied_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(CannotHold, match=reason):
        captioned_tiff(content, "a cat")


@given(
    st.dictionaries(st.integers(258, 65_000), st.binary(min_size=5, max_size=9)), st.text(min_size=1), st.integers(0)
)
def test_with_any_tags_only_the_packet_is_new(values: dict[int, bytes], caption: str, cut: int) -> None:
    others = {tag: (7, value, 0) for tag, value in values.items() if tag not in (273, 279, 324, 325, 700)}
    before = file_of({**others, **SIZE, **STRIPS})
    tags = tags_of(copied(before, caption), "little")
    assert {tag: entry for tag, entry in tags.items() if tag != 700} == tags_of(before, "little")
    with pytest.raises(CannotHold):
        captioned_tiff(before[: cut % len(before)], caption)
