"""Captions in PNG: XMP in a text chunk. In: a file. Out: the change that makes the copy.

PNG has no place for IPTC's older records that more than a few programs read. Image data, its order and all other chunks
stay as they are. PNG specification, sections 5.3 and 11.3.3; Adobe XMP specification, part 3, section 1.1.5.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold, CaptionedPicture
from aura_daemon.formats.picture_metadata.captions.xmp_packet import MOST_BYTES, packet_with_caption
from aura_daemon.jobs.picture_copies import Change

_MOST_CHUNKS: Final = 100_000
_SIGNATURE_BYTES: Final = 8
_HEADER, _DATA, _TEXT, _END = b"IHDR", b"IDAT", b"iTXt", b"IEND"
_KEYWORD: Final = b"XML:com.adobe.xmp\0"
_PLAIN: Final = _KEYWORD + b"\0\0\0\0"
"""Keyword; neither packed nor of a language, and the keyword in no other language."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _PngChunk:
    kind: bytes
    start: int
    end: int


def captioned_png(content: bytes, caption: str) -> CaptionedPicture:
    """The change; raises CannotHold."""
    chunks = list(_chunks_of(content))
    if chunks[0].kind != _HEADER or chunks[0].end - chunks[0].start != 25:
        raise CannotHold("its header is damaged")
    there = [one for one in chunks if one.kind == _TEXT and content.startswith(_KEYWORD, one.start + _SIGNATURE_BYTES)]
    data = next((one for one in chunks if one.kind == _DATA), None)
    if len(there) > 1 or data is None:
        raise CannotHold("it has two packets of XMP" if there else "it has no image data")
    earlier = content[there[0].start + 8 : there[0].end - 4] if there else None
    packet, has_replaced = packet_with_caption(_packet_of(earlier) if earlier is not None else None, caption)
    start, end = (there[0].start, there[0].end) if there else (data.start, data.start)
    return CaptionedPicture(
        extension=".png",
        changes=(Change(start=start, end=end, content=_chunk(_TEXT, _PLAIN + packet)),),
        width=int.from_bytes(content[16:20]),
        height=int.from_bytes(content[20:24]),
        has_replaced=has_replaced,
    )


def _chunks_of(content: bytes) -> Iterator[_PngChunk]:
    """All chunks to the end of the picture; what follows it is no part of it."""
    place = _SIGNATURE_BYTES
    for _ in range(_MOST_CHUNKS):
        kind, end = content[place + 4 : place + 8], place + 12 + int.from_bytes(content[place : place + 4])
        if not kind.isalpha() or len(kind) < 4 or end > len(content):
            raise CannotHold("its chunks are damaged")
        yield _PngChunk(kind=kind, start=place, end=end)
        if kind == _END:
            return
        place = end
    raise CannotHold(f"it has more than {_MOST_CHUNKS:,} chunks")


def _packet_of(body: bytes) -> bytes:
    """The packet in the body of a text chunk, which may be packed."""
    rest = body[len(_KEYWORD) :]
    text = b"".join(rest[2:].split(b"\0", 2)[2:])  # behind the language and the keyword in that language
    if rest[:1] != b"\1":
        return text
    unpacking = zlib.decompressobj()
    try:
        packet = unpacking.decompress(text, MOST_BYTES + 1)
    except zlib.error:
        raise CannotHold("its packed XMP is damaged") from None
    if not unpacking.eof and len(packet) <= MOST_BYTES:
        raise CannotHold("its packed XMP is damaged")
    return packet


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
