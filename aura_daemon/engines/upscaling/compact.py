"""Real-ESRGAN's compact network (SRVGGNetCompact, Wang et al. 2021), that of aura-mini: it needs no further library."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.functional import interpolate, pixel_shuffle

_NAME = re.compile(r"body\.(\d+)\.(weight|bias)")


class CompactNetwork(nn.Module):
    """Convolutions at the size that came in; what they find is added to the picture's enlarged pixels."""

    def __init__(self, features: int, layers: int, scale: int) -> None:
        """`layers`: convolutions before the last one."""
        super().__init__()
        self.scale = scale
        body: list[nn.Module] = []
        for layer in range(layers):
            body += [nn.Conv2d(features if layer else 3, features, 3, padding=1), nn.PReLU(features)]
        self.body = nn.Sequential(*body, nn.Conv2d(features, 3 * scale**2, 3, padding=1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """RGB `[B, 3, H, W]` in [0, 1] to about [0, 1], `[B, 3, H * scale, W * scale]`."""
        enlarged = interpolate(pictures, scale_factor=float(self.scale), mode="nearest")
        return pixel_shuffle(self.body(pictures), self.scale) + enlarged


def compact_network(tensors: Mapping[str, torch.Tensor]) -> CompactNetwork | None:
    """The network with these weights; None where they are another one's."""
    numbers = {int(found[1]) for name in tensors if (found := _NAME.fullmatch(name)) is not None}
    last = max(numbers, default=0)
    if len(tensors) != sum(_NAME.fullmatch(name) is not None for name in tensors) or last < 2 or last % 2:
        return None
    first, end = tensors.get("body.0.weight"), tensors.get(f"body.{last}.weight")
    if first is None or end is None or first.dim() != 4 or end.dim() != 4 or first.shape[1:] != (3, 3, 3):
        return None
    scale = math.isqrt(end.shape[0] // 3)
    if scale < 1 or 3 * scale**2 != end.shape[0]:
        return None
    with torch.device("meta"):
        network = CompactNetwork(first.shape[0], last // 2, scale)
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if expected != {name: tensor.shape for name, tensor in tensors.items()}:
        return None
    network.load_state_dict(dict(tensors), assign=True)
    return network
