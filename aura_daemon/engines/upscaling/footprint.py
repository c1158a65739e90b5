"""How much memory an upscaler takes, read from the header of its file. In: ModelFiles, a picture. Out: a Footprint.

What it computes of a tile is most of it, and does not grow with the picture; the picture itself comes on top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from safetensors import safe_open

from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.upscaling.tiles import LEAST_TILE_PX
from aura_daemon.ladder.prediction import Footprint

WHOLE_PX: Final = 512
TILED_PX: Final = 256
"""Side of a tile, before it is enlarged, on rungs without and with tiles."""

MOST_LIKELY_SCALE: Final = 4
"""Of a network whose header does not tell."""

INNER: Final = 8.0
"""Numbers alive at the size that came in, per channel and pixel, where layers take what several before them made."""
CHAINED: Final = 4.0
"""The same where each layer takes what the last one made: measured 3.2 to 5.4 with all that comes out (compact)."""
OUTER: Final = 3.0
"""The same at the size that comes out. For an ESRGAN of 64 channels both make 3,584; measured 3,466 on a CPU."""

SMALL_WORK_PX: Final = 4
"""Stands for the model's own size where it is decided how many threads compute: each weight is used at each pixel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSize:
    """What the names and shapes of its tensors tell of a network."""

    numbers: int
    largest: int
    """Numbers of its largest tensor."""
    elements: float
    """Numbers that are alive for a pixel that came in."""


def tile_side(placement: Placement, asked: int | None) -> int:
    """Side of a tile on a rung, in pixels; a rung with tiles makes larger ones smaller."""
    if asked is None:
        return TILED_PX if placement.measures.tiles else WHOLE_PX
    return max(LEAST_TILE_PX, min(asked, TILED_PX) if placement.measures.tiles else asked)


def upscaler_footprint(
    files: ModelFiles, placement: Placement, size_px: tuple[int, int], asked: int | None
) -> Footprint:
    """What it takes for a picture of this size; `asked`: the side of a tile, None for that of the rung."""
    network = network_size(files)
    element = 4 if placement.on_cpu else placement.torch_dtype.itemsize
    side = tile_side(placement, asked)
    tile = min(side, size_px[0]) * min(side, size_px[1])
    canvas = 3 * math.prod(size_px) * (1 + 2 * MOST_LIKELY_SCALE**2) if placement.on_cpu else 0
    return Footprint(
        unet_bytes=network.numbers * element,
        largest_layer_bytes=network.largest * element,
        element_bytes=element,
        vae_element_bytes=element,
        row_bytes=int(tile * network.elements * element) + canvas,
        unet_elements=0.0,
        vae_elements=0.0,
        native_px=SMALL_WORK_PX,
    )


def network_size(files: ModelFiles) -> NetworkSize:
    """Read once for each file."""
    return _read(str(files.folder / files.weights.names[0]), files.sha256)


@lru_cache(maxsize=8)
def _read(file: str, _sha256: str) -> NetworkSize:
    with safe_open(file, framework="numpy") as opened:
        shapes: Sequence[list[int]] = [opened.get_slice(key).get_shape() for key in opened.keys()]  # noqa: SIM118
    kernels = [shape for shape in shapes if len(shape) == 4]
    width = max((min(shape[:2]) for shape in kernels), default=MOST_LIKELY_SCALE**2)
    to_colours = [shape[1] for shape in kernels if shape[0] == 3 and shape[1] > 3]  # at the size that comes out
    outer = max(to_colours, default=3) * MOST_LIKELY_SCALE**2
    is_chain = all(shape[1] <= width for shape in kernels) and all(len(shape) in (1, 4) for shape in shapes)
    return NetworkSize(
        numbers=sum(map(math.prod, shapes)),
        largest=max(map(math.prod, shapes), default=0),
        elements=(CHAINED if is_chain else INNER) * width + OUTER * outer,
    )
