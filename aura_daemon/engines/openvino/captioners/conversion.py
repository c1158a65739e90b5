"""From a BLIP captioner's files to OpenVINO's format. In: ModelFiles. Out: one graph, from pixels to keys and values.

The graph holds all that is computed once for a picture: the layers that look, and of each layer that writes the keys
and values of its attention to the picture. In 8 bits weights have a scale for each number that they make, and
activations are scaled while they are computed, token by token: nothing need be calibrated.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy
import torch
import transformers

from aura_daemon.config.engine import Dtype
from aura_daemon.config.workers.services import ConvertedPart
from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.loading.whole import load_whole
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.captioners.looking import OpenVinoLooking
from aura_daemon.engines.openvino.library import openvino, opset13
from aura_daemon.engines.openvino.store import Kind
from aura_daemon.engines.placement.devices import TORCH_DTYPES
from aura_daemon.jobs.results import EAGER

LARGEST: Final = 127
"""Of 8 bits with a sign."""

ROUNDS: Final = 3


class _Attention(torch.nn.Module):
    """Attention of a layer that looks, in the one operation that engines know."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, hidden_states: torch.Tensor, **_options: Any) -> tuple[torch.Tensor, None]:
        rows, patches, width = hidden_states.shape
        heads = self.attention.num_heads
        joined = self.attention.qkv(hidden_states).reshape(rows, patches, 3, heads, width // heads)
        told = joined.permute(2, 0, 3, 1, 4)
        seen = torch.nn.functional.scaled_dot_product_attention(told[0], told[1], told[2])
        return self.attention.projection(seen.transpose(1, 2).reshape(rows, patches, width)), None


class Looking(torch.nn.Module):
    """What a captioner computes once for a picture, as PyTorch."""

    def __init__(self, model: Any) -> None:
        """`model`: a BlipForConditionalGeneration, which is changed."""
        super().__init__()
        self.vision: Any = model.vision_model
        for layer in self.vision.encoder.layers:
            layer.self_attn = _Attention(layer.self_attn)
        layers = model.text_decoder.bert.encoder.layer
        self.attended = torch.nn.ModuleList([layer.crossattention.self for layer in layers])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """`[1, 3, H, W]` to `[2 * layers, heads, patches, width]`."""
        embeddings = self.vision.embeddings
        patches = embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        seen = torch.cat([embeddings.class_embedding, patches], dim=1) + embeddings.position_embedding
        for layer in self.vision.encoder.layers:
            seen = layer(seen)
        seen = self.vision.post_layernorm(seen)
        told = []
        attended: Any
        for attended in self.attended:
            for states in (attended.key(seen), attended.value(seen)):
                told.append(states.view(seen.shape[1], attended.num_attention_heads, -1).transpose(0, 1))
        return torch.stack(told)


def read(files: ModelFiles, dtype: torch.dtype = torch.float32) -> Looking:
    """Raises what `load_whole` raises."""
    model = load_whole(
        transformers.BlipForConditionalGeneration,
        files.folder,
        model=files.name,
        dtype=dtype,
        variant=files.weights.variant,
        use_safetensors=not files.weights.pickled,
        local_files_only=True,
    )
    return Looking(model).eval()


@torch.no_grad()
def convert(files: ModelFiles, folder: Path) -> None:
    """Writes the graph, its weights in float16, into `folder`."""
    looking = read(files)
    side = looking.vision.config.image_size
    with warnings.catch_warnings(action="ignore"):  # of tracing, about sizes that never change
        graph = openvino.convert_model(looking, example_input=torch.zeros(1, 3, side, side))
    graph.reshape([1, 3, side, side])
    openvino.save_model(graph, folder / ConvertedPart.LOOKING.graph, compress_to_fp16=True)


def quantize(source: Path, folder: Path) -> None:
    """Writes the graph of `source` with weights of 8 bits into `folder`."""
    graph = openvino.Core().read_model(source)
    for node in graph.get_ops():
        weights = _weights(node)
        if weights is None:
            continue
        scale = numpy.abs(weights).max(axis=1, keepdims=True) / LARGEST
        scale[scale == 0] = 1
        low = opset13.constant(numpy.rint(weights / scale).astype(numpy.int8))
        scaled = opset13.multiply(opset13.convert(low, "f32"), opset13.constant(scale.astype(numpy.float32)))
        node.input(1).replace_source_output(scaled.output(0))
    openvino.save_model(graph, folder / ConvertedPart.LOOKING.graph, compress_to_fp16=False)


def _weights(node: openvino.Node) -> Any:
    """`[out, in]` of a linear layer; None for another operation."""
    if node.get_type_name() != "MatMul" or not node.get_attributes()["transpose_b"]:
        return None
    given = node.input_value(1).get_node()
    if given.get_type_name() == "Convert":  # from float16
        given = given.input_value(0).get_node()
    is_weights = given.get_type_name() == "Constant" and len(given.get_output_shape(0)) == 2
    return given.get_data().astype(numpy.float32) if is_weights else None


@torch.no_grad()
def picture_s(
    files: ModelFiles, graphs: Mapping[Kind, Path], dtype: str, failed: Callable[[Kind, FaultyVariant], None]
) -> dict[str, float]:
    """Variant -> seconds of one core for a picture, the median of three after one.

    `failed` hears of each graph that OpenVINO cannot compute; the others are measured.
    """
    torch.set_num_threads(1)
    computed = TORCH_DTYPES[Dtype(dtype)]
    eager = read(files, computed)
    side = eager.vision.config.image_size
    pixels = torch.zeros(1, 3, side, side)
    engines: dict[str, Callable[[], object]] = {EAGER: lambda: eager(pixels.to(computed))}
    for kind, graph in graphs.items():
        try:
            looking = OpenVinoLooking(graph, dtype=computed, threads=1)
            looking(pixels)
        except FaultyVariant as fault:
            failed(kind, fault)
            continue
        engines[kind] = lambda looking=looking: looking(pixels)  # type: ignore[misc]
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(1 + ROUNDS):
        for name, look in engines.items():
            began_s = time.process_time()
            look()
            if number:
                taken[name].append(time.process_time() - began_s)
    return {name: median(seconds) for name, seconds in taken.items()}
