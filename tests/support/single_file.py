"""Writes a model folder as the single file in which most checkpoints are traded: the names that CompVis gave."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

LAYERS_PER_BLOCK = 1
"""Of the tiny UNet, see `tests/support/tiny_models.py`."""

VAE_BLOCKS = 4

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "conv_in.": "input_blocks.0.0.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def write_single_file(folder: Path, file: Path) -> Path:
    """All weights of a diffusers folder in one file."""
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(folder / "unet" / "diffusion_pytorch_model.safetensors").items():
        tensors[f"model.diffusion_model.{_unet(name)}"] = tensor
    for name, tensor in load_file(folder / "vae" / "diffusion_pytorch_model.safetensors").items():
        tensors[f"first_stage_model.{_vae(name)}"] = tensor
    for name, tensor in load_file(folder / "text_encoder" / "model.safetensors").items():
        tensors[f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}"] = tensor
    save_file(tensors, file, {"format": "pt"})
    return file


def _unet(name: str) -> str:
    for ours, theirs in UNET.items():
        if name.startswith(ours):
            renamed = theirs + name.removeprefix(ours)
            return _resnet(renamed) if "resnets" in ours else renamed
    found = re.fullmatch(r"(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.*)", name)
    assert found, name
    way, block, part, layer, rest = found.groups()
    first = int(block) * (LAYERS_PER_BLOCK + 1)
    if part == "downsamplers":
        return f"input_blocks.{first + LAYERS_PER_BLOCK + 1}.0.op.{rest.removeprefix('conv.')}"
    if part == "upsamplers":  # the tiny model's only one is in a block without attention
        return f"output_blocks.{first + LAYERS_PER_BLOCK}.1.{rest}"
    blocks = f"input_blocks.{first + 1 + int(layer)}" if way == "down" else f"output_blocks.{first + int(layer)}"
    return _resnet(f"{blocks}.0.{rest}") if part == "resnets" else f"{blocks}.1.{rest}"


def _resnet(name: str) -> str:
    for ours, theirs in RESNET.items():
        name = re.sub(rf"\.{ours}\.(weight|bias)$", rf".{theirs}.\1", name)
    return name


def _vae(name: str) -> str:
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda found: f"up.{VAE_BLOCKS - 1 - int(found[1])}.block", name)
    name = re.sub(
        r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{VAE_BLOCKS - 1 - int(found[1])}.upsample", name
    )
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    if "mid_block.attentions.0" in name:
        for ours, theirs in ATTENTION.items():
            name = name.replace(f"mid_block.attentions.0.{ours}.", f"mid.attn_1.{theirs}.")
    return name
