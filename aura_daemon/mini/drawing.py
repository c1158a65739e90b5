"""Pictures of sentences: signed distance fields with soft edges, anywhere in the frame, drawn in milliseconds.

In: sentences of the grammar and a seeded generator. Out: float32 [B, 3, H, W] in [-1, 1].
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import torch
from torch import Tensor

from aura_daemon.mini import NATIVE_SIZE_PX
from aura_daemon.mini.grammar import PALETTE, SHAPES, Sentence

# Radius as a share of the shorter side: the two sizes never come near each other.
RADIUS: Final[dict[str, tuple[float, float]]] = {"small": (0.165, 0.205), "large": (0.30, 0.37)}
EDGE_PX: Final = 1.5  # width of the soft edge
MARGIN_PX: Final = 1.5  # between the shape's outer circle and the frame


def render(
    sentences: Sequence[Sentence],
    dice: torch.Generator,
    *,
    height_px: int = NATIVE_SIZE_PX,
    width_px: int = NATIVE_SIZE_PX,
) -> Tensor:
    """Draw each sentence once at a random place: float32 [B, 3, H, W] in [-1, 1]."""
    inside = _colours(sentence.colour for sentence in sentences)
    outside = _colours(sentence.background for sentence in sentences)
    return mix(cover(sentences, dice, height_px=height_px, width_px=width_px), inside, outside)


def mix(covered: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """Colours [B, 3, 1, 1] laid over and under the shapes [B, 1, H, W]."""
    return covered * inside + (1 - covered) * outside


def cover(sentences: Sequence[Sentence], dice: torch.Generator, *, height_px: int, width_px: int) -> Tensor:
    """How much of each pixel the shape covers: float32 [B, 1, H, W] in [0, 1]."""
    count, side_px = len(sentences), min(height_px, width_px)
    low, high = torch.tensor([RADIUS[sentence.size] for sentence in sentences]).unbind(1)
    radius_px = side_px * (low + (high - low) * torch.rand(count, generator=dice))
    room_px = torch.tensor([width_px, height_px]) - 2 * (radius_px + MARGIN_PX)[:, None]
    centre_px = (torch.rand(count, 2, generator=dice) - 0.5) * room_px + torch.tensor([width_px, height_px]) / 2

    y, x = torch.meshgrid(torch.arange(height_px) + 0.5, torch.arange(width_px) + 0.5, indexing="ij")
    x = (x - centre_px[:, 0, None, None]) / radius_px[:, None, None]
    y = (y - centre_px[:, 1, None, None]) / radius_px[:, None, None]
    distance = torch.empty(count, height_px, width_px)
    for shape in SHAPES:
        rows = [row for row, sentence in enumerate(sentences) if sentence.shape == shape]
        if rows:
            distance[rows] = DISTANCES[shape](x[rows], y[rows])

    return (0.5 - distance * radius_px[:, None, None] / EDGE_PX).clamp(0, 1)[:, None]


def _colours(names: Iterable[str]) -> Tensor:
    """float32 [B, 3, 1, 1] in [-1, 1]."""
    return torch.tensor([PALETTE[name] for name in names])[:, :, None, None] / 127.5 - 1


# Distances to the edge in units of the radius, negative inside; y points down.


def _circle(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 0.95


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.82


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    """Equilateral, point up, its corners on the circle of radius 1.05, lowered to the middle."""
    y = y - 0.2
    return torch.maximum(y, x.abs() * math.sqrt(0.75) - y * 0.5) - 0.55


def _star(x: Tensor, y: Tensor) -> Tensor:
    """Five points on the unit circle: the plane is folded into one half of a point, whose edge is a straight line."""
    tenth = math.pi / 5
    angle = torch.atan2(x, -y).remainder(2 * tenth)
    angle = torch.minimum(angle, 2 * tenth - angle)  # 0 at a point, `tenth` at a notch
    radius = torch.hypot(x, y)
    along, across = radius * angle.cos(), radius * angle.sin()
    notch_along, notch_across = STAR_NOTCH * math.cos(tenth), STAR_NOTCH * math.sin(tenth)
    edge = math.hypot(1 - notch_along, notch_across)
    return ((along - 1) * notch_across + across * (1 - notch_along)) / edge


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.74).abs() - 0.23


def _cross(x: Tensor, y: Tensor) -> Tensor:
    long, short = torch.maximum(x.abs(), y.abs()), torch.minimum(x.abs(), y.abs())
    return torch.maximum(long - 0.92, short - 0.3)


STAR_NOTCH: Final = 0.45  # radius of the star's inner corners
DISTANCES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
}
