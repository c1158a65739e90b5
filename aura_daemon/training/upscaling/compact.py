"""The upscaler's network, in the layout of Real-ESRGAN's SRVGGNetCompact (Wang et al. 2021).

The names and shapes of its weights are all that a reader needs: spandrel tells from them what the network is.
"""

from pathlib import Path
from typing import Final

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

SCALE: Final = 2
FEATURES: Final = 24
LAYERS: Final = 8


class CompactUpscaler(nn.Module):
    """Convolutions of 3x3 at the size that came in; what they find is added to the picture's doubled pixels."""

    def __init__(self, features: int = FEATURES, layers: int = LAYERS) -> None:
        super().__init__()
        body: list[nn.Module] = []
        for channels in (3, *(features,) * layers):
            body += [nn.Conv2d(channels, features, 3, padding=1), nn.PReLU(features)]
        self.body = nn.Sequential(*body, nn.Conv2d(features, 3 * SCALE**2, 3, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        """RGB [B, 3, H, W] in [0, 1] to about [0, 1], [B, 3, 2H, 2W]."""
        return pixel_shuffle(self.body(pictures), SCALE) + interpolate(pictures, scale_factor=SCALE, mode="nearest")


def export(file: Path, upscaler: CompactUpscaler) -> None:
    """fp16 safetensors."""
    file.parent.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.half().contiguous(memory_format=torch.contiguous_format)
        for name, tensor in upscaler.state_dict().items()
    }
    save_file(weights, file, metadata={"format": "pt"})


def load(file: Path) -> CompactUpscaler:
    """In float32, as `export` has written it."""
    upscaler = CompactUpscaler()
    upscaler.load_state_dict(load_file(file))
    return upscaler.eval()


@torch.inference_mode()
def upscaled(upscaler: CompactUpscaler, pictures: Tensor) -> Tensor:
    """uint8 [B, 3, H, W] to [B, 3, 2H, 2W]."""
    parts = [upscaler(part / 255).clamp(0, 1) for part in torch.split(pictures, 50)]
    return (torch.cat(parts) * 255).round().byte()


def as_bytes(pictures: list[Image.Image]) -> Tensor:
    """RGB pictures of one size: uint8 [B, 3, H, W]."""
    parts = [
        torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).reshape(picture.height, picture.width, 3)
        for picture in pictures
    ]
    return torch.stack(parts).permute(0, 3, 1, 2)
