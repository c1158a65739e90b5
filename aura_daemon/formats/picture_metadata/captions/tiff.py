"""Captions in TIFF: XMP as a tag of the first page. In: a file. Out: the changes that make the copy.

A new list of the page's tags stands behind the end of the file, and the header leads to it: nothing that is there
moves.
TIFF 6.0, section 2; Adobe XMP specification, part 3, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold, CaptionedPicture
from aura_daemon.formats.picture_metadata.captions.xmp_packet import packet_with_caption
from aura_daemon.jobs.picture_copies import Change

_CLASSIC: Final = 42
"""The number behind the byte order; BigTIFF has 43."""

_MOST_TAGS: Final = 65_535
_WIDTH, _HEIGHT, _XMP = 256, 257, 700
_DATA: Final = ((273, 279), (324, 325))
"""Tags of where strips or tiles are, and how long they are."""

_BYTE: Final = 1
_WIDTHS: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value of each type."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tag:
    number: int
    entry: bytes
    """12 bytes of the list."""


class _TiffPage:
    """The first page of a file."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.order: Literal["little", "big"] = "little" if content[:2] == b"II" else "big"
        if self.read(2, 2) != _CLASSIC:
            raise CannotHold("captions are not written into BigTIFF")
        place = self.read(4, 4)
        begin, count = place + 2, self.read(place, 2)
        self.end = begin + 12 * count
        self.read(self.end, 4)
        if count == _MOST_TAGS:
            raise CannotHold("it has no room for another tag")
        entries = (content[at : at + 12] for at in range(begin, self.end, 12))
        self.tags = [_Tag(number=int.from_bytes(entry[:2], self.order), entry=entry) for entry in entries]

    def read(self, place: int, width: int) -> int:
        """A number at a place in the file."""
        if place + width > len(self.content):
            raise CannotHold("it is cut short or damaged")
        return int.from_bytes(self.content[place : place + width], self.order)

    def value(self, number: int) -> tuple[bytes, int] | None:
        """The bytes of a tag's values, and how many make up one; None without the tag."""
        entry = next((tag.entry for tag in self.tags if tag.number == number), None)
        if entry is None:
            return None
        width = _WIDTHS.get(int.from_bytes(entry[2:4], self.order), 1)
        length = width * int.from_bytes(entry[4:8], self.order)
        if length <= 4:
            return entry[8 : 8 + length], width
        place = int.from_bytes(entry[8:], self.order)
        if place + length > len(self.content):
            raise CannotHold("it is cut short or damaged")
        return self.content[place : place + length], width

    def numbers(self, number: int) -> Iterator[int]:
        """The values of a tag that holds numbers."""
        content, width = self.value(number) or (b"", 1)
        return (int.from_bytes(content[at : at + width], self.order) for at in range(0, len(content), width))


def captioned_tiff(content: bytes, caption: str) -> CaptionedPicture:
    """The changes; raises CannotHold."""
    page = _TiffPage(content)
    for places, lengths in _DATA:
        for place, length in zip(page.numbers(places), page.numbers(lengths), strict=False):
            if place + length > len(content):
                raise CannotHold("it is cut short or damaged")
    width, height = (next(page.numbers(tag), 0) for tag in (_WIDTH, _HEIGHT))
    if not width or not height:
        raise CannotHold("it does not say how large it is")
    there = page.value(_XMP)
    packet, has_replaced = packet_with_caption(there[0] if there is not None else None, caption)
    changes = _changes(page, packet) if there is None or there[0] != packet else ()
    return CaptionedPicture(extension=".tif", changes=changes, width=width, height=height, has_replaced=has_replaced)


def _changes(page: _TiffPage, packet: bytes) -> tuple[Change, ...]:
    def number(value: int, width: int) -> bytes:
        return value.to_bytes(width, page.order)

    size = len(page.content)
    packet_at = size + size % 2
    list_at = packet_at + len(packet) + len(packet) % 2
    entry = number(_XMP, 2) + number(_BYTE, 2) + number(len(packet), 4) + number(packet_at, 4)
    tags = [*(tag for tag in page.tags if tag.number != _XMP), _Tag(number=_XMP, entry=entry)]
    tags.sort(key=lambda tag: tag.number)
    written = b"\0" * (size % 2) + packet + b"\0" * (len(packet) % 2) + number(len(tags), 2)
    written += b"".join(tag.entry for tag in tags) + page.content[page.end : page.end + 4]
    return Change(start=4, end=8, content=number(list_at, 4)), Change(start=size, end=size, content=written)
