"""The caption in JPEGs made of segments."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.picture_metadata.captions import jpeg
from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.jpeg import captioned_jpeg
from aura_daemon.jobs.picture_copies import changed
from tests.unit.formats.picture_metadata.captions.test_photoshop_blocks import RECORDS, block
from tests.unit.formats.picture_metadata.captions.test_xmp_packet import DESCRIPTION, node, packet, texts

XMP = b"http://ns.adobe.com/xap/1.0/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
SCAN = b"\xff\xda\0\x08\1\1\0\0\x3f\0" + bytes(range(255)) * 4 + b"\xff\xd9"
FILM = b"\0\0\0\x18ftypmp42 the film of a motion photo"


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body


FRAME = segment(0xC0, b"\x08\0\x1e\0\x28\1\1\x11\0")
JFIF, EXIF = segment(0xE0, b"JFIF\0" + b"\1" * 9), segment(0xE1, b"Exif\0\0II*\0" + b"\2" * 40)
PROFILE, TABLES = segment(0xE2, b"ICC_PROFILE\0\1\1sRGB"), segment(0xDB, b"\3" * 65)


def file_of(*segments: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(segments) + FRAME + SCAN + FILM


def bodies(content: bytes, marker: int) -> list[bytes]:
    """The bodies of the segments of one kind."""
    found, place = [], 2
    while content[place + 1] != 0xDA:
        if content[place + 1] == 0xFF:  # a fill byte
            place += 1
            continue
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4])
        found += [content[place + 4 : end]] * (content[place + 1] == marker)
        place = end
    return found


def copied(content: bytes, caption: str = "a cat") -> bytes:
    """The copy, which a second run leaves as it is."""
    made = changed(content, captioned_jpeg(content, caption).changes)
    assert changed(made, captioned_jpeg(made, caption).changes) == made
    return made


def test_new_segments_stand_behind_jfif_and_exif_and_all_else_stays() -> None:
    found = captioned_jpeg(file_of(JFIF, EXIF, PROFILE, TABLES), "a cat")
    assert (found.extension, found.width, found.height, found.has_replaced) == (".jpg", 40, 30, False)
    made = copied(file_of(JFIF, EXIF, PROFILE, TABLES))
    before, after = b"\xff\xd8" + JFIF + EXIF, PROFILE + TABLES + FRAME + SCAN + FILM
    assert made.startswith(before + b"\xff\xe1")
    assert made.endswith(after)
    assert bodies(made, 0xED) == [PHOTOSHOP + block(0x0404, RECORDS)]
    (new,) = [body for body in bodies(made, 0xE1) if body.startswith(XMP)]
    assert texts(new[len(XMP) :], DESCRIPTION) == {"x-default": "a cat"}


def test_segments_that_are_there_are_edited_where_they_stand() -> None:
    old = node("<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>a dog</rdf:li></rdf:Alt></dc:description>")
    xmp, blocks = segment(0xE1, XMP + packet(old)), segment(0xED, PHOTOSHOP + block(1, b"path"))
    extended = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40)
    before = file_of(JFIF, PROFILE, blocks, b"\xff\xff" + xmp, extended, TABLES)
    assert captioned_jpeg(before, "a cat").has_replaced
    made = copied(before)
    assert made.startswith(b"\xff\xd8" + JFIF + PROFILE + b"\xff\xed")
    assert made.endswith(extended + TABLES + FRAME + SCAN + FILM)
    assert bodies(made, 0xED) == [PHOTOSHOP + block(1, b"path") + block(0x0404, RECORDS)]
    assert "Ä. Nobody".encode() in made


def test_blocks_that_need_several_segments_stay_whole() -> None:
    blocks = block(1, b"x" * 70_000) + block(2, b"y" * 60_000)
    pieces = [segment(0xED, PHOTOSHOP + blocks[start : start + 50_000]) for start in range(0, len(blocks), 50_000)]
    made = copied(file_of(*pieces[:2], PROFILE, *pieces[2:]))
    found = bodies(made, 0xED)
    assert b"".join(body.removeprefix(PHOTOSHOP) for body in found) == blocks + block(0x0404, RECORDS)
    assert max(map(len, found)) == 65_533


def pictures(order: str, entries: list[tuple[int, int]], kind: int = 0xB002) -> bytes:
    """The list of further pictures: size and place of each."""

    def number(value: int, width: int) -> bytes:
        return value.to_bytes(width, "little" if order == "II" else "big")

    table = b"".join(number(1, 4) + number(size, 4) + number(at, 4) + b"\0" * 4 for size, at in entries)
    tags = number(0xB000, 2) + number(7, 2) + number(4, 4) + b"0100"
    tags += number(kind, 2) + number(7, 2) + number(len(table), 4) + number(8 + 2 + 24 + 4, 4)
    body = order.encode() + number(42, 2) + number(8, 4) + number(2, 2) + tags + number(0, 4) + table
    return segment(0xE2, b"MPF\0" + body)


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("is_before", [True, False])
def test_further_pictures_are_found_where_they_went(order: str, is_before: bool) -> None:
    gain_map = b"\xff\xd8 the gain map \xff\xd9"
    old = segment(0xE1, XMP + packet(""))

    def both(size: int, at: int) -> bytes:
        listed = pictures(order, [(size, 0), (len(gain_map), at)])
        return b"\xff\xd8" + (old + listed if is_before else JFIF + listed + old) + FRAME + SCAN

    first = both(0, 0)
    base = first.index(b"MPF\0") + 4
    before = both(len(first), len(first) - base) + gain_map
    made = copied(before)
    (body,) = bodies(made, 0xE2)
    table, little = body[4 + 38 :], "little" if order == "II" else "big"
    size, at = (int.from_bytes(table[place : place + 4], little) for place in (4, 16 + 8))  # type: ignore[arg-type]
    assert size == len(made) - len(gain_map)
    assert made[made.index(b"MPF\0") + 4 + at :] == gain_map
    assert made.endswith(FRAME + SCAN + gain_map)


def test_a_list_without_pictures_stays_as_it_is() -> None:
    assert pictures("II", [(1, 0)], kind=0xB001) in copied(file_of(pictures("II", [(1, 0)], kind=0xB001)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xd8" + JFIF, "damaged before"),
        (b"\xff\xd8" + JFIF[:-1], "damaged before"),
        (file_of(b"\xff\xd9"), "damaged before"),
        (file_of(b"\xff\xe0\0\1"), "damaged before"),
        (b"\xff\xd8" + b"rubbish", "damaged before"),
        (b"\xff\xd8" + JFIF + SCAN, "how large"),
        (file_of(segment(0xE1, XMP), segment(0xE1, XMP)), "two packets"),
        (file_of(segment(0xE1, XMP + packet(node("", f'a="{"x" * 64_800}"')))), "65,502"),
        (file_of(*[segment(0xFE, b"")] * 10_000), "segments"),
        (file_of(segment(0xE2, b"MPF\0II*\0\x08\0")), "further pictures"),
        (file_of(pictures("II", [(1, (1 << 32) - 1)]), segment(0xE1, XMP + packet(""))), "further pictures"),
    ],
)
def test_what_cannot_be_copied_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(CannotHold, match=reason):
        captioned_jpeg(content, "a cat")


OTHERS = st.sampled_from([JFIF, EXIF, PROFILE, TABLES, FRAME, pictures("MM", [(9, 0), (4, 999)])])
OURS = st.sampled_from([segment(0xE1, XMP + packet(node(""))), segment(0xED, PHOTOSHOP + block(1, b"path"))])


@given(st.lists(OTHERS | OURS, max_size=8), st.text(min_size=1, max_size=40), st.integers(0, 1 << 16))
def test_in_any_order_of_segments_only_ours_change(segments: list[bytes], caption: str, cut: int) -> None:
    before = file_of(*segments)
    try:
        made = copied(before, caption)
    except CannotHold as error:
        assert re.search("two packets", str(error))
        return
    assert made.endswith(FRAME + SCAN + FILM)
    for marker in (0xE0, 0xDB, 0xC0):
        assert bodies(made, marker) == bodies(before, marker)
    assert [len(body) for body in bodies(made, 0xE2)] == [len(body) for body in bodies(before, 0xE2)]
    cut_short = before[: cut % before.index(SCAN)]
    with pytest.raises(CannotHold):
        jpeg.captioned_jpeg(cut_short, caption)
