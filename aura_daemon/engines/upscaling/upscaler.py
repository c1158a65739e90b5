"""A loaded upscaler: a picture, tile by tile, to a larger one. In: a picture. Out: it, or that nobody wants it.

Sides are those of `scale` times the picture, rounded. A network that enlarges more is made smaller by Lanczos, one
that enlarges less runs twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from aura_daemon.engines.failures import UnfitModel
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.weights import unavailable
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.upscaling.network import load_network
from aura_daemon.engines.upscaling.tiles import Pixels, Tile, enlarged, tiles_of
from aura_daemon.jobs.results import Failure, FailureKind


class Upscaler:
    """A network on its device; in float32 on a CPU, since half precision shows in smooth colours."""

    def __init__(self, files: ModelFiles, placement: Placement) -> None:
        """Loads; raises UnfitModel, and what torch raises."""
        self.files = files
        self.placement = placement
        self.network = load_network(files.name, files.folder / files.weights.names[0])
        self._dtype = torch.float32
        if not placement.on_cpu and self.network.halves and placement.torch_dtype is torch.float16:
            self._dtype = torch.float16
        self.network.module.to(device=placement.device, dtype=self._dtype)

    @property
    def dtype(self) -> str:
        """The number format that it computes in."""
        return str(self._dtype).removeprefix("torch.")

    def move_to(self, placement: Placement) -> None:
        """Moves to a rung with the same weights in the same place."""
        self.placement = placement

    def passes(self, scale: float) -> int | Failure:
        """How often the network runs; a Failure where that would be more than twice."""
        own = self.network.scale
        if scale <= own**2:
            return 1 if scale <= own else 2
        message = f"upscaler {self.network.architecture} enlarges {own} times, and {own**2} times when it runs twice"
        mend = f"ask for a scale of at most {own**2}, or for an upscaler that enlarges more"
        return Failure(kind=FailureKind.BAD_INPUT, message=f"{message}; {scale:g} is asked for", mend=mend)

    @torch.inference_mode()
    def enlarge(
        self, picture: Image.Image, *, scale: float, passes: int, side: int, stepped: Callable[[int, int], bool]
    ) -> Image.Image | None:
        """The picture, or None; `stepped` is told each tile and their number, and answers whether to go on."""
        own, size = self.network.scale, picture.size
        plans = [self._tiles(size[0] * own**before, size[1] * own**before, side) for before in range(passes)]
        total, done = sum(map(len, plans)), 0

        def ended() -> bool:
            nonlocal done
            done += 1
            return stepped(done, total)

        pixels: Pixels | None = np.asarray(picture)
        for plan in plans:
            assert pixels is not None
            pixels = enlarged(pixels, own, plan, self._computed, ended)
            if pixels is None:
                return None
        assert pixels is not None
        large = Image.fromarray(pixels)
        wanted = scaled(size, scale)
        return large if large.size == wanted else large.resize(wanted, Image.Resampling.LANCZOS)

    def _tiles(self, width: int, height: int, side: int) -> tuple[Tile, ...]:
        if self.network.takes_whole:
            return (Tile(left=0, top=0, width=width, height=height),)
        return tiles_of(width, height, side, self.network.multiple)

    def _computed(self, part: Pixels) -> NDArray[np.float32]:
        """One tile; in float32 where half precision overflows, from then on."""
        tile = torch.from_numpy(part.copy()).to(self.placement.device).permute(2, 0, 1)[None]
        out = self._run(tile)
        if out is None and self._dtype is not torch.float32:
            self._dtype = torch.float32
            self.network.module.to(dtype=self._dtype)
            out = self._run(tile)
        if out is None:
            raise UnfitModel(unavailable(self.files.name, "it makes no picture but NaN", "its weights are damaged"))
        return out

    def _run(self, tile: torch.Tensor) -> NDArray[np.float32] | None:
        out = self.network.compute(tile.to(self._dtype) / 255)
        if not bool(torch.isfinite(out).all()):
            return None
        found: Any = (out[0].float().clamp(0, 1) * 255).permute(1, 2, 0).cpu().numpy()
        return found  # type: ignore[no-any-return]


def scaled(size_px: tuple[int, int], scale: float) -> tuple[int, int]:
    """Width and height, times `scale`."""
    return max(1, round(size_px[0] * scale)), max(1, round(size_px[1] * scale))
