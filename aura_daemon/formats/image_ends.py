"""Whether an image file is there to its end. In: the file. Out: yes, no, or that its format does not tell.

Only the structure is walked, nothing is decoded. What follows the end of an image (the trailers and films that phones
write behind their photos) is no part of it. The worker decodes, and reports an image that it cannot decode.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from aura_daemon.formats.image_signatures import ImageSignature, format_of

_FROM_THE_END: Final = 2
"""How `seek` is asked for a place counted from the end."""

_HEAD_BYTES: Final = 256
_TAIL_BYTES: Final = 65_536
_BLOCK_BYTES: Final = 1 << 20
_ZEROS_TELL_BYTES: Final = 64
"""So many zero bytes at the end of a compressed image cannot be image data."""

_MOST_PARTS: Final = 100_000
"""Parts of a file that are walked; a file of more parts is left to the decoder."""

_JPEG_END: Final = b"\xff\xd9"
_PNG_END: Final = b"IEND\xaeB`\x82"
_STARTS_SCAN, _WITHOUT_LENGTH = 0xDA, frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers of JPEG: start of scan; those that carry no length."""

_BOXES: Final = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"idat", b"uuid"})
"""Top-level boxes of AVIF and HEIC."""


def ends_properly(file: BinaryIO) -> bool | None:
    """Whether the end of an image is there; None where that cannot be told without decoding.

    A file whose space was allocated beforehand has the right size, and zeros at its end: the end is missing.
    """
    size_bytes = file.seek(0, _FROM_THE_END)
    head, tail = _read(file, 0, _HEAD_BYTES), _read(file, max(0, size_bytes - _TAIL_BYTES), _TAIL_BYTES)
    match format_of(head):
        case ImageSignature.PNG:
            return _PNG_END in tail or _png_ends(file, size_bytes)
        case ImageSignature.JPEG:
            return tail.rstrip(b"\0\r\n").endswith(_JPEG_END) or _jpeg_ends(file)
        case ImageSignature.GIF:
            return tail.rstrip(b"\0").endswith(b";") or _gif_ends(file)
        case ImageSignature.WEBP:
            end = int.from_bytes(head[4:8], "little") + 8
            return size_bytes >= end and any(_read(file, max(0, end - _ZEROS_TELL_BYTES), _ZEROS_TELL_BYTES))
        case ImageSignature.BMP:
            return size_bytes >= int.from_bytes(head[2:6], "little")
        case ImageSignature.AVIF | ImageSignature.HEIC:
            return _boxes_end(file, size_bytes)
        case _:
            return None


def _png_ends(file: BinaryIO, size_bytes: int) -> bool | None:
    """Walks the chunks: length, name, content, checksum."""
    place = 8
    for _ in range(_MOST_PARTS):
        part = _read(file, place, 8)
        if len(part) < 8 or not part[4:].isalpha():
            return False
        place += 12 + int.from_bytes(part[:4], "big")
        if part[4:] == b"IEND":
            return place <= size_bytes
    return None


def _jpeg_ends(file: BinaryIO) -> bool | None:
    """Walks the segments to the first scan, past thumbnails that have an end of their own; then looks for the end."""
    place = 2
    for _ in range(_MOST_PARTS):
        part = _read(file, place, 4)
        if part[:1] != b"\xff" or len(part) < 4:
            break
        if part[1] == 0xFF:  # a fill byte
            place += 1
        elif part[1] in _WITHOUT_LENGTH:
            place += 2
        else:
            place += 2 + int.from_bytes(part[2:], "big")
            if part[1] == _STARTS_SCAN:
                break
    else:
        return None
    before = b""
    for block in _blocks(file, place):
        if _JPEG_END in before + block:
            return True
        before = block[-1:]
    return False


def _gif_ends(file: BinaryIO) -> bool | None:
    """Walks the blocks: extensions and frames, each with blocks of at most 255 bytes."""
    place = 13 + _colours_bytes(_read(file, 10, 1))
    is_within = False
    for _ in range(_MOST_PARTS):
        part = _read(file, place, 10)
        if is_within and part:
            is_within = part[0] > 0
            place += 1 + part[0]
        elif part[:1] == b"!":
            is_within = True
            place += 2
        elif part[:1] == b",":
            is_within = True
            place += 11 + _colours_bytes(part[9:10])
        else:
            return part[:1] == b";"
    return None


def _colours_bytes(flags: bytes) -> int:
    """The length of the colour table that a GIF announces."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _boxes_end(file: BinaryIO, size_bytes: int) -> bool | None:
    """False where a known box is cut off; whether all boxes have come, the file does not tell."""
    place = 0
    for _ in range(_MOST_PARTS):
        part = _read(file, place, 16)
        if part[4:8] not in _BOXES:
            return None
        length = int.from_bytes(part[:4], "big")
        if length == 1:
            length = int.from_bytes(part[8:16], "big")
        if place + length > size_bytes:
            return False
        if length < 8:  # 0: the box reaches to the end of the file
            return None
        place += length
    return None


def _read(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)


def _blocks(file: BinaryIO, place: int) -> Iterator[bytes]:
    file.seek(place)
    while block := file.read(_BLOCK_BYTES):
        yield block
