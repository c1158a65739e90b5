"""What a picture takes on a rung, before it is drawn. In: a footprint, rung, size, what was measured. Out: bytes.

A formula first; a size that was drawn here before takes what it took then, and where memory ran out before it will
again, unless there is more of it. The figures of the formula are measured: see BENCHMARKS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from aura_daemon.jobs.results import EAGER
from aura_daemon.ladder.rungs import RUNGS, Measures, Offload, Rung, Storage

UNET_ELEMENTS: Final = 165.0
"""Numbers that a UNet of 320 channels (Stable Diffusion 1.x) holds at once, for each pixel of each row; measured."""

VAE_ELEMENTS: Final = 1600.0
"""Numbers that a VAE of 128 channels holds at once while it decodes, for each pixel; measured 960 to 1,420 on an H100.

Two projects reckon with 2,200, from before attention was fused; a card that needs as much tells at its first picture.
"""

CPU_VAE_ELEMENTS: Final = 1000.0
"""The same on a CPU, whose convolutions need no copy of what they read; measured."""

CPU_WORKSPACE: Final = 0.09
"""Of the UNet's bytes, what oneDNN takes beside them for weights in an order of its own; measured."""

LEAST_TILE_PX: Final = 256
"""Smaller tiles change colours: aura-mini in tiles of 32 px draws purple for red."""

MARGIN: Final = 1.03
"""What a prediction is taken for: allocators round up."""

SPARE_BYTES: Final = 64 << 20
"""Workspaces of cuBLAS, cuDNN and oneDNN."""

HALF_BYTES: Final = 2
"""Of a number in half precision."""

REFUSED: Final = 1.05
"""Of the memory that was not enough, what is tried again."""

LONGEST: Final = 64
"""Times `climb_after`, for each rung: however often memory ran out, so many good jobs later it is tried again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """A model as memory sees it; bytes in the number format it computes in.

    All of a captioner counts as UNet; what BLIP holds beside its weights is less than `SPARE_BYTES`.
    """

    unet_bytes: int = 0
    text_bytes: int = 0
    """Of the text encoder."""
    vae_bytes: int = 0
    beside_bytes: int = 0
    """Of the safety checker, which computes on the CPU whatever the rung."""
    largest_layer_bytes: int = 0
    element_bytes: int = 2
    """Of a number in this format."""
    vae_element_bytes: int = 2
    """Of a number as the VAE computes, which may be wider."""
    file_bytes: int = 0
    """Of a number of the UNet in files that can be used as they lie there; 0: they cannot."""
    unet_elements: float = UNET_ELEMENTS
    vae_elements: float = VAE_ELEMENTS
    native_px: int = 512
    base_bytes: int = 0
    """Of the process without any model: on the CPU it counts."""
    workspace_bytes: int = 0
    """Beside weights and activations."""

    @property
    def weight_bytes(self) -> int:
        """All of it."""
        return self.unet_bytes + self.text_bytes + self.vae_bytes + self.beside_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """How much is drawn at once."""

    width: int
    """Pixels, of the last pass."""
    height: int
    batch: int = 1
    guided: bool = True
    """Guidance doubles the rows: every picture is computed with its prompt and without."""

    @property
    def pixels(self) -> int:
        """Of one picture."""
        return self.width * self.height

    @property
    def load(self) -> int:
        """Pixels of all rows."""
        return self.pixels * self.batch * (2 if self.guided else 1)

    def is_within(self, other: Extent) -> bool:
        """Whether it takes no more on any rung: neither to draw nor to decode."""
        return self.pixels <= other.pixels and self.load <= other.load

    def is_of_size(self, other: Extent) -> bool:
        """Whether its pictures are as large, and drawn alike."""
        return replace(self, batch=1) == replace(other, batch=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a size took on a rung of one device, and what it was refused."""

    device: str
    """Its name, as the worker says it."""
    dtype: str
    rung: Rung
    width: int
    height: int
    batch: int
    guided: bool = True
    variant: str = EAGER
    peak_bytes: int = 0
    """The highest of all runs; 0: none has ended well."""
    step_s: float = 0.0
    """Seconds a step and batch, of the last run."""
    refused_bytes: int = 0
    """Memory that was not enough; 0: it always was."""
    refusals: int = 0
    """How often in a row so much of it was not enough."""
    good_since: int = 0
    """Jobs that went well on this device since memory ran out for any of its jobs."""
    size_good_since: int = 0
    """The same of this size, whatever the rung and the batch."""

    @property
    def extent(self) -> Extent:
        """How much was drawn at once."""
        return Extent(width=self.width, height=self.height, batch=self.batch, guided=self.guided)


def predicted_bytes(footprint: Footprint, rung: Rung, extent: Extent) -> int:
    """The formula: highest memory, of the GPU on its rungs, of the process on those of the CPU."""
    measures = RUNGS[rung]
    unet, vae, text = _unet_bytes(footprint, measures), footprint.vae_bytes, footprint.text_bytes
    rows = 1 if measures.splits else extent.batch * (2 if extent.guided else 1)
    denoising = rows * extent.pixels * footprint.unet_elements * footprint.element_bytes
    decoding = _decoded_px(footprint, measures, extent) * footprint.vae_elements * footprint.vae_element_bytes
    if measures.offload is not Offload.NONE:
        most = max(unet + denoising, vae + decoding, text)
    elif stays_in_files(measures.storage, footprint.file_bytes):  # what is not computed with lies in files
        reading = text - footprint.workspace_bytes  # the text encoder needs none, and is done before the others begin
        most = footprint.base_bytes + max(unet + denoising, decoding, reading)
    elif measures.on_cpu:
        drawing = footprint.base_bytes + unet + vae + text + footprint.beside_bytes + max(denoising, decoding)
        most = max(drawing, _loading_bytes(footprint, measures))
    else:
        most = unet + vae + max(denoising, decoding, text)
    return int(most) + footprint.workspace_bytes


def host_bytes(footprint: Footprint, rung: Rung) -> int:
    """What a rung of the GPU takes of the host's memory: weights come through it, and stay there to be streamed."""
    return 0 if RUNGS[rung].on_cpu else footprint.base_bytes + footprint.weight_bytes


def expected_bytes(
    footprint: Footprint,
    rung: Rung,
    extent: Extent,
    measured: Sequence[Measured],
    *,
    climb_after: int,
) -> int:
    """What is reckoned with: the formula, corrected by what was measured on this device in this number format.

    A refusal counts for every picture that is no smaller, until one may try again.
    """
    here = [one for one in measured if one.rung is rung]
    same = [one.peak_bytes for one in here if one.peak_bytes and one.extent == extent]
    formula = predicted_bytes(footprint, rung, extent) * _underrated(footprint, here)
    needed = max(same) if same else formula
    patience = _patience(rung, extent, measured, climb_after)
    refusals = [
        int(one.refused_bytes * REFUSED) for one in here if _counts_for(one, extent) and one.good_since < patience
    ]
    return max([int(needed * MARGIN) + SPARE_BYTES, *refusals])


def _counts_for(one: Measured, extent: Extent) -> bool:
    """Whether it is a refusal, of a picture that is no larger."""
    return one.refused_bytes > 0 and one.extent.is_within(extent)


def _patience(rung: Rung, extent: Extent, measured: Sequence[Measured], climb_after: int) -> float:
    """Good jobs before the refusals on a rung are forgotten: twice as many for each in a row, and more for a batch, all
    of which would fail.

    As many as for the rungs below besides, so that one rung upward is tried at a time. For ever, while too few of this
    very size went well since memory ran out for one: else a rare size could be the one that tries every time.
    """
    once = climb_after * extent.batch
    own = [one for one in measured if one.refused_bytes and one.extent.is_of_size(extent)]
    if any(one.size_good_since < once for one in own):
        return inf
    order = tuple(RUNGS)
    in_a_row = {
        lower: max([0, *(one.refusals for one in measured if one.rung is lower and _counts_for(one, extent))])
        for lower in order[order.index(rung) :]
    }
    return once * sum(min(LONGEST, 1 << (refusals - 1)) for refusals in in_a_row.values() if refusals)


def _unet_bytes(footprint: Footprint, measures: Measures) -> int:
    """What the UNet's weights take of the memory it computes in; a narrowed layer is widened for its own moment."""
    if measures.offload is Offload.GROUP:
        return min(footprint.unet_bytes, 2 * footprint.largest_layer_bytes)
    if measures.offload is Offload.SEQUENTIAL:
        return footprint.largest_layer_bytes
    if stays_in_files(measures.storage, footprint.file_bytes):
        return footprint.largest_layer_bytes
    shares = {Storage.NATIVE: 1, Storage.HALF: 2, Storage.FP8: footprint.element_bytes, Storage.MAPPED: 2}
    widened = footprint.largest_layer_bytes if measures.storage is not Storage.NATIVE else 0
    return footprint.unet_bytes // shares[measures.storage] + widened


def stays_in_files(storage: Storage, file_bytes: int) -> bool:
    """Whether weights are used where they lie in their files; they are read, and narrowed, where they cannot be.

    `file_bytes`: of a number there; 0 for files that cannot be mapped.
    """
    return bool(file_bytes) and (storage is Storage.MAPPED or (storage is Storage.HALF and file_bytes <= HALF_BYTES))


def _loading_bytes(footprint: Footprint, measures: Measures) -> int:
    """What a rung of the CPU takes while the model is read: half of two bytes is read as two, and narrowed after."""
    if measures.storage not in (Storage.HALF, Storage.MAPPED) or footprint.element_bytes > 2:
        return 0
    return footprint.base_bytes + footprint.weight_bytes


def _decoded_px(footprint: Footprint, measures: Measures, extent: Extent) -> int:
    """Pixels that are decoded at once; pictures of a batch are decoded one by one."""
    if not measures.tiles:
        return extent.pixels
    side = tile_px(footprint.native_px, measures, extent)
    return min(extent.width, side) * min(extent.height, side)


def tile_px(native_px: int, measures: Measures, extent: Extent) -> int:
    """Side of a tile: the model's native size, half of it where the picture is no larger, or memory is very short.

    Never less than `LEAST_TILE_PX`: a decoder takes the mean of what it sees for the mean of the picture.
    """
    is_larger = max(extent.width, extent.height) > native_px
    return max(LEAST_TILE_PX, native_px if is_larger and not measures.splits else native_px // 2)


def _underrated(footprint: Footprint, here: Sequence[Measured]) -> float:
    """By how much the formula was too low for other sizes on this rung; never less than 1."""
    return max([1.0, *(one.peak_bytes / max(1, predicted_bytes(footprint, one.rung, one.extent)) for one in here)])
