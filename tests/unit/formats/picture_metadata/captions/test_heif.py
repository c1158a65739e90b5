"""The caption in HEIC and AVIF made of boxes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.heif import captioned_heif
from aura_daemon.formats.picture_metadata.captions.xmp_packet import MOST_BYTES
from aura_daemon.jobs.picture_copies import changed
from tests.unit.formats.picture_metadata.captions.test_xmp_packet import DESCRIPTION, node, packet, texts

IMAGE = b"the coded image"
XMP = packet(node(""))


def box(kind: bytes, body: bytes, version: int | None = None) -> bytes:
    full = bytes((version, 0, 0, 0)) if version is not None else b""
    return (8 + len(full) + len(body)).to_bytes(4) + kind + full + body


def infe(item: int, kind: bytes, rest: bytes = b"\0", version: int = 2) -> bytes:
    return box(b"infe", item.to_bytes(4 if version == 3 else 2) + b"\0\0" + kind + rest, version)


XMP_ITEM = infe(2, b"mime", b"\0application/rdf+xml\0")
FTYP, HANDLER = box(b"ftyp", b"heic\0\0\0\0mif1"), box(b"hdlr", b"\0\0\0\0pict", 0)
PROPERTIES = box(b"iprp", box(b"ipco", b"") + box(b"ipma", b"\0\0\0\0", 0))


def iloc(
    places: Sequence[tuple[int, int, int, int, int]], version: int = 1, base: int = 0, widths: int = 0x44
) -> bytes:
    """Item, method, reference, offset and length of each."""
    wide, base_width = 4 if version == 2 else 2, 4 if base else 0
    body = bytes((widths, base_width << 4)) + len(places).to_bytes(wide)
    for item, method, reference, offset, length in places:
        body += item.to_bytes(wide) + (method.to_bytes(2) if version else b"") + reference.to_bytes(2)
        body += base.to_bytes(base_width) + b"\0\1" + (offset - base).to_bytes(4) + length.to_bytes(4)
    return box(b"iloc", body, version)


def file_of(
    *,
    version: int = 1,
    base: int = 0,
    items: bytes = infe(1, b"hvc1"),
    xmp: bytes | None = None,
    in_meta: bool = False,
    rest: bytes = b"",
    list_version: int = 0,
    reference: int = 0,
    last: bytes = b"",
    widths: int = 0x44,
    before: bool = False,
) -> bytes:
    """A file of one image, and of a packet of XMP, in the list of items or behind the image."""
    count = items.count(b"infe") + (xmp is not None)
    number = count.to_bytes(4 if list_version else 2)
    inside = HANDLER + box(b"pitm", b"\0\1", 0)
    inside += box(b"iinf", number + items + (XMP_ITEM if xmp is not None else b""), list_version) + PROPERTIES
    inside += rest + (box(b"idat", xmp) if xmp is not None and in_meta else b"")

    def whole(at: int) -> bytes:
        places = [(1, 0, reference, at, len(IMAGE))]
        if xmp is not None:
            places.append((2, 1, 0, base, len(xmp)) if in_meta else (2, 0, 0, at + len(IMAGE), len(xmp)))
        meta = box(b"meta", inside + iloc(places, version, base, widths), 0)
        data = box(b"mdat", IMAGE + (xmp if xmp is not None and not in_meta else b""))
        return FTYP + (data + meta if before else meta + data) + last

    return whole(whole(base).index(IMAGE))


def copied(content: bytes, caption: str = "a cat") -> bytes:
    """The copy, which a second run leaves as it is."""
    made = changed(content, captioned_heif(content, caption, extension=".heic").changes)
    assert captioned_heif(made, caption, extension=".heic").changes == ()
    return made


def place_of(content: bytes, item: int, version: int, base: int) -> tuple[int, int]:
    """Offset and length of an item, as `iloc` says."""
    wide = 4 if version == 2 else 2
    at = content.index(b"iloc") + 8 + 2
    count, at = int.from_bytes(content[at : at + wide]), at + wide
    for _ in range(count):
        number = int.from_bytes(content[at : at + wide])
        at += wide + 2 * (version > 0) + 2
        begin, at = (int.from_bytes(content[at : at + 4]), at + 4) if base else (0, at)
        offset, length = (int.from_bytes(content[start : start + 4]) for start in (at + 2, at + 6))
        at += 10
        if number == item:
            return begin + offset, length
    raise AssertionError(item)


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("base", [0, 16])
@pytest.mark.parametrize("rest", [b"", box(b"iref", box(b"dimg", b"\0\1\0\1\0\1"), 0), box(b"iref", b"", 1)])
def test_a_new_item_describes_the_image_which_is_found_where_it_went(version: int, base: int, rest: bytes) -> None:
    before = file_of(version=version, base=base, rest=rest, list_version=version % 2)
    found = captioned_heif(before, "a cat", extension=".heic")
    assert (found.extension, found.width, found.height, found.has_replaced) == (".heic", None, None, False)
    made = copied(before)
    offset, length = place_of(made, 1, version, base)
    assert made[offset : offset + length] == IMAGE
    offset, length = place_of(made, 2, version, base)
    assert texts(made[offset : offset + length], DESCRIPTION) == {"x-default": "a cat"}
    wide = 4 if rest.startswith(b"\0\0\0\x0ciref\1") else 2
    assert box(b"cdsc", (2).to_bytes(wide) + b"\0\1" + (1).to_bytes(wide)) in made
    assert made.endswith(box(b"mdat", IMAGE))


@pytest.mark.parametrize("in_meta", [False, True])
def test_a_packet_that_is_there_is_edited(in_meta: bool) -> None:
    made = copied(file_of(xmp=XMP, in_meta=in_meta, last=box(b"mpvd", b"a film")))
    assert made.endswith(box(b"mpvd", b"a film"))
    assert made.count(b"infe") == 2
    offset, length = place_of(made, 2, 1, 0)
    assert "Ä. Nobody".encode() in made[offset : offset + length]
    offset, length = place_of(made, 1, 1, 0)
    assert made[offset : offset + length] == IMAGE


def test_an_image_before_the_list_stays_and_the_last_box_may_be_open() -> None:
    before = file_of(before=True)
    made = copied(before)
    assert made.startswith(before[: before.index(b"meta") - 4])
    whole = file_of()
    at = whole.index(b"mdat") - 4
    still_open = whole[:at] + b"\0\0\0\0" + whole[at + 4 :]
    assert copied(still_open).endswith(still_open[at:])
    large = (1).to_bytes(4) + b"mdat" + (16 + len(IMAGE)).to_bytes(8) + IMAGE
    offset, _ = place_of(copied(whole[:at] + large), 1, 1, 0)
    assert copied(whole[:at] + large)[offset + 8 :] == IMAGE


def test_more_than_65_535_items_are_numbered_in_four_bytes() -> None:
    made = copied(file_of(version=2, items=infe(0x10000, b"hvc1", version=3), rest=box(b"iref", b"", 1)))
    assert infe(0x10001, b"mime", b"XMP\0application/rdf+xml\0", version=3) in made


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (FTYP, "list of items"),
        (FTYP + box(b"meta", HANDLER, 0), "list of items"),
        (FTYP + box(b"meta", HANDLER * 2, 0), "list of items"),
        (FTYP + box(b"meta", bytes(1 << 20), 0), "list of items"),
        (FTYP[:-1], "cut short"),
        (FTYP + b"\0\0\0\2moov", "cut short"),
        (file_of()[: -8 - len(IMAGE)], "cut short"),
        (file_of(last=box(b"moov", b"")), "sequences"),
        (box(b"free", b"") * 10_001, "10,000 boxes"),
        (file_of(items=box(b"what", b"")), "list of items"),
        (file_of(items=infe(1, b"hvc1", version=1)), "list of items"),
        (file_of(items=box(b"infe", b"\0", 2)), "list of items"),
        (file_of(version=3), "list of items"),
        (file_of(widths=0x40), "list of items"),
        (file_of(items=XMP_ITEM * 2), "two packets"),
        (file_of(items=XMP_ITEM), "not found"),
        (file_of(xmp=b""), "damaged"),
        (file_of(xmp=b"x" * (MOST_BYTES + 1)), "1,048,576 bytes"),
        (file_of(reference=1), "another file"),
        (file_of(items=infe(0xFFFF, b"hvc1")), "list of items"),
    ],
)
def test_what_cannot_be_copied_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(CannotHold, match=reason):
        captioned_heif(content, "a cat", extension=".heic")


@given(st.booleans(), st.booleans(), st.sampled_from([0, 1, 2]), st.text(min_size=1, max_size=40), st.integers(0))
def test_whatever_the_layout_the_image_is_the_same(
    is_there: bool, in_meta: bool, version: int, caption: str, cut: int
) -> None:
    before = file_of(version=version, xmp=XMP if is_there else None, in_meta=in_meta and version > 0)
    made = copied(before, caption)
    offset, length = place_of(made, 1, version, 0)
    assert made[offset : offset + length] == IMAGE
    with pytest.raises(CannotHold):
        captioned_heif(before[: cut % (before.rindex(b"mdat") + 4 + len(IMAGE))], caption, extension=".heic")
