"""What tells a ControlNet where the shape lies: a filled silhouette or an edge line, white on black.

In: how much of each pixel a shape covers, float32 [B, 1, H, W] in [0, 1] (`mini.drawing.cover`). Out: maps of three
equal channels, float32 [B, 3, H, W] in [0, 1], as diffusers' pipelines take them.
"""

from enum import StrEnum

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d


class MapKind(StrEnum):
    """What a map shows of a shape."""

    FILLED = "filled"
    EDGE = "edge"


def control_maps(covered: Tensor, kind: MapKind) -> Tensor:
    """As a person would make them: hard, the edge one pixel wide and inside the shape."""
    inside = (covered > 0.5).float()
    return _three(inside if kind is MapKind.FILLED else inside - _shrunk(inside))


def varied_maps(covered: Tensor, dice: torch.Generator) -> Tensor:
    """For training: half of the maps filled, half lines; hard and soft, thin and thick, in and around the shape."""
    inside = (covered > 0.5).float()
    grown, shrunk = _grown(inside), _shrunk(inside)
    filled = (inside, covered)
    lines = (inside - shrunk, grown - inside, grown - shrunk, 4 * covered * (1 - covered))
    luck = torch.rand(2, len(covered), generator=dice)
    of_filled = (luck[1] * len(filled)).long()
    of_lines = (luck[1] * len(lines)).long() + len(filled)
    picks = torch.where(luck[0] < 0.5, of_filled, of_lines)
    return _three(torch.stack((*filled, *lines))[picks, torch.arange(len(covered))])


def _grown(inside: Tensor) -> Tensor:
    """One pixel larger in every direction."""
    return max_pool2d(inside, 3, stride=1, padding=1)


def _shrunk(inside: Tensor) -> Tensor:
    return -_grown(-inside)


def _three(map_: Tensor) -> Tensor:
    return map_.expand(-1, 3, -1, -1)
