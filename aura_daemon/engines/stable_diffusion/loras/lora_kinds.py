"""What a file is that is offered as a LoRA and is none for Stable Diffusion 1.x. In: its tensors. Out: that, in words.

The names of tensors are those of kohya's scripts, LyCORIS and diffusers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import torch

_METHODS: Final = (
    (r"\.hada_w[12]", "a LoHa (LyCORIS)"),
    (r"\.lokr_w[12]", "a LoKr (LyCORIS)"),
    (r"\.oft_(blocks|diag)|\.oft_R", "an OFT (LyCORIS)"),
    (r"\.on_input$", "an (IA)^3 (LyCORIS)"),
    (r"\.(a1|b1)\.weight$", "a GLoRA (LyCORIS)"),
    (r"^(emb_params|string_to_param|clip_[lg])$", "a textual inversion"),
    (r"^model\.diffusion_model\.|^first_stage_model\.", "a whole model"),
    (r"^(control_model|controlnet|lllite)", "a ControlNet"),
)
"""Pattern of a tensor's name -> what holds it."""

_ARCHITECTURES: Final = (
    (r"double_blocks|single_blocks|single_transformer_blocks", "Flux"),
    (r"joint_blocks|joint_transformer_blocks|^transformer\.transformer_blocks\.\d+\.attn\.add_", "Stable Diffusion 3"),
    (r"lora_te2_|text_encoder_2\.|(input|output|middle)_blocks?_\d+(_\d+)?_transformer_blocks_[2-9]", "SDXL"),
    (r"cross_attn\.|^diffusion_model\.blocks\.\d|^lora_transformer_|^transformer\.", "another kind of model"),
)
"""Pattern of a tensor's name -> the model it was trained for."""

_OF_A_TEXT: Final = re.compile(r"attn2[._]to_[kv].*\.(lora_A|lora_down|down)\b")
_WIDTHS: Final = {1024: "Stable Diffusion 2", 2048: "SDXL"}
"""Width of the texts that a model attends to -> the model; 768 is Stable Diffusion 1.x."""


def other_method(tensors: Mapping[str, torch.Tensor]) -> str:
    """What a file is instead of a LoRA; empty where it may be one."""
    return next((what for pattern, what in _METHODS if any(re.search(pattern, name) for name in tensors)), "")


def other_architecture(tensors: Mapping[str, torch.Tensor]) -> str:
    """The model that a LoRA was trained for, where that is known not to be Stable Diffusion 1.x."""
    for pattern, what in _ARCHITECTURES:
        if any(re.search(pattern, name) for name in tensors):
            return what
    widths = {tensor.shape[-1] for name, tensor in tensors.items() if _OF_A_TEXT.search(name) and tensor.dim() == 2}
    return next((what for width, what in _WIDTHS.items() if width in widths), "")
