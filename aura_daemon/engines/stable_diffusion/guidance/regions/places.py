"""Where the regions of a picture lie. In: boxes and masks. Out: how much of each latent is whose.

What several regions cover they share by their weights; the main prompt has what they leave of 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy
import torch
from PIL import Image

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.stable_diffusion.mask import (
    MaskPurpose,
    fitted_mask,
    nothing_selected,
    read_mask,
    selects_nothing,
    stretched,
)
from aura_daemon.file_names import escaped
from aura_daemon.jobs.guidance.regions import Box, Region
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, Ingredient, IngredientKind
from aura_daemon.jobs.sampling import MULTIPLE_PX
from aura_daemon.jobs.tasks import Task

IS_REGION: Final = MaskPurpose(
    nothing="so the region is nowhere",
    everything="the region is all of the picture",
    holes="its transparent parts are the region",
    mend="paint white where the region is, and black elsewhere",
)

EVEN: Final = 8
"""Latents: Stable Diffusion's UNet halves three times."""

LEAST_SHARE: Final = 1e-6
"""What is less is the rounding of shares that add up to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionMask:
    """The mask of a region, mode L, white where the region is."""

    picture: Image.Image
    ingredient: Ingredient
    warnings: tuple[str, ...] = ()


def read_region_masks(task: Task, settings: EngineSettings) -> dict[str, RegionMask] | Failure:
    """The masks that the regions of a request name, by these names."""
    assert isinstance(task.request, GenerateRequest)
    masks = {}
    for name in dict.fromkeys(region.mask for region in task.request.regions if region.mask is not None):
        content = task.further_images.get(name, b"")
        read = read_mask(content, name, settings, IS_REGION)
        if isinstance(read, Failure):
            return read
        sha256 = hashlib.sha256(content).hexdigest()
        ingredient = Ingredient(kind=IngredientKind.REGION_MASK, name=escaped(name), sha256=sha256)
        masks[name] = RegionMask(picture=read.picture, ingredient=ingredient, warnings=read.warnings)
    return masks


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A part of the latents that is looked at by itself."""

    top: int
    left: int
    bottom: int
    right: int

    def of(self, latents: torch.Tensor) -> torch.Tensor:
        """That part of a tensor `[…, H / 8, W / 8]`, not a copy."""
        return latents[..., self.top : self.bottom, self.left : self.right]

    def of_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """The same of a tensor `[…, H, W]`."""
        top, left, bottom, right = (end * MULTIPLE_PX for end in (self.top, self.left, self.bottom, self.right))
        return pixels[..., top:bottom, left:right]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """How much of each latent is whose, `[1, 1, H / 8, W / 8]` each; together they are 1 everywhere."""

    main: torch.Tensor
    regions: tuple[torch.Tensor, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """The regions of a picture, with their masks."""

    regions: Sequence[Region]
    masks: Mapping[str, RegionMask]
    image_px: tuple[int, int] | None = None
    """Width and height of the image that the picture starts from: masks are cropped with it."""
    native_px: int | None = None
    """The length that the model was trained at; None: every prompt sees all of the picture."""

    def obstacle(self, width: int, height: int) -> Failure | None:
        """Why nothing can be drawn in this size: a region is cropped away."""
        for name, mask in self.masks.items():
            if selects_nothing(self._fitted(mask, width, height)):
                return nothing_selected(name, f" in the part of it that {width}x{height} shows", IS_REGION)
        return None

    def warnings(self, width: int, height: int) -> tuple[str, ...]:
        """What was read otherwise than the owner of the files may expect."""
        of, of_px = ("image", self.image_px) if self.image_px is not None else ("picture", (width, height))
        told = (
            line
            for name, mask in self.masks.items()
            for line in (*mask.warnings, *stretched(name, mask.picture, of_px, of))
        )
        return tuple(told)

    def least_view(self, width: int, height: int) -> int:
        """Of a region, in latents."""
        return (self.native_px or max(width, height)) // MULTIPLE_PX

    @property
    def ingredients(self) -> tuple[Ingredient, ...]:
        """The files of the masks."""
        return tuple(mask.ingredient for mask in self.masks.values())

    def shares(self, width: int, height: int) -> Shares:
        """Of a picture of this size, in pixels."""
        size = height // MULTIPLE_PX, width // MULTIPLE_PX
        weighed = [
            region.weight * self._covered(region, size, width, height) for region in self.regions
        ]  # float64, so that what adds up to 1 does
        together = sum(weighed, torch.zeros(size, dtype=torch.float64))
        regions = [part / together.clamp(min=1.0) for part in weighed]
        main = (1.0 - together).clamp(min=0.0)
        main[main < LEAST_SHARE] = 0.0
        return Shares(main=_as_share(main), regions=tuple(map(_as_share, regions)))

    def _covered(self, region: Region, size: tuple[int, int], width: int, height: int) -> torch.Tensor:
        """How much of each latent a region covers, float64 `[H / 8, W / 8]` in [0, 1]."""
        if region.box is not None:
            return _of_box(region.box, size)
        assert region.mask is not None
        fitted = self._fitted(self.masks[region.mask], width, height)
        white = torch.from_numpy(numpy.array(fitted, dtype=numpy.float64) / 255)
        return torch.nn.functional.avg_pool2d(white[None, None], MULTIPLE_PX)[0, 0]

    def _fitted(self, mask: RegionMask, width: int, height: int) -> Image.Image:
        size = width, height
        return fitted_mask(mask.picture, self.image_px if self.image_px is not None else size, size)


def view_around(share: torch.Tensor, least: int) -> View:
    """The box around a share `[1, 1, H / 8, W / 8]` that is not 0 everywhere, `least` latents wide and high at least.

    It lies within the picture, so it may be smaller. It grows to multiples of `EVEN`, which UNets halve most exactly.
    """
    height, width = share.shape[-2:]
    (top, bottom), (left, right) = (
        _bounds(torch.nonzero(share[0, 0].any(axis)).flatten(), length, least)
        for axis, length in ((1, height), (0, width))
    )
    return View(top=top, left=left, bottom=bottom, right=right)


def _bounds(inside: torch.Tensor, length: int, least: int) -> tuple[int, int]:
    first, last = int(inside[0]), int(inside[-1])
    wanted = min(length, -(-max(last + 1 - first, least) // EVEN) * EVEN)
    start = min(max(0, (first + last + 1 - wanted) // 2), length - wanted)
    return start, start + wanted


def _of_box(box: Box, size: tuple[int, int]) -> torch.Tensor:
    """How much of each cell of a grid a box covers."""
    left, top, right, bottom = box

    def along(start: float, end: float, cells: int) -> torch.Tensor:
        edges = torch.arange(cells, dtype=torch.float64)
        return (torch.clamp(edges + 1, max=end * cells) - torch.clamp(edges, min=start * cells)).clamp(min=0.0)

    return along(top, bottom, size[0])[:, None] * along(left, right, size[1])[None, :]


def _as_share(share: torch.Tensor) -> torch.Tensor:
    return share.to(torch.float32)[None, None]
