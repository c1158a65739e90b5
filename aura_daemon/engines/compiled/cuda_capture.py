"""Records calls as CUDA graphs. In: a call and its inputs. Out: a `Recording`.

Nothing here has run on a GPU yet: `make gpu-check` measures it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch

from aura_daemon.engines.compiled.captured_unet import Recording, Tensors

WARM_UPS: Final = 3
"""Calls before the recording, in which libraries choose kernels and allocate; as torch's own notes on CUDA graphs."""


class CudaRecorder:
    """All its graphs share one pool of memory, because never two of them play at once."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, call: Callable[..., tuple[torch.Tensor, ...]], inputs: Tensors) -> Recording:
        """Calls a few times, then records; raises what torch raises."""
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        # What compiles does so here, on the usual stream.
        call(**inputs)
        stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS - 1):
                call(**inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Another thread may decode meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            outputs = call(**inputs)
        return Recording(inputs=inputs, outputs=outputs, play=graph.replay)
