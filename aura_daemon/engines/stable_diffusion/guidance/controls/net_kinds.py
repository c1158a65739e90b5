"""What a file is that is offered as a ControlNet, and whether it fits the model. In: shapes of tensors. Out: words.

Only the head of a file is read, so that a wrong file of gigabytes is refused before it is loaded. Importing this module
imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from safetensors import safe_open

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Names of tensors -> their shapes."""

PREFIX: Final = "control_model."
"""Of the names in files of ControlNet's authors."""

OURS: Final = "controlnet_cond_embedding.conv_in.weight"
"""In diffusers' names."""
THEIRS: Final = "input_hint_block.0.weight"
"""In the names of ControlNet's authors."""

_OTHERS: Final = (
    (r"lora_controlnet|\.(up|down)\.weight$", "a Control-LoRA"),
    (r"^lora_|\.lora_|lora_(down|up|A|B)\b", "a LoRA"),
    (r"^(image_proj|ip_adapter)\.", "an IP-Adapter"),
    (r"^(adapter\.)?body\.\d|^adapter\.", "a T2I-Adapter"),
    (r"^(model\.diffusion_model|first_stage_model|cond_stage_model|conditioner)\.", "a whole model"),
    (r"double_blocks|single_transformer_blocks|joint_blocks|^transformer_blocks\.", "a ControlNet for another model"),
    (r"^(emb_params|string_to_param|clip_[lg])$", "a textual inversion"),
    (r"^(encoder|decoder|quant_conv|post_quant_conv)\.", "a VAE"),
    (r"^(down_blocks|up_blocks)\.", "a UNet"),
)
"""Pattern of a tensor's name -> what holds it."""

WIDTHS: Final = {1024: "Stable Diffusion 2", 2048: "SDXL"}
"""Width of the texts that a network attends to -> the model it is for; 768 is Stable Diffusion 1.x."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetShape:
    """What has to be the same in a ControlNet and its UNet."""

    text_width: int
    channels: tuple[int, ...]
    """Of each block."""


def shapes_in(file: Path) -> Shapes:
    """Of a safetensors file."""
    with safe_open(file, framework="numpy") as opened:
        return {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118 - no dictionary


def other_kind(shapes: Shapes) -> str:
    """What a file is instead of a ControlNet; empty where it is one."""
    plain = [name.removeprefix(PREFIX) for name in shapes]
    what = next((what for pattern, what in _OTHERS if any(re.search(pattern, name) for name in shapes)), "")
    if what == "a Control-LoRA":
        return what
    if OURS in plain or THEIRS in plain:
        return ""
    return what or "a file of other tensors"


def misfit(config: Mapping[str, Any], unet: NetShape) -> str:
    """Why a ControlNet with this configuration does not fit a UNet; empty where it does."""
    width, channels = config.get("cross_attention_dim"), tuple(config.get("block_out_channels") or ())
    if config.get("addition_embed_type") is not None or (width == 2048 and width != unet.text_width):
        return "it was trained for SDXL"
    if width != unet.text_width:
        return f"it was trained for {WIDTHS.get(int(width or 0), f'a model with texts of {width} numbers')}"
    if channels != unet.channels:
        return f"its blocks have {_listed(channels)} channels, and those of the model {_listed(unet.channels)}"
    return ""


def configuration(shapes: Shapes) -> dict[str, Any]:
    """The configuration of a single file, as diffusers' ControlNetModel takes it; the rest is that of Stable Diffusion.

    The number of heads cannot be seen from shapes: it is that of Stable Diffusion 1.x, 8.
    """
    plain = {name.removeprefix(PREFIX): shape for name, shape in shapes.items()}
    found = _of_ours(plain) if OURS in plain else _of_theirs(plain)
    is_sdxl = any(name.startswith(("label_emb.", "add_embedding.")) for name in plain)
    return found | {"attention_head_dim": 8, **({"addition_embed_type": "text_time"} if is_sdxl else {})}


def _of_ours(shapes: Shapes) -> dict[str, Any]:
    blocks = _counted(shapes, r"down_blocks\.(\d+)\.")
    attends = [any(name.startswith(f"down_blocks.{number}.attentions.") for name in shapes) for number in range(blocks)]
    first = [f"down_blocks.{number}.resnets.0.conv1.weight" for number in range(blocks)]
    hints = _counted(shapes, r"controlnet_cond_embedding\.blocks\.(\d+)\.")
    starts = [OURS, *(f"controlnet_cond_embedding.blocks.{number}.weight" for number in range(1, hints, 2))]
    return {
        "block_out_channels": tuple(shapes[name][0] for name in first),
        "layers_per_block": _counted(shapes, r"down_blocks\.0\.resnets\.(\d+)\."),
        "down_block_types": _types(attends),
        "cross_attention_dim": _text_width(shapes),
        "conditioning_embedding_out_channels": tuple(shapes[name][0] for name in starts),
    }


def _of_theirs(shapes: Shapes) -> dict[str, Any]:
    inputs = _counted(shapes, r"input_blocks\.(\d+)\.")
    downs = [number for number in range(inputs) if f"input_blocks.{number}.0.op.weight" in shapes]
    layers = (downs[0] if downs else inputs) - 1
    starts = range(1, inputs, layers + 1)
    hints = _counted(shapes, r"input_hint_block\.(\d+)\.") - 1
    return {
        "block_out_channels": tuple(shapes[f"input_blocks.{number}.0.in_layers.2.weight"][0] for number in starts),
        "layers_per_block": layers,
        "down_block_types": _types([f"input_blocks.{number}.1.norm.weight" in shapes for number in starts]),
        "cross_attention_dim": _text_width(shapes),
        "conditioning_embedding_out_channels": tuple(
            shapes[f"input_hint_block.{number}.weight"][0] for number in (0, *range(4, hints, 4))
        ),
    }


def _types(attends: list[bool]) -> tuple[str, ...]:
    return tuple("CrossAttnDownBlock2D" if one else "DownBlock2D" for one in attends)


def _counted(shapes: Shapes, pattern: str) -> int:
    """One more than the highest number at this place of a name."""
    numbers = (re.match(pattern, name) for name in shapes)
    return max((int(number[1]) + 1 for number in numbers if number is not None), default=0)


def _text_width(shapes: Shapes) -> int:
    return next((shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight")), 0)


def _listed(channels: tuple[int, ...]) -> str:
    return ", ".join(map(str, channels))
