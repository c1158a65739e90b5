"""TIFFs of several channels of 32-bit numbers. In: bytes. Out: bytes that Pillow reads, then a picture in mode RGB.

Pillow reads such numbers in grey alone. Where the channels lie side by side, a row of them is a row of grey, so many
times as wide: the header is changed to say so, and the channels are put together again after Pillow has unpacked them.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy
from PIL import Image

from aura_daemon.engines.images.shades import BLOCK_ROWS, shades_of
from aura_daemon.engines.images.tiff_kinds import BITS, CHANNELS, NUMBERS, tags_of

WIDTH, PHOTOMETRIC, PLANES, PREDICTOR, TILES, EXTRA = 256, 262, 284, 317, 322, 338
"""Further tags (TIFF 6.0)."""

GREY, LONG, PRIVATE = 1, 4, 65_000
"""A photometric interpretation, a type of numbers, and a tag without a meaning."""

COLOURS: Final = 3


def as_grey(content: bytes) -> tuple[bytes, int]:
    """The file as one of grey, and how many channels it has; 1, with the file as it was, where that cannot be done."""
    tags = tags_of(content)
    channels = int(tags.get(CHANNELS, 1))
    if channels not in (COLOURS, COLOURS + 1) or content[2:4] not in (b"*\0", b"\0*"):
        return content, 1
    kinds = {*tags.get(NUMBERS, (1,))}, {*tags.get(BITS, (1,))}
    is_apart = tags.get(PLANES, 1) != 1 or tags.get(PREDICTOR, 1) != 1 or TILES in tags
    if is_apart or kinds[1] != {32} or len(kinds[0]) != 1:
        return content, 1
    order = "<" if content.startswith(b"II") else ">"
    numbers = {WIDTH: int(tags[WIDTH]) * channels, CHANNELS: 1, BITS: 32, NUMBERS: kinds[0].pop(), PHOTOMETRIC: GREY}
    return _changed(content, order, numbers), channels


def joined(picture: Image.Image, channels: int) -> tuple[Image.Image, str]:
    """The first three of so many channels as mode RGB; and a warning, which may be empty."""
    shades, warning = shades_of(picture)
    width, height = picture.width // channels, picture.height
    out = Image.new("RGB", (width, height))
    for top in range(0, height, BLOCK_ROWS):
        grey = shades(picture.crop((0, top, picture.width, min(height, top + BLOCK_ROWS))))
        colours = numpy.asarray(grey).reshape(grey.height, width, channels)[..., :COLOURS]
        out.paste(Image.fromarray(numpy.ascontiguousarray(colours)), (0, top))
    out.info = dict(picture.info)
    return out, warning


def _changed(content: bytes, order: str, numbers: dict[int, int]) -> bytes:
    """The file with these tags, each of one number; what is told of further channels is hidden."""
    changed: Any = bytearray(content)
    (place,) = struct.unpack_from(f"{order}I", content, 4)
    (entries,) = struct.unpack_from(f"{order}H", content, place)
    for entry in range(place + 2, place + 2 + 12 * entries, 12):
        (tag,) = struct.unpack_from(f"{order}H", content, entry)
        if tag in numbers:
            struct.pack_into(f"{order}HHII", changed, entry, tag, LONG, 1, numbers[tag])
        elif tag == EXTRA:
            struct.pack_into(f"{order}H", changed, entry, PRIVATE)
    return bytes(changed)
