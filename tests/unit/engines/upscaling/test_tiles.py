"""Tiles: they cover every picture, and where a network sees no further than their edge, no seam is there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aura_daemon.engines.upscaling.tiles import EDGE_PX, OVERLAP_PX, Pixels, Tile, enlarged, tiles_of
from tests.support.tiny_upscalers import random_compact

NETWORK = random_compact(layers=3)
PIXELS: Pixels = np.random.default_rng(0).integers(0, 256, (150, 231, 3), dtype=np.uint8)


def computed(part: Pixels) -> NDArray[np.float32]:
    with torch.inference_mode():
        out = NETWORK(torch.from_numpy(part.copy()).permute(2, 0, 1)[None].float() / 255)
    found: NDArray[np.float32] = (out[0].clamp(0, 1) * 255).permute(1, 2, 0).numpy()
    return found


def whole(pixels: Pixels) -> Pixels:
    found = enlarged(pixels, 2, tiles_of(pixels.shape[1], pixels.shape[0], 4096), computed, lambda: True)
    assert found is not None
    return found


@given(st.integers(1, 900), st.integers(1, 900), st.integers(64, 300), st.sampled_from([1, 2, 8, 16]))
def test_tiles_cover_the_picture_and_overlap(width: int, height: int, side: int, multiple: int) -> None:
    tiles = tiles_of(width, height, side, multiple)
    covered = np.zeros((height, width), dtype=bool)
    for tile in tiles:
        assert tile.left + tile.width <= width
        assert tile.top + tile.height <= height
        assert tile.width <= max(64, side)
        if tile.left:
            assert covered[tile.top, tile.left : tile.left + OVERLAP_PX].all()
        if tile.top:
            assert covered[tile.top : tile.top + OVERLAP_PX, tile.left].all()
        covered[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] = True
    assert covered.all()


@pytest.mark.parametrize("side", [64, 100, 128])
def test_tiles_make_what_the_whole_makes_where_a_network_sees_no_further_than_an_edge(side: int) -> None:
    tiles = tiles_of(231, 150, side)
    assert len(tiles) > 3
    tiled = enlarged(PIXELS, 2, tiles, computed, lambda: True)
    assert tiled is not None
    apart = np.abs(tiled.astype(int) - whole(PIXELS).astype(int))
    assert apart.max() <= 1, f"{apart.max()} of 255 at {np.argwhere(apart > 1)[:5]}"
    assert (apart > 0).mean() < 1e-3  # numbers in another order, rounded


def test_a_tile_passes_into_the_next_one_without_a_step() -> None:
    grey = np.full((64, 200, 3), 100, dtype=np.uint8)
    shades = iter([50.0, 150.0, 150.0, 150.0, 150.0, 150.0])

    def in_another_shade(part: Pixels) -> NDArray[np.float32]:
        return np.full((*part.shape[:2], 3), next(shades), dtype=np.float32)

    tiled = enlarged(grey, 1, tiles_of(200, 64, 100), in_another_shade, lambda: True)
    assert tiled is not None
    row = tiled[10, :, 0].astype(int)
    assert (row[: 68 + EDGE_PX] == 50).all()
    assert (row[68 + OVERLAP_PX - EDGE_PX :] == 150).all()
    assert np.diff(row).max() <= 100 / (OVERLAP_PX - 2 * EDGE_PX) + 1


def test_nothing_is_computed_once_nobody_wants_it() -> None:
    seen: list[Tile] = []

    def counted(part: Pixels) -> NDArray[np.float32]:
        seen.append(Tile(left=0, top=0, width=part.shape[1], height=part.shape[0]))
        return computed(part)

    assert enlarged(PIXELS, 2, tiles_of(231, 150, 64), counted, lambda: len(seen) < 2) is None
    assert len(seen) == 2
