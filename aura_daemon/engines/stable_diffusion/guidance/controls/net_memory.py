"""What ControlNets take of memory, and which engines leave them out. In: their files. Out: a Footprint, a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from aura_daemon.engines.compiled.variants import VARIANTS
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.footprints import all_numbers, largest_layer
from aura_daemon.engines.placement.layerwise_casting import storage_dtype
from aura_daemon.engines.placement.mapped_weights import stored_bytes
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.results import EAGER
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.ladder.prediction import CPU_WORKSPACE, UNET_ELEMENTS, Footprint, stays_in_files

RESIDUAL_ELEMENTS: Final = 32.0
"""Numbers of the residuals of one ControlNet of 320 channels, per pixel of each row: 8.3 million at 512 x 512."""

MOST_SETS: Final = 2
"""Sets of residuals that are in memory at once: their sum, and those of the network that computes."""


def with_nets(footprint: Footprint, nets: Sequence[ModelFiles], placement: Placement) -> Footprint:
    """The footprint of a generator whose UNet these networks guide; they are placed as it is."""
    if not nets:
        return footprint
    storage, size = placement.measures.storage, placement.torch_dtype.itemsize
    is_mapped = stays_in_files(storage, footprint.file_bytes)
    placed = resident_bytes = 0
    for files in nets:
        numbers = all_numbers(files)
        if is_mapped and not stays_in_files(storage, stored_bytes(files)):
            resident_bytes += numbers * storage_dtype(placement).itemsize
        else:
            placed += numbers * size
    workspace = int((placed + resident_bytes) * CPU_WORKSPACE) if placement.on_cpu else 0
    sets = min(MOST_SETS, len(nets))
    return replace(
        footprint,
        unet_bytes=footprint.unet_bytes + placed,
        largest_layer_bytes=max(footprint.largest_layer_bytes, *(largest_layer(files) * size for files in nets)),
        unet_elements=footprint.unet_elements * (1 + sets * RESIDUAL_ELEMENTS / UNET_ELEMENTS),
        workspace_bytes=footprint.workspace_bytes + resident_bytes + workspace,
    )


def left_out(engine: EngineChoice, controls: Sequence[Control], placement: Placement) -> str:
    """What is told where another engine is configured than maps can be drawn with; empty where none is.

    OpenVINO, whose reasons differ, is told of by the family.
    """
    if not controls or engine not in VARIANTS or placement.variant != EAGER:
        return ""
    return f"engine: {engine} is configured, but PyTorch drew this as it is: the job has `control`"
