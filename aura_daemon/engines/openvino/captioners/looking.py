"""How a captioner looks at pictures, on OpenVINO. In: pixels, a converted file. Out: what its words attend to.

Each picture is looked at by itself: eight in one tensor took as long (at the size of BLIP base), and more memory. Two
are looked at side by side, on half of the cores each: 0.93 of the time of one after the other on all cores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch

from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.openvino.library import openvino
from aura_daemon.engines.openvino.running import TYPES, faults_told, options, shared
from aura_daemon.system.processes.mapped_pages import without_pages_of

SIDE_BY_SIDE: Final = 2
"""Pictures that are looked at together, each of which takes memory."""


class OpenVinoLooking:
    """A graph of `conversion`, compiled at the first call, and once more for the first batch after a single picture."""

    def __init__(self, converted: Path, *, dtype: torch.dtype, threads: int) -> None:
        """`converted`: the graph's `.xml`, its weights beside it; raises FaultyVariant."""
        self._converted, self._dtype, self._threads = converted, dtype, threads
        self._requests: list[Any] = []
        with faults_told():
            self._core = openvino.Core()

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Keys and values of every layer that writes: `[B, 2 * layers, heads, patches, width]`.

        `pixels`: float32 `[B, 3, H, W]`. Raises FaultyVariant for what PyTorch may be able to compute.
        """
        side_by_side = min(SIDE_BY_SIDE, self._threads, len(pixels))
        if side_by_side > len(self._requests):
            self._requests = []  # the weights are taken once
            self._requests = self._compiled(side_by_side)
        requests = self._requests
        looked = torch.empty(len(pixels), *requests[0].get_output_tensor().shape, dtype=self._dtype)
        pixels = pixels.contiguous()
        with faults_told():
            for first in range(0, len(pixels), len(requests)):
                begun = list(zip(range(first, len(pixels)), requests, strict=False))
                for row, request in begun:
                    request.set_input_tensor(shared(pixels[row : row + 1]))
                    request.set_output_tensor(shared(looked[row]))
                    request.start_async()
                for _, request in begun:
                    request.wait()
        if not bool(looked[:, -1].isfinite().all()):  # what is no number spreads to all that comes after it
            raise FaultyVariant("it computes NaN", lasts=False)
        return looked

    def _compiled(self, streams: int) -> list[Any]:
        """Requests that run side by side."""
        with faults_told(), without_pages_of(self._converted.with_suffix(".bin")):
            prepared = openvino.preprocess.PrePostProcessor(self._core.read_model(self._converted))
            prepared.output().tensor().set_element_type(TYPES[self._dtype])
            graph = prepared.build()
            told = options(self._dtype, self._threads) | {"NUM_STREAMS": streams}
            if group := _smallest_input(graph):
                told["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = group
            compiled = self._core.compile_model(graph, "CPU", told)
            return [compiled.create_infer_request() for _ in range(streams)]


def _smallest_input(graph: openvino.Model) -> int:
    """Over so many numbers of an activation one scale is shared, where weights have 8 bits; 0: they have not."""
    inputs = [
        node.input_value(1).get_shape()[1]
        for node in graph.get_ops()
        if node.get_type_name() == "MatMul" and node.input_value(1).get_node().get_type_name() == "Multiply"
    ]
    return min(inputs, default=0)
