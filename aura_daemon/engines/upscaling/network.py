"""A file of weights -> a network that enlarges, or what the file is instead. In: a file. Out: a network.

Compact networks need nothing but torch; all others are known by spandrel, which finds out what a file holds from the
names and shapes of its tensors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file

from aura_daemon.engines.failures import UnfitModel, first_line
from aura_daemon.engines.model_files.weights import header_fault, unavailable
from aura_daemon.engines.upscaling.compact import compact_network
from aura_daemon.engines.upscaling.spandrel_library import is_installed, spandrel
from aura_daemon.jobs.guidance.upscaling import MOST_SCALE

MOST_BYTES: Final = 1 << 30
"""Of a file; the largest that are known have 170 MB."""

INSTALL: Final = 'install it (`pip install "aura-daemon[upscale]"`), and start the daemon anew'
OTHERS: Final = "name an upscaler: ESRGAN, Real-ESRGAN, SwinIR, or another that spandrel knows"

_PURPOSES: Final = {
    "FaceSR": "a model that restores faces",
    "Inpainting": "a model that fills in parts of pictures (inpainting)",
    "Restoration": "a model that cleans pictures and does not enlarge them",
}
"""What spandrel calls a purpose -> what that is."""

_OTHERS: Final = (
    (r"lora_(A|B|up|down|te|unet)\b|\.lora_|^lora_", "a LoRA"),
    (r"^(control_model|controlnet|lllite)|controlnet_cond_embedding", "a ControlNet"),
    (r"^model\.diffusion_model\.|^first_stage_model\.|^cond_stage_model\.", "a whole model that draws"),
    (r"^image_proj\.|^ip_adapter\.", "an IP-Adapter"),
    (r"^(down_blocks|up_blocks|mid_block)\.|^text_model\.|^(encoder|decoder)\.(down|up|mid)", "a part of such a model"),
    (r"^(emb_params|string_to_param|clip_[lg])$", "a textual inversion"),
)
"""Pattern of a tensor's name -> what holds it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UpscalingNetwork:
    """A network on its device; it computes `[1, 3, H, W]` in [0, 1] to `[1, 3, H * scale, W * scale]`."""

    module: torch.nn.Module
    compute: Callable[[torch.Tensor], torch.Tensor]
    architecture: str
    scale: int
    multiple: int = 1
    """The sides of what it computes are padded to multiples of this."""
    halves: bool = True
    """Whether it computes in float16."""
    takes_whole: bool = False
    """Whether it divides pictures into tiles itself."""


def load_network(name: str, file: Path) -> UpscalingNetwork:
    """Loads on the CPU in float32; raises UnfitModel."""
    fault = header_fault(file)
    if not fault and (size := file.stat().st_size) > MOST_BYTES:
        fault = f"it has {size:,} bytes, more than any upscaler"
    if fault:
        raise UnfitModel(unavailable(name, f"it cannot be read: {fault}", "copy its file again, or name another"))
    tensors = {key: tensor.float() for key, tensor in load_file(file).items()}
    if (own := compact_network(tensors)) is not None:
        return _checked(name, UpscalingNetwork(module=own, compute=own, architecture="Compact", scale=own.scale))
    if what := other_kind(tensors):
        raise UnfitModel(unavailable(name, f"it is {what}, not an upscaler", OTHERS))
    if not is_installed():
        cause = "its network is known by the library spandrel, which is not installed"
        raise UnfitModel(unavailable(name, cause, INSTALL))
    return _checked(name, _by_spandrel(name, tensors))


def other_kind(tensors: Mapping[str, object]) -> str:
    """What a file is that is known to be no upscaler; empty for any other."""
    return next((what for pattern, what in _OTHERS if any(re.search(pattern, name) for name in tensors)), "")


def _by_spandrel(name: str, tensors: dict[str, torch.Tensor]) -> UpscalingNetwork:
    library = spandrel()
    try:
        found: Any = library.ModelLoader(device="cpu").load_from_state_dict(tensors)
    except Exception as error:  # noqa: BLE001 - it raises anything at tensors that fit together in no network
        cause = f"it is no upscaler that spandrel {library.__version__} knows ({first_line(str(error)) or 'no reason'})"
        raise UnfitModel(unavailable(name, cause, OTHERS)) from None
    architecture, purpose = str(found.architecture.name), str(found.purpose)
    if purpose != "SR":
        what = _PURPOSES.get(purpose, f"a model for {purpose}")
        raise UnfitModel(unavailable(name, f"it is {what} ({architecture}), not an upscaler", OTHERS))
    if (found.input_channels, found.output_channels) != (3, 3):
        channels = f"{found.input_channels} channels in, {found.output_channels} out"
        cause = f"its network ({architecture}) has {channels}: pictures in colour have 3"
        raise UnfitModel(unavailable(name, cause, OTHERS))
    return UpscalingNetwork(
        module=found.model,
        compute=found,
        architecture=architecture,
        scale=int(found.scale),
        multiple=int(found.size_requirements.multiple_of),
        halves=bool(found.supports_half),
        takes_whole=found.tiling is library.ModelTiling.INTERNAL,
    )


def _checked(name: str, network: UpscalingNetwork) -> UpscalingNetwork:
    if not 1 < network.scale <= MOST_SCALE:
        cause = f"its network ({network.architecture}) enlarges {network.scale} times; 2 to {MOST_SCALE} is used here"
        raise UnfitModel(unavailable(name, cause, OTHERS))
    network.module.eval().requires_grad_(False)
    return network
