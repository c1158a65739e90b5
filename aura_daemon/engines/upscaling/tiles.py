"""A picture computed tile by tile. In: a picture, what enlarges a tile. Out: the enlarged picture.

Two tiles overlap by `OVERLAP_PX`. Of these the outer ones are dropped, since a network sees the edge of a tile there,
and in between one tile passes into the other. A network that looks no further than `EDGE_PX` makes of tiles what it
makes of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

OVERLAP_PX: Final = 32
EDGE_PX: Final = 8
"""Of an overlap, at each end: what is dropped."""

LEAST_TILE_PX: Final = 64

Pixels = NDArray[np.uint8]
"""`[H, W, 3]`."""

_ROWS: Final = 256
"""Rows that are blended at once, so that few numbers are in memory as floats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """Where a tile lies, in pixels before it is enlarged."""

    left: int
    top: int
    width: int
    height: int


def tiles_of(width: int, height: int, side: int, multiple: int = 1) -> tuple[Tile, ...]:
    """The tiles of a picture row by row, none longer than `side` rounded down to a multiple of `multiple`."""
    side = max(LEAST_TILE_PX, side // multiple * multiple)
    return tuple(
        Tile(left=left, top=top, width=min(side, width), height=min(side, height))
        for top in _starts(height, side)
        for left in _starts(width, side)
    )


def enlarged(
    pixels: Pixels,
    scale: int,
    tiles: tuple[Tile, ...],
    compute: Callable[[Pixels], NDArray[np.float32]],
    done: Callable[[], bool],
) -> Pixels | None:
    """The picture, `scale` times as large; None where `done`, called after each tile, says that nobody wants it.

    `compute`: a tile to its enlarged pixels, float32 `[H, W, 3]` in 0 to 255.
    """
    height, width, _ = pixels.shape
    canvas: Pixels = np.empty((height * scale, width * scale, 3), dtype=np.uint8)
    for top, row in groupby(tiles, key=lambda tile: tile.top):
        in_row = tuple(row)
        strip: Pixels = np.empty((in_row[0].height * scale, width * scale, 3), dtype=np.uint8)
        for tile in in_row:
            part = compute(pixels[top : top + tile.height, tile.left : tile.left + tile.width])
            _blend(strip[:, tile.left * scale :], part, _weights(tile.left, tile.width, scale)[None, :, None])
            if not done():
                return None
        _blend(canvas[top * scale :], strip, _weights(top, in_row[0].height, scale)[:, None, None])
    return canvas


def _starts(length: int, side: int) -> Iterator[int]:
    """Where tiles begin along one side; the last one ends with the picture."""
    start = 0
    while start + side < length:
        yield start
        start += side - OVERLAP_PX
    yield max(0, length - side)


def _blend(canvas: Pixels, part: NDArray[Any], weights: NDArray[np.float32]) -> None:
    """Puts a part at the beginning of what is there; `weights`: how much it counts, `[H or 1, W or 1, 1]`."""
    height, width, _ = part.shape
    for row in range(0, height, _ROWS):
        rows = part[row : row + _ROWS]
        place = canvas[row : row + len(rows), :width]
        weight = weights[row : row + len(rows)] if len(weights) > 1 else weights
        if weight.min() < 1:
            rows = np.where(weight < 1, place * (1 - weight) + rows * weight, rows)
        place[...] = np.rint(rows)


def _weights(start: int, length: int, scale: int) -> NDArray[np.float32]:
    """How much a tile counts, along one side: nothing where it begins, all behind the overlap."""
    if start == 0:
        return np.ones(length * scale, dtype=np.float32)
    at = (np.arange(length * scale, dtype=np.float32) + 0.5) / scale
    return np.clip((at - EDGE_PX) / (OVERLAP_PX - 2 * EDGE_PX), 0, 1).astype(np.float32)
