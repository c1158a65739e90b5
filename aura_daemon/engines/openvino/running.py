"""What every graph is compiled and run with. In: formats, tensors, exceptions. Out: OpenVINO's, FaultyVariant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch

from aura_daemon.engines.failures import FaultyVariant, first_line, is_out_of_memory
from aura_daemon.engines.machine_faults import machine_fault
from aura_daemon.engines.openvino.library import openvino

PRECISIONS: Final = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}
"""Number formats of torch -> OpenVINO's names."""

TYPES: Final = {
    torch.float32: openvino.Type.f32,
    torch.bfloat16: openvino.Type.bf16,
    torch.float16: openvino.Type.f16,
}

PASSING: Final = "Resource temporarily unavailable"
"""No thread could be started."""


def options(dtype: torch.dtype, threads: int) -> dict[str, Any]:
    """Of a graph on the CPU."""
    return {
        "INFERENCE_PRECISION_HINT": PRECISIONS[dtype],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # other programs may sit on the same cores
    }


@contextmanager
def faults_told() -> Iterator[None]:
    """Whatever OpenVINO raises becomes FaultyVariant, but for a lack of memory, which the ladder mends."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {_cause(str(error))}"
        passes = isinstance(error, OSError) or PASSING in str(error) or machine_fault(error) is not None
        raise FaultyVariant(reason, lasts=not passes) from error


def _cause(text: str) -> str:
    """The line that says what is wrong: those before it say where in OpenVINO's sources."""
    lines = [line for line in text.splitlines() if not line.startswith(("Exception from ", "Check "))]
    return first_line("\n".join(lines)) or first_line(text)


def shared(tensor: torch.Tensor) -> openvino.Tensor:
    """The same memory, as OpenVINO sees it; it keeps no reference to the tensor."""
    if tensor.dtype is torch.bfloat16:  # numpy has no such format
        return openvino.Tensor(tensor.view(torch.int16).numpy(), openvino.Shape(list(tensor.shape)), openvino.Type.bf16)
    return openvino.Tensor(tensor.numpy(), shared_memory=True)
