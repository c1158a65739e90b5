"""The ladder: ways to run a model in ever less memory, in the order they are tried. In: backend, kind. Out: rungs.

Each rung does what the rungs above it do, and one thing more. There are two exceptions: the last two rungs of the GPU
have exact weights again (they are streamed and take so little room that half of it saves nothing), and the very last
rung uses the weights of the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aura_daemon.jobs.requests import JobKind


class Backend(StrEnum):
    """What computes. For torch, ROCm is CUDA. XPU and MPS are experimental: the code was never run on either."""

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
    """How weights are held in memory while no layer computes with them."""

    NATIVE = "native"
    """In the number format of the computation."""
    HALF = "half"
    """In half the bytes of the computation; in the mapped files, where those hold so few."""
    FP8 = "fp8"
    """One byte (float8_e4m3fn)."""
    MAPPED = "mapped"
    """In their files; the kernel keeps in memory as much of them as there is room for."""


class Offload(StrEnum):
    """What is kept in host memory until the GPU needs it."""

    NONE = "none"
    MODEL = "model"
    """Whole models: the UNet while the VAE decodes, and the VAE while the UNet computes."""
    GROUP = "group"
    """Layers; the next one is copied while one computes."""
    SEQUENTIAL = "sequential"
    """Layers, one after the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """The measures that a rung takes to save memory."""

    caption: str
    on_cpu: bool = False
    tiles: bool = False
    """The VAE decodes tile by tile: see `prediction.tile_px`."""
    splits: bool = False
    """The UNet computes one row (a picture, or its negative) at a time."""
    storage: Storage = Storage.NATIVE
    offload: Offload = Offload.NONE

    @property
    def loading(self) -> tuple[bool, Storage, Offload]:
        """The measures for which a model must be loaded again; the others are switched on and off."""
        return self.on_cpu, self.storage, self.offload


RUNGS: Final[dict[Rung, Measures]] = {
    Rung.RESIDENT: Measures(caption="all weights on the GPU, the text encoder only while it reads"),
    Rung.TILED_DECODE: Measures(caption="the picture is decoded tile by tile", tiles=True),
    Rung.SPLIT_GUIDANCE: Measures(caption="prompt and negative prompt one after the other", tiles=True, splits=True),
    Rung.FP8_STORAGE: Measures(
        caption="the UNet's weights in one byte each", tiles=True, splits=True, storage=Storage.FP8
    ),
    Rung.MODEL_OFFLOAD: Measures(
        caption="UNet and VAE on the GPU in turn", tiles=True, splits=True, storage=Storage.FP8, offload=Offload.MODEL
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
"""Every rung with its measures, the roomiest first."""

_ORDER: Final = tuple(RUNGS)
_GPU: Final = tuple(rung for rung in RUNGS if not RUNGS[rung].on_cpu)

_LACKING: Final = {
    Backend.CUDA: (),
    Backend.XPU: (Rung.GROUP_OFFLOAD,),
    # MPS shares the host's memory, so there is nothing to offload to; and it has no float8.
    Backend.MPS: (Rung.FP8_STORAGE, Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD),
    Backend.CPU: _GPU,
}

_CAPTION: Final = (Rung.RESIDENT, Rung.CPU, Rung.CPU_HALF_WEIGHTS, Rung.CPU_MAPPED_WEIGHTS)
"""A captioner is one model with no guidance and nothing to decode tile by tile."""

_UPSCALE: Final = (Rung.RESIDENT, Rung.TILED_DECODE, Rung.CPU, Rung.CPU_TILED_DECODE)
"""An upscaler is one model without guidance, that is small beside the tiles that it computes."""

_OF_KIND: Final = {JobKind.CAPTION: _CAPTION, JobKind.UPSCALE: _UPSCALE}


def ladder(backend: Backend, kind: JobKind) -> tuple[Rung, ...]:
    """The rungs for a kind of job on a backend, the roomiest first."""
    rungs = _OF_KIND.get(kind, _ORDER)
    return tuple(rung for rung in rungs if rung not in _LACKING[backend])


def below(rung: Rung, rungs: tuple[Rung, ...]) -> Rung | None:
    """The next rung down; None on the last. A rung that is not in `rungs` is placed by its position in `RUNGS`."""
    return next((other for other in rungs if _ORDER.index(other) > _ORDER.index(rung)), None)


def at_or_below(start: Rung | None, rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    """The rungs of a ladder from `start` down; None: all of them."""
    return tuple(rung for rung in rungs if start is None or _ORDER.index(rung) >= _ORDER.index(start))
