"""Captions in JPEG: XMP in APP1, IPTC in APP13. In: a file. Out: the changes that make the copy.

All from the first scan on stays as it is, and so do all other segments. Only the list of further pictures (APP2, MPF:
the gain maps of HDR photos, large previews) counts bytes from its own place, and is corrected.

ITU-T T.81, annex B; Adobe XMP specification, part 3, section 1.1.3; CIPA DC-007 (Multi-Picture Format).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Literal

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold, CaptionedPicture
from aura_daemon.formats.picture_metadata.captions.photoshop_blocks import blocks_with_caption
from aura_daemon.formats.picture_metadata.captions.xmp_packet import packet_with_caption
from aura_daemon.jobs.picture_copies import Change

MOST_XMP_BYTES: Final = 65_502
"""Of a segment, without its length and the header of XMP."""

_MOST_BYTES: Final = 65_533
_MOST_SEGMENTS: Final = 10_000
_APP0, _APP1, _APP2, _APP13, _SCAN = 0xE0, 0xE1, 0xE2, 0xED, 0xDA
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segments that say how large the picture is."""
_LONE: Final = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})
"""Markers without a length; none of them stands before the first scan."""

_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_PHOTOSHOP: Final = b"Photoshop 3.0\0"
_PICTURES: Final = b"MPF\0"
_ENTRIES: Final = 0xB002
_ENTRY_BYTES: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class _Segment:
    marker: int
    start: int
    end: int
    body: bytes
    """Behind marker and length."""


def captioned_jpeg(content: bytes, caption: str) -> CaptionedPicture:
    """The changes; raises CannotHold."""
    segments = list(_segments_before_scan(content))
    width, height = _size_of(segments)
    xmp = [one for one in segments if one.marker == _APP1 and one.body.startswith(_XMP)]
    photoshop = [one for one in segments if one.marker == _APP13 and one.body.startswith(_PHOTOSHOP)]
    if len(xmp) > 1:
        raise CannotHold("it has two packets of XMP")
    packet, has_replaced = packet_with_caption(xmp[0].body[len(_XMP) :] if xmp else None, caption)
    if len(packet) > MOST_XMP_BYTES:
        message = f"its XMP would have {len(packet):,} bytes, more than the {MOST_XMP_BYTES:,} that a JPEG has room for"
        raise CannotHold(message)
    blocks, has_replaced_too = blocks_with_caption(b"".join(one.body[len(_PHOTOSHOP) :] for one in photoshop), caption)
    room = _MOST_BYTES - len(_PHOTOSHOP)
    pieces = (blocks[start : start + room] for start in range(0, len(blocks), room))
    written = b"".join(_segment(_APP13, _PHOTOSHOP + piece) for piece in pieces)
    place = _behind_beginning(segments)
    changes = [
        _change(xmp[:1], place, _segment(_APP1, _XMP + packet)),
        _change(photoshop[:1], place, written),
        *(Change(start=one.start, end=one.end, content=b"") for one in photoshop[1:]),
    ]
    changes.sort(key=lambda change: (change.start, change.end))
    for one in segments:
        if one.marker == _APP2 and one.body.startswith(_PICTURES):
            changes += _moved_pictures(one, tuple(changes))
    return CaptionedPicture(
        extension=".jpg",
        changes=tuple(sorted(changes, key=lambda change: (change.start, change.end))),
        width=width,
        height=height,
        has_replaced=has_replaced or has_replaced_too,
    )


def _segments_before_scan(content: bytes) -> Iterator[_Segment]:
    place = 2
    for _ in range(_MOST_SEGMENTS):
        while content.startswith(b"\xff\xff", place):  # fill bytes
            place += 1
        marker, length = content[place : place + 2], int.from_bytes(content[place + 2 : place + 4])
        end = place + 2 + length
        if marker[:1] != b"\xff" or len(marker) < 2 or marker[1] in _LONE or length < 2 or end > len(content):
            raise CannotHold("it is damaged before its image data")
        if marker[1] == _SCAN:
            return
        yield _Segment(marker=marker[1], start=place, end=end, body=content[place + 4 : end])
        place = end
    raise CannotHold(f"it has more than {_MOST_SEGMENTS:,} segments")


def _size_of(segments: Sequence[_Segment]) -> tuple[int, int]:
    """Width and height in pixels."""
    for one in segments:
        if one.marker in _FRAMES and len(one.body) >= 5:
            return int.from_bytes(one.body[3:5]), int.from_bytes(one.body[1:3])
    raise CannotHold("it does not say how large it is")


def _behind_beginning(segments: Sequence[_Segment]) -> int:
    """Where new segments go: behind JFIF and EXIF, which come first, and before the list of further pictures."""

    def is_first(one: _Segment) -> bool:
        return one.marker == _APP0 or (one.marker == _APP1 and one.body.startswith(_EXIF))

    return [2, *(one.end for one in takewhile(is_first, segments))][-1]


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body


def _change(there: Sequence[_Segment], place: int, content: bytes) -> Change:
    """A segment in the place of one that is there, else a new one."""
    start, end = (there[0].start, there[0].end) if there else (place, place)
    return Change(start=start, end=end, content=content)


def _moved_pictures(segment: _Segment, changes: Sequence[Change]) -> Iterator[Change]:
    """Corrects where further pictures lie, and how long the first is."""
    body = segment.body[len(_PICTURES) :]
    base = segment.start + 4 + len(_PICTURES)
    order: Literal["little", "big"] = "little" if body[:2] == b"II" else "big"

    def number(place: int, width: int) -> int:
        if place + width > len(body):
            raise CannotHold("its list of further pictures is damaged")
        return int.from_bytes(body[place : place + width], order)

    def corrected(place: int, by: int) -> Change:
        value = number(place, 4) + by
        if not 0 <= value < 1 << 32:
            raise CannotHold("its list of further pictures is damaged")
        return Change(start=base + place, end=base + place + 4, content=value.to_bytes(4, order))

    def grown(place: int) -> int:
        """By how much the file grows before a place."""
        return sum(len(one.content) - (one.end - one.start) for one in changes if one.end <= place)

    directory = number(4, 4)
    entries = range(directory + 2, directory + 2 + 12 * number(directory, 2), 12)
    found = next((entry for entry in entries if number(entry, 2) == _ENTRIES), None)
    if found is None:
        return
    first, count = number(found + 8, 4), number(found + 4, 4) // _ENTRY_BYTES
    for picture in range(first, first + _ENTRY_BYTES * count, _ENTRY_BYTES):
        offset = number(picture + 8, 4)
        if offset == 0:  # the first picture, which holds all that changes
            yield corrected(picture + 4, grown(changes[-1].end))
        else:
            yield corrected(picture + 8, grown(base + offset) - grown(base))
