"""Which of these engines computes where. In: the configured engine, a placement. Out: a variant.

`auto` takes none of them: nothing is measured on a GPU yet, and on a CPU OpenVINO is ahead (see docs/speed.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.ladder.prediction import Footprint
from aura_daemon.ladder.rungs import Offload, Storage

COMPILED: Final = "compiled"
TENSORRT: Final = "tensorrt"
CUDA_GRAPHS: Final = "cuda-graphs"

ON_CUDA: Final = (TENSORRT, CUDA_GRAPHS)
"""Variants that only NVIDIA's (and AMD's, for graphs) GPUs have."""

VARIANTS: Final = {
    EngineChoice.COMPILED: COMPILED,
    EngineChoice.TENSORRT: TENSORRT,
    EngineChoice.CUDA_GRAPHS: CUDA_GRAPHS,
}

GRAPH_BYTES: Final = 512 << 20
"""What a captured UNet holds beside its weights, as published; not yet measured."""


def variant_of(engine: EngineChoice, placement: Placement, *, adapted: bool) -> str | None:
    """The variant of a configured engine on a placement; None: it is none of these, or has no place there.

    `adapted`: with LoRAs, which change the layers that were compiled. Rungs that split, narrow or stream the UNet
    change them too, and have no memory to spare.
    """
    variant, measures = VARIANTS.get(engine), placement.measures
    if variant is None or adapted or measures.splits:
        return None
    if measures.storage is not Storage.NATIVE or measures.offload is not Offload.NONE:
        return None
    return None if variant in ON_CUDA and not is_cuda(placement) else variant


def with_variant(footprint: Footprint, placement: Placement) -> Footprint:
    """What a model takes in its variant: a recording keeps its tensors; compiled code on a CPU takes no more."""
    if placement.variant not in VARIANTS.values() or not is_cuda(placement):
        return footprint
    return replace(footprint, workspace_bytes=footprint.workspace_bytes + GRAPH_BYTES)


def is_cuda(placement: Placement) -> bool:
    """Whether a placement is on a GPU that torch calls CUDA."""
    return placement.device.startswith("cuda")
