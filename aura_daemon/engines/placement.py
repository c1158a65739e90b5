"""Where a model runs and in which number format. In: EngineSettings. Out: Placement, and figures of memory.

The probes are calls into torch and reads of /proc; nothing is probed at import.
"""

from __future__ import annotations

import ctypes
import gc
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import torch

from aura_daemon.core.job import Failure, FailureKind
from aura_daemon.core.settings import Device, Dtype, EngineSettings

RESIDENT: Final = "resident"
"""The only rung until the ladder is built: all weights stay on the device."""

BFLOAT16_FLAGS: Final = ("amx_bf16", "avx512_bf16")
"""CPU capabilities that make bfloat16 faster than float32; without them it is slower."""

TORCH_DTYPES: Final = {
    Dtype.FLOAT32: torch.float32,
    Dtype.BFLOAT16: torch.bfloat16,
    Dtype.FLOAT16: torch.float16,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """A device, a number format and a rung."""

    device: str
    """`cpu`, `cuda:0`."""
    device_name: str
    dtype: Dtype
    rung: str = RESIDENT

    @property
    def torch_dtype(self) -> torch.dtype:
        return TORCH_DTYPES[self.dtype]

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryFigures:
    """Bytes; on the CPU the device's memory is the machine's."""

    used_bytes: int
    free_bytes: int
    total_bytes: int
    resident_bytes: int
    """Of this process."""


def place(settings: EngineSettings) -> Placement | Failure:
    """The device and dtype that the settings ask for; a Failure where CUDA is asked for and there is none."""
    cuda = settings.device is not Device.CPU and torch.cuda.is_available()
    if settings.device is Device.CUDA and not cuda:
        return Failure(
            kind=FailureKind.MODEL_UNAVAILABLE,
            message=f"device: cuda is configured, but torch {torch.__version__} finds no CUDA device",
            mend="set device: auto or cpu, or install a CUDA build of torch and the driver",
        )
    dtype = settings.dtype if settings.dtype is not Dtype.AUTO else _auto_dtype(cuda)
    if cuda:
        return Placement(device="cuda:0", device_name=torch.cuda.get_device_name(0), dtype=dtype)
    return Placement(device="cpu", device_name=_cpu_name(), dtype=dtype)


def memory_figures(placement: Placement | None) -> MemoryFigures:
    """Memory as it is now."""
    resident = int(psutil.Process().memory_info().rss)
    if placement is not None and placement.on_cuda:
        free, total = torch.cuda.mem_get_info(placement.device)
        return MemoryFigures(used_bytes=total - free, free_bytes=free, total_bytes=total, resident_bytes=resident)
    machine = psutil.virtual_memory()
    return MemoryFigures(
        used_bytes=resident,
        free_bytes=int(machine.available),
        total_bytes=int(machine.total),
        resident_bytes=resident,
    )


def release(placement: Placement | None) -> None:
    """Gives freed memory back to the device and the system; whoever calls it has dropped the models first."""
    gc.collect()
    if placement is not None and placement.on_cuda:
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # AttributeError: a C library without malloc_trim (musl, macOS)
        ctypes.CDLL(None).malloc_trim(0)


class PeakMemory:
    """The highest memory since it was made: the allocator's on CUDA, resident size of the process on the CPU.

    Linux counts the resident peak itself and lets a process reset it (proc(5), `clear_refs` 5). Where that is
    refused, the peak is the largest of what `sample` saw.
    """

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._sampled = 0
        self._counted_by_kernel = False
        if placement.on_cuda:
            torch.cuda.reset_peak_memory_stats(placement.device)
        else:
            self._counted_by_kernel = _reset_resident_peak()
        self.sample()

    def sample(self) -> None:
        """Looks once; cheap enough for every step."""
        if not self._placement.on_cuda and not self._counted_by_kernel:
            self._sampled = max(self._sampled, int(psutil.Process().memory_info().rss))

    def highest_bytes(self) -> int:
        """The peak up to now."""
        if self._placement.on_cuda:
            return int(torch.cuda.max_memory_allocated(self._placement.device))
        self.sample()
        return _resident_peak() if self._counted_by_kernel else self._sampled


def _auto_dtype(cuda: bool) -> Dtype:
    """The half precision that the device computes in, else float32."""
    if cuda:
        return Dtype.FLOAT16
    capabilities = torch.cpu.get_capabilities()
    return Dtype.BFLOAT16 if any(capabilities.get(flag) for flag in BFLOAT16_FLAGS) else Dtype.FLOAT32


def _cpu_name() -> str:
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine())


def _reset_resident_peak() -> bool:
    """True where the kernel lets us reset its own count."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return _resident_peak() > 0


def _resident_peak() -> int:
    """The kernel's count of the highest resident size, in bytes; 0 where there is none."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
