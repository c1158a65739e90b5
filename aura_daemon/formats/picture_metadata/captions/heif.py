"""Captions in HEIC and AVIF: XMP as an item of its own. In: a file. Out: the changes that make the copy.

The list of items (`meta`) grows, and a box with the packet comes behind it. What lies behind these moves as it is; its
places in the list are corrected.
ISO 14496-12, sections 8.11 (items) and 12.3; ISO 23008-12, annex A (XMP).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold, CaptionedPicture
from aura_daemon.formats.picture_metadata.captions.xmp_packet import MOST_BYTES, packet_with_caption
from aura_daemon.jobs.picture_copies import Change

_MOST_BOXES: Final = 10_000
_MOST_META_BYTES: Final = 1 << 20
_DAMAGED: Final = "its list of items is damaged, or of a kind that is not known here"
_XMP_TYPE: Final = b"mime"
_XMP_CONTENT: Final = b"application/rdf+xml"
_FULL: Final = 4
"""Bytes of version and flags of a full box."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Box:
    kind: bytes
    start: int
    body: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where the data of an item lies."""

    item: int
    method: int
    """0: in the file, 1: in the list of items itself, 2: in another item."""
    reference: int
    """0: in this file."""
    base: int
    extents: tuple[tuple[int, int, int], ...]
    """Index, offset and length of each part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Places:
    """The box `iloc`."""

    version: int
    offset_width: int
    length_width: int
    base_width: int
    index_width: int
    places: tuple[_Place, ...]

    def written(self) -> bytes:
        """The whole box; raises CannotHold where a number has no room."""
        sizes = self.offset_width << 12 | self.length_width << 8 | self.base_width << 4 | self.index_width
        wide = 4 if self.version == 2 else 2
        body = bytes((self.version, 0, 0, 0)) + sizes.to_bytes(2) + _number(len(self.places), wide)
        for place in self.places:
            body += _number(place.item, wide)
            body += _number(place.method, 2) if self.version else b""
            body += _number(place.reference, 2) + _number(place.base, self.base_width) + _number(len(place.extents), 2)
            for index, offset, length in place.extents:
                body += _number(index, self.index_width if self.version else 0)
                body += _number(offset, self.offset_width) + _number(length, self.length_width)
        return _box(b"iloc", body)


class _Numbers:
    """Numbers, one after the other."""

    def __init__(self, content: bytes, place: int, end: int) -> None:
        self.content = content
        self.place = place
        self.end = end

    def number(self, width: int) -> int:
        return int.from_bytes(self.bytes(width))

    def bytes(self, width: int) -> bytes:
        begin, self.place = self.place, self.place + width
        if self.place > self.end:
            raise CannotHold(_DAMAGED)
        return self.content[begin : self.place]


def captioned_heif(content: bytes, caption: str, *, extension: str) -> CaptionedPicture:
    """The changes; raises CannotHold."""
    top = {box.kind: box for box in _boxes(content, 0, len(content))}
    if b"moov" in top:
        raise CannotHold("captions are not written into image sequences")
    meta = top.get(b"meta")
    if meta is None or meta.end - meta.start > _MOST_META_BYTES:
        raise CannotHold(_DAMAGED)
    inner = list(_boxes(content, meta.body + _FULL, meta.end))
    boxes = {box.kind: box for box in inner}
    if len(boxes) != len(inner) or not {b"pitm", b"iinf", b"iloc"} <= boxes.keys():
        raise CannotHold(_DAMAGED)
    primary = _primary(content, boxes[b"pitm"])
    items = _items(content, boxes[b"iinf"])
    places = _places(content, boxes[b"iloc"])
    there = [item for item, is_xmp in items if is_xmp]
    if len(there) > 1:
        raise CannotHold("it has two packets of XMP")
    earlier = _packet_of(content, places, there[0], boxes.get(b"idat")) if there else None
    packet, has_replaced = packet_with_caption(earlier, caption)
    changes: tuple[Change, ...] = ()
    if packet != earlier:
        item = there[0] if there else 1 + max((primary, *(item for item, _ in items)))
        changes = _changes(content, meta, boxes, places, packet, item, primary, is_new=not there)
    return CaptionedPicture(extension=extension, changes=changes, has_replaced=has_replaced)


def _changes(
    content: bytes,
    meta: _Box,
    boxes: dict[bytes, _Box],
    places: _Places,
    packet: bytes,
    item: int,
    primary: int,
    *,
    is_new: bool,
) -> tuple[Change, ...]:
    """The new list of items, and the packet behind it."""
    new = {} if not is_new else {b"iinf": _with_item(content, boxes[b"iinf"], item)}
    if is_new:
        new[b"iref"] = _with_reference(content, boxes.get(b"iref"), item, primary)
    others = tuple(place for place in places.places if place.item != item)
    ends = (one.base + at + length for one in others if one.method == 0 for _, at, length in one.extents)
    if max(ends, default=0) > len(content):
        raise CannotHold("it is cut short or damaged")

    data = _box(b"mdat", packet)

    def list_of(length: int) -> bytes:
        grown = length + len(data) - (meta.end - meta.start)
        moved = tuple(_moved(place, meta, grown) for place in others)
        extent = (0, meta.start + length + len(data) - len(packet), len(packet))
        ours = _Place(item=item, method=0, reference=0, base=0, extents=(extent,))
        iloc = replace(places, places=(*moved, ours)).written()
        parts = [content[meta.body : meta.body + _FULL]]
        written = new | {b"iloc": iloc}
        for box in boxes.values():
            parts.append(written.pop(box.kind, content[box.start : box.end]))
        return _box(b"meta", b"".join([*parts, *written.values()]))

    length = len(list_of(meta.end))  # numbers have fixed widths: the second list is as long
    return (Change(start=meta.start, end=meta.end, content=list_of(length) + data),)


def _moved(place: _Place, meta: _Box, by: int) -> _Place:
    """The data of an item, behind a list that has grown; what lies before the list stays."""
    begins = [place.base + offset for _, offset, _ in place.extents]
    if place.method != 0 or (place.reference == 0 and all(begin < meta.start for begin in begins)):
        return place
    if place.reference != 0 or any(begin < meta.end for begin in begins):
        raise CannotHold("its image data lies in another file, or in parts before and behind the list of items")
    if place.base:
        return replace(place, base=place.base + by)
    return replace(place, extents=tuple((index, offset + by, length) for index, offset, length in place.extents))


def _boxes(content: bytes, start: int, end: int) -> Iterator[_Box]:
    """The boxes between two places; the last of the file may reach to its end without saying how far that is.

    Within another box it may not (ISO 14496-12, section 4.2): it would swallow what is written behind it.
    """
    place = start
    for _ in range(_MOST_BOXES):
        if place == end:
            return
        length, body = int.from_bytes(content[place : place + 4]), place + 8
        if length == 1:
            length, body = int.from_bytes(content[place + 8 : place + 16]), place + 16
        if length == 0 and start == 0:
            length = end - place
        if length < body - place or place + length > end:
            raise CannotHold("it is cut short or damaged")
        yield _Box(kind=content[place + 4 : place + 8], start=place, body=body, end=place + length)
        place += length
    raise CannotHold(f"it has more than {_MOST_BOXES:,} boxes")


def _primary(content: bytes, box: _Box) -> int:
    read = _Numbers(content, box.body, box.end)
    version = read.number(_FULL) >> 24
    return read.number(4 if version else 2)


def _items(content: bytes, box: _Box) -> list[tuple[int, bool]]:
    """The number of each item, and whether it is XMP."""
    read = _Numbers(content, box.body, box.end)
    read.number(_FULL + (4 if content[box.body] else 2))
    found = []
    for one in _boxes(content, read.place, box.end):
        entry = _Numbers(content, one.body, one.end)
        version = entry.number(_FULL) >> 24
        if one.kind != b"infe" or version < 2:
            raise CannotHold(_DAMAGED)
        item = entry.number(4 if version == 3 else 2)
        entry.number(2)
        kind, texts = entry.bytes(4), content[entry.place : one.end].split(b"\0")
        found.append((item, kind == _XMP_TYPE and _XMP_CONTENT in texts[1:2]))
    return found


def _places(content: bytes, box: _Box) -> _Places:
    read = _Numbers(content, box.body, box.end)
    version = read.number(_FULL) >> 24
    sizes = read.number(2)
    offset_width, length_width, base_width, index_width = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    if version > 2 or offset_width not in (4, 8) or length_width not in (4, 8) or max(base_width, index_width) > 8:
        raise CannotHold(_DAMAGED)
    wide = 4 if version == 2 else 2
    places = []
    for _ in range(read.number(wide)):
        item = read.number(wide)
        method = read.number(2) if version else 0
        reference, base = read.number(2), read.number(base_width)
        extents = tuple(
            (read.number(index_width if version else 0), read.number(offset_width), read.number(length_width))
            for _ in range(read.number(2))
        )
        places.append(_Place(item=item, method=method, reference=reference, base=base, extents=extents))
    return _Places(
        version=version,
        offset_width=offset_width,
        length_width=length_width,
        base_width=base_width,
        index_width=index_width,
        places=tuple(places),
    )


def _packet_of(content: bytes, places: _Places, item: int, data: _Box | None) -> bytes:
    """The data of an item of XMP."""
    place = next((one for one in places.places if one.item == item), None)
    if place is None or place.method > 1 or (place.method == 1 and data is None):
        raise CannotHold("its XMP is not found")
    begin = place.base + (data.body if place.method == 1 and data is not None else 0)
    if sum(length for _, _, length in place.extents) > MOST_BYTES:
        raise CannotHold(f"its XMP has more than {MOST_BYTES:,} bytes")
    return b"".join(content[begin + offset : begin + offset + length] for _, offset, length in place.extents)


def _with_item(content: bytes, box: _Box, item: int) -> bytes:
    """The box `iinf` with the item of XMP."""
    wide = 4 if content[box.body] else 2
    count_at = box.body + _FULL
    count = int.from_bytes(content[count_at : count_at + wide]) + 1
    is_wide = item > 0xFFFF
    entry = bytes((3 if is_wide else 2, 0, 0, 0)) + _number(item, 4 if is_wide else 2) + b"\0\0" + _XMP_TYPE
    entry = _box(b"infe", entry + b"XMP\0" + _XMP_CONTENT + b"\0")
    return _box(
        b"iinf", content[box.body : count_at] + _number(count, wide) + content[count_at + wide : box.end] + entry
    )


def _with_reference(content: bytes, box: _Box | None, item: int, primary: int) -> bytes:
    """The box `iref` with the word that the item describes the primary image."""
    there = content[box.body : box.end] if box is not None else b"\0\0\0\0"
    wide = 4 if there[:1] == b"\1" else 2
    return _box(b"iref", there + _box(b"cdsc", _number(item, wide) + b"\0\1" + _number(primary, wide)))


def _number(value: int, width: int) -> bytes:
    if value >> 8 * width:
        raise CannotHold(_DAMAGED)
    return value.to_bytes(width)


def _box(kind: bytes, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4) + kind + body
