"""From a model's files to OpenVINO's format. In: ModelFiles. Out: the UNet as one graph for all sizes, with names.

Only the UNet is read, in float32. The graph has its weights in float16 once it is saved (`save`): half of the bytes,
and less than bfloat16 rounds.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file

from aura_daemon.config.workers.services import ConvertedPart
from aura_daemon.engines.loading.pipeline_parts import read_checkpoint
from aura_daemon.engines.loading.whole import require_whole
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.library import openvino

INPUTS: Final = ("sample", "timestep", "encoder_hidden_states")
"""`[rows, 4, H / 8, W / 8]`, `[]` and `[rows, 77 * windows, D]`, all float32: some samplers stop between timesteps."""

NOISE: Final = "noise"

WINDOW: Final = 77
"""Tokens that a text encoder reads at once."""


class _NoiseAlone(torch.nn.Module):
    """The UNet as tracing wants it: tensors in, one tensor out."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.unet = unet

    def forward(
        self, sample: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor
    ) -> torch.Tensor:
        noise: torch.Tensor = self.unet(sample, timestep, encoder_hidden_states, return_dict=False)[0]
        return noise


def read_unet(files: ModelFiles, dtype: torch.dtype = torch.float32) -> UNet2DConditionModel:
    """The UNet alone, in host memory, its LoRA for few steps fused; raises what diffusers raises, and UnfitModel."""
    unet = _read(files, dtype)
    require_whole(unet, model=files.name, part="unet")
    if files.lora is not None:
        _fuse(unet, files.lora)
    return unet


def _fuse(unet: UNet2DConditionModel, lora: ModelFiles) -> None:
    tensors = load_file(lora.folder / lora.weights.names[0])
    layers, alphas = StableDiffusionPipeline.lora_state_dict(tensors, unet_config=unet.config)
    if others := [name for name in layers if not name.startswith("unet.")]:
        raise ValueError(f"LoRA {lora.name} changes the text encoder too ({others[0]})")
    unet.load_lora_adapter(layers, prefix="unet", network_alphas=alphas, adapter_name="few_steps")
    unet.fuse_lora(safe_fusing=True)
    unet.unload_lora()


def _read(files: ModelFiles, dtype: torch.dtype) -> UNet2DConditionModel:
    if files.checkpoint is not None:
        unet: UNet2DConditionModel = read_checkpoint(UNet2DConditionModel, files, subfolder="unet", dtype=dtype)
        return unet.eval()
    return UNet2DConditionModel.from_pretrained(
        str(files.folder),
        subfolder="unet",
        dtype=dtype,
        variant=files.weights.variant,
        use_safetensors=not files.weights.pickled,
        local_files_only=True,
    ).eval()


@torch.no_grad()
def converted(unet: UNet2DConditionModel) -> openvino.Model:
    """The UNet in OpenVINO's format, of any size; `unet` keeps its weights, which the graph shares until it is saved.

    It is traced with sides that its blocks cannot halve evenly: then every upward block takes its size from the block
    that it mirrors, which is right for all sizes. Traced with even sides it would double, and 912x512 would fail.
    """
    side = 2 ** (len(unet.config.block_out_channels) - 1) + 1
    example = (
        torch.zeros(1, unet.config.in_channels, side, side + 2),
        torch.tensor(1.0),
        torch.zeros(1, WINDOW, unet.config.cross_attention_dim),
    )
    with warnings.catch_warnings(action="ignore"):  # of tracing, about branches that the sizes above decide
        graph = openvino.convert_model(_NoiseAlone(unet), example_input=example)
    for place, name in zip(graph.inputs, INPUTS, strict=True):
        place.get_tensor().set_names({name})
    graph.output(0).get_tensor().set_names({NOISE})
    return graph


def save(graph: openvino.Model, folder: Path) -> None:
    """Writes a graph and its weights, in float16; makes neither durable."""
    openvino.save_model(graph, folder / ConvertedPart.UNET.graph, compress_to_fp16=True)


def shaped(core: Any, file: Path, *, sample: Sequence[int], embeddings: Sequence[int]) -> openvino.Model:
    """The graph of a file for one row. `sample`: channels, height, width of latents; `embeddings`: tokens, width."""
    graph = core.read_model(file)
    graph.reshape({"sample": [1, *sample], "timestep": [], "encoder_hidden_states": [1, *embeddings]})
    return graph
