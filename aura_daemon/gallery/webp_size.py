"""The size of a WebP by its first bytes (RFC 9649). In: bytes. Out: width and height."""

from __future__ import annotations

from typing import Final

HEAD_BYTES: Final = 30


def webp_size(head: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a picture as Pillow writes it; None for anything else."""
    if len(head) < HEAD_BYTES or head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return None
    if head[12:16] == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(head[place : place + 2], "little") & 0x3FFF for place in (26, 28))
        return (width, height) if width and height else None
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    return None
