"""Where models run and in which number format. In: EngineSettings. Out: a Placement for each rung.

torch is asked for the devices when a function is called, never at import.
"""

from __future__ import annotations

import importlib.util
import os
import platform
from dataclasses import dataclass, replace
from typing import Final

import torch

from aura_daemon.config.engine import Attention, Device, Dtype, EngineSettings, memory_fraction
from aura_daemon.jobs.results import EAGER, Failure, FailureKind, Processor
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.ladder.rungs import RUNGS, Backend, Measures, Rung, Storage
from aura_daemon.system.windows import is_wsl2

NATIVE_FLAGS: Final = {
    Dtype.FLOAT32: (),
    Dtype.BFLOAT16: ("amx_bf16", "avx512_bf16"),
    Dtype.FLOAT16: ("amx_fp16", "avx512_fp16"),
}
"""CPU capabilities with which a number format is at least as fast as float32; without all of them it is slower."""

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
    rung: Rung
    fraction: float | None = None
    """The share of the device's memory that this process may take; None: all."""
    uuid: str = ""
    """Of a CUDA device, as torch gives it; empty where torch gives none."""
    may_spill: bool = False
    """The driver gives memory of the host, at a tenth of the speed, where the GPU's is used up (WSL2)."""
    variant: str = EAGER
    """How results are computed (`jobs.results.EAGER`)."""

    @property
    def torch_dtype(self) -> torch.dtype:
        """The number format of the computation."""
        return TORCH_DTYPES[self.dtype]

    @property
    def vae_dtype(self) -> torch.dtype:
        """The number format of the VAE: float32 on a CPU that would have to widen half precision.

        There the whole VAE in float32 takes less memory and time than widening it layer by layer (measured at 512x512
        in bfloat16: 844 MiB and 37 s, against 1,625 MiB and 279 s). The VAE is float32 too on rungs of the CPU that
        store narrower weights, because a picture that overflows is decoded once more in float32.
        """
        narrowed = self.measures.storage is not Storage.NATIVE
        if self.on_cpu and (narrowed or not computes_in(self.dtype)):
            return torch.float32
        return self.torch_dtype

    @property
    def on_cpu(self) -> bool:
        """Whether the model computes on the CPU."""
        return self.device == "cpu"

    @property
    def measures(self) -> Measures:
        """What the rung does to need less memory."""
        return RUNGS[self.rung]


@dataclass(frozen=True, kw_only=True, slots=True)
class Devices:
    """The devices of this machine: an accelerator where there is one, and the CPU in any case."""

    backend: Backend
    accelerator: Placement | None
    cpu: Placement

    @property
    def first(self) -> Placement:
        """The device of the first rung."""
        return self.accelerator or self.cpu

    def on(self, rung: Rung) -> Placement:
        """The placement of a rung; raises ValueError for a rung of the GPU on a machine without one."""
        base = self.cpu if RUNGS[rung].on_cpu else self.accelerator
        if base is None:
            raise ValueError(f"rung {rung} takes a GPU")
        return replace(base, rung=rung)


def find_devices(settings: EngineSettings) -> Devices | Failure:
    """The devices and number formats that the settings name; a Failure for a device that this machine lacks."""
    setting = settings.device
    backend = _backend(setting)
    if setting not in (Device.AUTO, Device.CPU) and backend is Backend.CPU:
        return Failure(
            kind=FailureKind.MODEL_UNAVAILABLE,
            message=f"device: {setting} is configured, but torch {torch.__version__} finds no {setting.upper()} device",
            mend=f"set device: auto or cpu, or install a {setting.upper()} build of torch and the driver",
        )
    if settings.attention is Attention.XFORMERS and importlib.util.find_spec("xformers") is None:
        return Failure(
            kind=FailureKind.MODEL_UNAVAILABLE,
            message="attention: xformers is configured, but xformers is not installed",
            mend="install xformers for this torch, or set attention: sdpa, which is as fast",
        )
    obstacle = _engine_obstacle(settings.generate.engine, backend)
    if obstacle is not None:
        return obstacle
    cpu = Placement(device="cpu", device_name=_cpu_name(), dtype=_cpu_dtype(settings, backend), rung=Rung.CPU)
    if backend is Backend.CPU:
        return Devices(backend=backend, accelerator=None, cpu=cpu)
    device = "mps" if backend is Backend.MPS else f"{backend}:0"
    name, fraction, uuid = device, None, ""
    may_spill = backend is Backend.CUDA and is_wsl2()
    if backend is not Backend.MPS:
        torch_backend = getattr(torch, backend)
        name = str(torch_backend.get_device_name(0))
        properties = torch_backend.get_device_properties(0)
        fraction = memory_fraction(settings.memory_fraction, int(properties.total_memory), may_spill=may_spill)
        uuid = uuid_of(properties) if backend is Backend.CUDA else ""
        if fraction is not None and backend is Backend.CUDA:
            torch.cuda.set_per_process_memory_fraction(fraction, 0)
    dtype = settings.dtype if settings.dtype is not Dtype.AUTO else Dtype.FLOAT16
    accelerator = Placement(
        device=device,
        device_name=name,
        dtype=dtype,
        rung=Rung.RESIDENT,
        fraction=fraction,
        uuid=uuid,
        may_spill=may_spill,
    )
    return Devices(backend=backend, accelerator=accelerator, cpu=cpu)


def processor() -> Processor:
    """The CPU as torch computes on it now."""
    capability = torch.backends.cpu.get_cpu_capability()
    return Processor(name=_cpu_name(), capability=capability, threads=torch.get_num_threads())


def uuid_of(properties: object) -> str:
    """The UUID in torch's properties of a device; empty for builds that give none (old HIP builds)."""
    return str(getattr(properties, "uuid", ""))


def _engine_obstacle(engine: EngineChoice, backend: Backend) -> Failure | None:
    """Why a configured engine cannot compute on this machine."""
    if engine in (EngineChoice.TENSORRT, EngineChoice.CUDA_GRAPHS) and backend is not Backend.CUDA:
        return Failure(
            kind=FailureKind.MODEL_UNAVAILABLE,
            message=f"generate.engine: {engine} takes a CUDA GPU, but models run on {backend.upper()} here",
            mend="set generate.engine: auto",
        )
    if engine is EngineChoice.TENSORRT and importlib.util.find_spec("torch_tensorrt") is None:
        return Failure(
            kind=FailureKind.MODEL_UNAVAILABLE,
            message="generate.engine: tensorrt is configured, but torch-tensorrt is not installed",
            mend="install the torch-tensorrt of this torch's version, or set generate.engine: auto",
        )
    return None


def _backend(device: Device) -> Backend:
    """The backend that torch finds for a setting. AUTO takes CUDA (ROCm is CUDA to torch), else the CPU.

    The experimental backends must be configured by name.
    """
    if device in (Device.AUTO, Device.CUDA) and torch.cuda.is_available():
        return Backend.CUDA
    if device is Device.XPU and torch.xpu.is_available():
        return Backend.XPU
    if device is Device.MPS and torch.backends.mps.is_available():
        return Backend.MPS
    return Backend.CPU


def _cpu_dtype(settings: EngineSettings, backend: Backend) -> Dtype:
    """The configured format, except half precision meant for a GPU, slow on most CPUs; else the fastest format."""
    if settings.dtype is not Dtype.AUTO and (backend is Backend.CPU or settings.dtype is Dtype.FLOAT32):
        return settings.dtype
    return Dtype.BFLOAT16 if computes_in(Dtype.BFLOAT16) else Dtype.FLOAT32


def computes_in(dtype: Dtype) -> bool:
    """Whether this CPU computes in a format without widening it, as far as torch may use it.

    `ATEN_CPU_CAPABILITY` forbids torch what the processor has beyond it.
    """
    flags = NATIVE_FLAGS[dtype]
    is_forbidden = os.environ.get("ATEN_CPU_CAPABILITY", "").casefold() in ("default", "avx2")
    capabilities = torch.cpu.get_capabilities() if flags and not is_forbidden else {}
    return not flags or any(capabilities.get(flag) for flag in flags)


def _cpu_name() -> str:
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine())
