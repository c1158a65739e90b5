"""Captions in WebP: XMP in a chunk of its own. In: a file. Out: the changes that make the copy.

WebP has no place for IPTC's older records. A simple file, which is one chunk, becomes an extended one with the same
chunk in it. WebP container specification (RFC 9649, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold, CaptionedPicture
from aura_daemon.formats.picture_metadata.captions.xmp_packet import MOST_BYTES, packet_with_caption
from aura_daemon.jobs.picture_copies import Change

_MOST_CHUNKS: Final = 100_000
_BEGIN: Final = 12
"""Bytes of `RIFF`, the size and `WEBP`."""
_EXTENDED, _LOSSY, _LOSSLESS, _XMP = b"VP8X", b"VP8 ", b"VP8L", b"XMP "
_HAS_XMP, _HAS_ALPHA = 0x04, 0x10
_START_CODE: Final = b"\x9d\x01\x2a"


@dataclass(frozen=True, kw_only=True, slots=True)
class _RiffChunk:
    kind: bytes
    start: int
    body: bytes
    """As much of it as is ever read."""
    end: int
    """Behind the byte that makes its length even."""


def captioned_webp(content: bytes, caption: str) -> CaptionedPicture:
    """The changes; raises CannotHold."""
    riff_end = 8 + int.from_bytes(content[4:8], "little")
    if riff_end > len(content):
        raise CannotHold("it is cut short")
    chunks = list(_chunks_of(content, riff_end))
    first = chunks[0]
    there = [one for one in chunks if one.kind == _XMP]
    if len(there) > 1:
        raise CannotHold("it has two packets of XMP")
    packet, has_replaced = packet_with_caption(there[0].body if there else None, caption)
    changes = []
    if first.kind == _EXTENDED:
        if len(first.body) < 10:
            raise CannotHold("its header is damaged")
        width, height = (1 + int.from_bytes(first.body[place : place + 3], "little") for place in (4, 7))
        at = first.start + 8
        changes.append(Change(start=at, end=at + 1, content=bytes((first.body[0] | _HAS_XMP,))))
    else:
        width, height, has_alpha = _picture(first)
        flags = _HAS_XMP | (_HAS_ALPHA if has_alpha else 0)
        sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        header = _chunk(_EXTENDED, bytes((flags, 0, 0, 0)) + sizes)
        changes.append(Change(start=_BEGIN, end=_BEGIN, content=header))
    # Without the last byte of padding, which some writers leave out, a further chunk would not be found.
    start, end = (there[0].start, there[0].end) if there else (riff_end, riff_end)
    padding = b"" if there else b"\0" * (riff_end % 2)
    changes.append(Change(start=start, end=end, content=padding + _chunk(_XMP, packet)))
    size = riff_end - 8 + sum(len(one.content) - (one.end - one.start) for one in changes)
    changes.insert(0, Change(start=4, end=8, content=size.to_bytes(4, "little")))
    return CaptionedPicture(
        extension=".webp", changes=tuple(changes), width=width, height=height, has_replaced=has_replaced
    )


def _chunks_of(content: bytes, riff_end: int) -> Iterator[_RiffChunk]:
    place = _BEGIN
    for _ in range(_MOST_CHUNKS):
        kind, length = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        end = place + 8 + length
        if place + 8 > riff_end or end > riff_end:
            raise CannotHold("its chunks are damaged")
        body = content[place + 8 : min(end, place + 9 + MOST_BYTES)]
        yield _RiffChunk(kind=kind, start=place, body=body, end=min(end + length % 2, riff_end))
        place = end + length % 2
        if place >= riff_end:
            return
    raise CannotHold(f"it has more than {_MOST_CHUNKS:,} chunks")


def _picture(chunk: _RiffChunk) -> tuple[int, int, bool]:
    """Width and height of a simple file, and whether it has an alpha channel (RFC 6386, 9.1; RFC 9649, 3.4)."""
    body = chunk.body
    if chunk.kind == _LOSSY and body[3:6] == _START_CODE and len(body) >= 10:
        width, height = (int.from_bytes(body[place : place + 2], "little") & 0x3FFF for place in (6, 8))
        if width and height:
            return width, height, False
    if chunk.kind == _LOSSLESS and body[:1] == b"\x2f" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1)
    raise CannotHold("its image data is damaged")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)
