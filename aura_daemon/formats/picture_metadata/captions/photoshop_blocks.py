"""The blocks of a JPEG's APP13 segments, one of which holds IPTC's records. In: blocks. Out: the same with a caption.

Adobe Photoshop file formats, "Image resource blocks".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.iptc_records import records_with_caption

IPTC: Final = 0x0404
IPTC_DIGEST: Final = 0x0425
"""MD5 of the block of IPTC: a reader that finds another takes the records for changed since the XMP was written."""

_MOST_BLOCKS: Final = 10_000
_SIGNATURES: Final = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    id: int
    head: bytes
    """Signature, id, name."""
    data: bytes

    @property
    def stored(self) -> bytes:
        return self.head + len(self.data).to_bytes(4) + self.data + b"\0" * (len(self.data) % 2)


def blocks_with_caption(content: bytes, caption: str) -> tuple[bytes, bool]:
    """The blocks with the caption, and whether another gave way to it. `content`: empty where there are none."""
    blocks = _blocks_of(content)
    found = [index for index, block in enumerate(blocks) if block.id == IPTC]
    if len(found) > 1:
        raise CannotHold("it has two sets of IPTC records")
    if not found:
        found = [len(blocks)]
        blocks.append(_Block(id=IPTC, head=_SIGNATURES[0] + IPTC.to_bytes(2) + b"\0\0", data=b""))
    records, has_replaced = records_with_caption(blocks[found[0]].data, caption)
    blocks[found[0]] = replace(blocks[found[0]], data=records)
    digest = hashlib.md5(records, usedforsecurity=False).digest()
    blocks = [replace(block, data=digest) if block.id == IPTC_DIGEST else block for block in blocks]
    return b"".join(block.stored for block in blocks), has_replaced


def _blocks_of(content: bytes) -> list[_Block]:
    blocks: list[_Block] = []
    place = 0
    while place < len(content):
        if content[place] == 0 and not content[place:].strip(b"\0"):
            break
        name_bytes = 1 + int.from_bytes(content[place + 6 : place + 7])
        size_at = place + 6 + name_bytes + name_bytes % 2
        begin = size_at + 4
        end = begin + int.from_bytes(content[size_at:begin])
        if content[place : place + 4] not in _SIGNATURES or end > len(content) or len(blocks) > _MOST_BLOCKS:
            raise CannotHold("its Photoshop segment is damaged")
        id_ = int.from_bytes(content[place + 4 : place + 6])
        blocks.append(_Block(id=id_, head=content[place:size_at], data=content[begin:end]))
        place = end + (end - begin) % 2
    return blocks
