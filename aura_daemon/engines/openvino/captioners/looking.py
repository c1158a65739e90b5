"""How a captioner looks at pictures, on OpenVINO. In: pixels, a converted file. Out: what its words attend to.

Pictures are looked at one after the other: eight at once took as long (at the size of BLIP base), and more memory.
"""

from __future__ import annotations

from pathlib import Path

import torch

from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.openvino.library import openvino
from aura_daemon.engines.openvino.running import TYPES, faults_told, options, shared
from aura_daemon.system.processes.mapped_pages import without_pages_of


class OpenVinoLooking:
    """A compiled graph of `conversion`."""

    def __init__(self, converted: Path, *, dtype: torch.dtype, threads: int) -> None:
        """`converted`: the graph's `.xml`, its weights beside it; raises FaultyVariant."""
        self._dtype = dtype
        with faults_told(), without_pages_of(converted.with_suffix(".bin")):
            core = openvino.Core()
            prepared = openvino.preprocess.PrePostProcessor(core.read_model(converted))
            prepared.output().tensor().set_element_type(TYPES[dtype])
            graph = prepared.build()
            told = options(dtype, threads)
            if group := _smallest_input(graph):
                told["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = group
            self._request = core.compile_model(graph, "CPU", told).create_infer_request()
        self._shape = tuple(self._request.get_output_tensor().shape)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Keys and values of every layer that writes: `[B, 2 * layers, heads, patches, width]`.

        `pixels`: float32 `[B, 3, H, W]`. Raises FaultyVariant for what PyTorch may be able to compute.
        """
        looked = torch.empty(len(pixels), *self._shape, dtype=self._dtype)
        pixels = pixels.contiguous()
        for row in range(len(pixels)):
            self._request.set_input_tensor(shared(pixels[row : row + 1]))
            self._request.set_output_tensor(shared(looked[row]))
            with faults_told():
                self._request.infer()
        if not bool(looked[:, -1].isfinite().all()):  # what is no number spreads to all that comes after it
            raise FaultyVariant("it computes NaN", lasts=False)
        return looked


def _smallest_input(graph: openvino.Model) -> int:
    """Over so many numbers of an activation one scale is shared, where weights have 8 bits; 0: they have not."""
    inputs = [
        node.input_value(1).get_shape()[1]
        for node in graph.get_ops()
        if node.get_type_name() == "MatMul" and node.input_value(1).get_node().get_type_name() == "Multiply"
    ]
    return min(inputs, default=0)
