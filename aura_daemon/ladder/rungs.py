"""The ladder: ways to run a model in ever less memory, in the order they are tried. In: backend, kind. Out: rungs.

Every rung does what those above it do and one thing more, but for the last two on the GPU, whose weights are exact
again (streamed, they need so little room that half of it is nothing), and the very last, whose weights are the files'.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aura_daemon.jobs.requests import JobKind


class Backend(StrEnum):
    """Who computes. ROCm is CUDA to torch; XPU and MPS are experimental: nothing here was ever run on one."""

    CUDA = "cuda"
    XPU = "xpu"
    MPS = "mps"
    CPU = "cpu"


class Rung(StrEnum):
    """One way to run a model."""

    RESIDENT = "resident"
    TILED_DECODE = "tiled_decode"
    SPLIT_GUIDANCE = "split_guidance"
    FP8_STORAGE = "fp8_storage"
    MODEL_OFFLOAD = "model_offload"
    GROUP_OFFLOAD = "group_offload"
    SEQUENTIAL_OFFLOAD = "sequential_offload"
    CPU = "cpu"
    CPU_TILED_DECODE = "cpu_tiled_decode"
    CPU_SPLIT_GUIDANCE = "cpu_split_guidance"
    CPU_HALF_WEIGHTS = "cpu_half_weights"
    CPU_MAPPED_WEIGHTS = "cpu_mapped_weights"


class Storage(StrEnum):
    """How weights lie in memory between the moments in which a layer computes with them."""

    NATIVE = "native"
    """As they are computed with."""
    HALF = "half"
    """In half the bytes that are computed with; where their files have so few, in those."""
    FP8 = "fp8"
    """One byte (float8_e4m3fn)."""
    MAPPED = "mapped"
    """In their files, of which the kernel keeps in memory what there is room for."""


class Offload(StrEnum):
    """What lies in host memory until the GPU needs it."""

    NONE = "none"
    MODEL = "model"
    """Whole parts: the UNet while the VAE decodes, and the other way round."""
    GROUP = "group"
    """Layers, the next one copied while one computes."""
    SEQUENTIAL = "sequential"
    """Layers, one after the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """What is done on a rung."""

    caption: str
    on_cpu: bool = False
    tiles: bool = False
    """The VAE decodes tile by tile: see `core.budget.tile_px`."""
    splits: bool = False
    """The UNet computes one row (a picture, or its negative) at a time."""
    storage: Storage = Storage.NATIVE
    offload: Offload = Offload.NONE

    @property
    def loading(self) -> tuple[bool, Storage, Offload]:
        """What takes a model that is placed afresh; the rest is switched on and off."""
        return self.on_cpu, self.storage, self.offload


RUNGS: Final[dict[Rung, Measures]] = {
    Rung.RESIDENT: Measures(caption="all weights on the GPU, the text encoder only while it reads"),
    Rung.TILED_DECODE: Measures(caption="the picture is decoded tile by tile", tiles=True),
    Rung.SPLIT_GUIDANCE: Measures(caption="prompt and negative prompt one after the other", tiles=True, splits=True),
    Rung.FP8_STORAGE: Measures(
        caption="the UNet's weights in one byte each", tiles=True, splits=True, storage=Storage.FP8
    ),
    Rung.MODEL_OFFLOAD: Measures(
        caption="UNet and VAE on the GPU in turn",
        tiles=True,
        splits=True,
        storage=Storage.FP8,
        offload=Offload.MODEL,
    ),
    Rung.GROUP_OFFLOAD: Measures(
        caption="layers streamed to the GPU, the next one copied meanwhile",
        tiles=True,
        splits=True,
        offload=Offload.GROUP,
    ),
    Rung.SEQUENTIAL_OFFLOAD: Measures(
        caption="layers copied to the GPU one by one", tiles=True, splits=True, offload=Offload.SEQUENTIAL
    ),
    Rung.CPU: Measures(caption="on the CPU, in the number format it computes fastest in", on_cpu=True),
    Rung.CPU_TILED_DECODE: Measures(caption="on the CPU, the picture decoded tile by tile", on_cpu=True, tiles=True),
    Rung.CPU_SPLIT_GUIDANCE: Measures(
        caption="on the CPU, prompt and negative prompt one after the other", on_cpu=True, tiles=True, splits=True
    ),
    Rung.CPU_HALF_WEIGHTS: Measures(
        caption="on the CPU, weights in half the bytes (in their files, where those are), widened layer by layer",
        on_cpu=True,
        tiles=True,
        splits=True,
        storage=Storage.HALF,
    ),
    Rung.CPU_MAPPED_WEIGHTS: Measures(
        caption="on the CPU, weights left in their files, of which memory holds what there is room for",
        on_cpu=True,
        tiles=True,
        splits=True,
        storage=Storage.MAPPED,
    ),
}
"""The ordered table."""

_CPU: Final = tuple(rung for rung in RUNGS if RUNGS[rung].on_cpu)
_GPU: Final = tuple(rung for rung in RUNGS if not RUNGS[rung].on_cpu)

_LACKING: Final = {
    Backend.CUDA: (),
    Backend.XPU: (Rung.GROUP_OFFLOAD,),
    # Its memory is the host's: there is nothing to offload to, and it has no float8.
    Backend.MPS: (Rung.FP8_STORAGE, Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD),
    Backend.CPU: _GPU,
}

_CAPTION: Final = (Rung.RESIDENT, Rung.CPU, Rung.CPU_HALF_WEIGHTS, Rung.CPU_MAPPED_WEIGHTS)
"""A captioner is one model with no guidance and nothing to decode tile by tile."""


def ladder(backend: Backend, kind: JobKind) -> tuple[Rung, ...]:
    """The rungs that a job of this kind has here, the roomiest first."""
    return tuple(
        rung
        for rung in (*_GPU, *_CPU)
        if rung not in _LACKING[backend] and (kind is not JobKind.CAPTION or rung in _CAPTION)
    )


def below(rung: Rung, rungs: tuple[Rung, ...]) -> Rung | None:
    """The next one down; None on the last. One that is not of this ladder stands where the whole table has it."""
    order = tuple(RUNGS)
    return next((other for other in rungs if order.index(other) > order.index(rung)), None)


def at_or_below(start: Rung | None, rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    """What is left of a ladder that is entered here; None: all of it."""
    order = tuple(RUNGS)
    return tuple(rung for rung in rungs if start is None or order.index(rung) >= order.index(start))
