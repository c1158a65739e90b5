"""Predicts the memory that a picture takes on a rung. In: a footprint, rung, size and measurements. Out: bytes.

A formula predicts sizes that were never drawn; a size that was drawn on this device takes what it took then. Where
memory ran out it will run out again, unless there is more. The formula's figures are measured: see BENCHMARKS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from aura_daemon.jobs.results import EAGER
from aura_daemon.ladder.rungs import RUNGS, Measures, Offload, Rung, Storage

UNET_ELEMENTS: Final = 165.0
"""Numbers that a UNet of 320 channels (Stable Diffusion 1.x) holds at once, per pixel of each row; measured."""

VAE_ELEMENTS: Final = 1600.0
"""Numbers that a VAE of 128 channels holds at once while it decodes, per pixel; measured 960 to 1,420 on an H100.

Two projects assume 2,200, from before attention was fused; on a card that needs as much, the first picture shows it.
"""

CPU_VAE_ELEMENTS: Final = 1000.0
"""The same on a CPU, where convolutions need no copy of their input; measured."""

TINY_ELEMENTS: Final = 300.0
"""Numbers that a tiny decoder of 64 channels (TAESD) holds at once, per pixel; measured."""

CPU_WORKSPACE: Final = 0.09
"""Share of the UNet's bytes that oneDNN takes in addition, for weights in a layout of its own; measured."""

LEAST_TILE_PX: Final = 256
"""Least side of a tile, in pixels. Smaller tiles change colours: aura-mini in tiles of 32 px draws purple for red."""

MARGIN: Final = 1.03
"""Factor on every prediction: allocators round up."""

SPARE_BYTES: Final = 64 << 20
"""Bytes for the workspaces of cuBLAS, cuDNN and oneDNN."""

HALF_BYTES: Final = 2
"""Bytes of a number in half precision."""

REFUSED: Final = 1.05
"""Factor on memory that was not enough: with so much, the rung is tried again."""

LONGEST: Final = 64
"""Most times `climb_after` per rung: however often memory ran out, a rung is tried again after so many good jobs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """The sizes of a model's parts; bytes in the number format it computes in. All of a captioner counts as UNet."""

    unet_bytes: int = 0
    text_bytes: int = 0
    """Bytes of the text encoder."""
    vae_bytes: int = 0
    beside_bytes: int = 0
    """Bytes of the safety checker, which computes on the CPU on every rung."""
    visiting_bytes: int = 0
    """Bytes that a part takes on the CPU while it computes, if it is in memory only then and no other computes."""
    largest_layer_bytes: int = 0
    element_bytes: int = 2
    """Bytes of a number in the format that the model computes in."""
    vae_element_bytes: int = 2
    """Bytes of a number in the format that the VAE computes in, which may be wider."""
    file_bytes: int = 0
    """Bytes of a number of the UNet in its files, where they can be mapped; 0: they cannot."""
    row_bytes: int = 0
    """Bytes that each image of a batch takes whatever its size: a captioner scales all to its own."""
    caption_bytes: int = 0
    """Bytes that each caption takes while it is written."""
    unet_elements: float = UNET_ELEMENTS
    vae_elements: float = VAE_ELEMENTS
    native_px: int = 512
    row_by_row: bool = False
    """The UNet computes one row after the other on every rung."""
    base_bytes: int = 0
    """Bytes of the process without any model, which count on the CPU."""
    workspace_bytes: int = 0
    """Bytes beside weights and activations."""

    @property
    def parameters(self) -> float:
        """Of the UNet."""
        return self.unet_bytes / self.element_bytes

    @property
    def weight_bytes(self) -> int:
        """Bytes of all parts."""
        return self.unet_bytes + self.text_bytes + self.vae_bytes + self.beside_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """What is drawn at once: the size of the pictures and how many; of captions the height is 0."""

    width: int
    """Pixels, of the last pass; how many captions are written of each image at once, 0 for one."""
    height: int
    batch: int = 1
    guided: bool = True
    """Guidance doubles the rows: every picture is computed with its prompt and without it."""

    @property
    def pixels(self) -> int:
        """Pixels of one picture."""
        return self.width * self.height

    @property
    def captions(self) -> int:
        """How many captions are written at once, where nothing is drawn."""
        return self.batch * max(1, self.width)

    @property
    def load(self) -> int:
        """Pixels of all rows."""
        return self.pixels * self.batch * (2 if self.guided else 1)

    @property
    def work(self) -> int:
        """What the time of a step grows with: pixels of all rows, or captions."""
        return self.load or self.captions

    def is_within(self, other: Extent) -> bool:
        """Whether this takes no more memory than the other on any rung, neither to draw nor to decode."""
        if not self.pixels and not other.pixels:
            return self.batch <= other.batch and self.captions <= other.captions
        return self.pixels <= other.pixels and self.load <= other.load

    def is_of_size(self, other: Extent) -> bool:
        """Whether pictures have the same size and the same use of guidance."""
        return (self.width, self.height, self.guided) == (other.width, other.height, other.guided)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """The memory and time that a size took on a rung of one device, and the memory that was not enough for it."""

    device: str
    """The name of the device, as the worker reports it."""
    dtype: str
    rung: Rung
    width: int
    height: int
    batch: int
    guided: bool = True
    variant: str = EAGER
    peak_bytes: int = 0
    """Highest memory, as `measurements` keeps it; 0: no run has succeeded."""
    step_s: float = 0.0
    """Seconds per step of a batch that leaves nothing out, in the last run; a batch of captions is one step."""
    refused_bytes: int = 0
    """Memory that was not enough; 0: there was always enough."""
    refusals: int = 0
    """How many times in a row that much was not enough."""
    good_since: int = 0
    """Jobs that succeeded on this device since memory last ran out for any job of it."""
    size_good_since: int = 0
    """The same count for jobs of this size, on any rung and in any batch."""

    @property
    def extent(self) -> Extent:
        """What was drawn at once."""
        return Extent(width=self.width, height=self.height, batch=self.batch, guided=self.guided)


def predicted_bytes(footprint: Footprint, rung: Rung, extent: Extent) -> int:
    """Highest memory by the formula: of the GPU on its rungs, of the process on rungs of the CPU."""
    measures = RUNGS[rung]
    unet, vae, text = _unet_bytes(footprint, measures), footprint.vae_bytes, footprint.text_bytes
    rows = 1 if measures.splits or footprint.row_by_row else extent.batch * (2 if extent.guided else 1)
    denoising = rows * extent.pixels * footprint.unet_elements * footprint.element_bytes
    denoising += extent.batch * footprint.row_bytes + extent.captions * footprint.caption_bytes
    decoding = _decoded_px(footprint, measures, extent) * footprint.vae_elements * footprint.vae_element_bytes
    if measures.offload is not Offload.NONE:
        most = max(unet + denoising, vae + decoding, text)
    elif stays_in_files(measures.storage, footprint.file_bytes):  # weights not in use stay in their files
        # The text encoder needs no workspace, and ends before the others start.
        reading = text - footprint.workspace_bytes
        most = footprint.base_bytes + max(unet + denoising, decoding, reading)
    elif measures.on_cpu:
        computing = max(denoising, decoding, footprint.visiting_bytes)
        drawing = footprint.base_bytes + unet + vae + text + footprint.beside_bytes + computing
        most = max(drawing, _loading_bytes(footprint, measures))
    else:
        most = unet + vae + max(denoising, decoding, text)
    return int(most) + footprint.workspace_bytes


def host_bytes(footprint: Footprint, rung: Rung) -> int:
    """Host memory that a rung of the GPU takes: weights are loaded through it, and stay there to be streamed."""
    return 0 if RUNGS[rung].on_cpu else footprint.base_bytes + footprint.weight_bytes


def expected_bytes(
    footprint: Footprint, rung: Rung, extent: Extent, measured: Sequence[Measured], *, climb_after: int
) -> int:
    """The expected need: the formula, corrected by measurements of this device, number format and variant.

    A refusal counts for every picture that is no smaller, until the rung may be tried again.
    """
    on_rung = [one for one in measured if one.rung is rung]
    same = [one.peak_bytes for one in on_rung if one.peak_bytes and one.extent == extent]
    needed = max(same) if same else predicted_bytes(footprint, rung, extent) * _underestimate(footprint, on_rung)
    refused = [one for one in on_rung if _counts_for(one, extent)]
    patience = _patience(rung, extent, measured, climb_after) if refused else 0
    counting = [int(one.refused_bytes * REFUSED) for one in refused if one.good_since < patience]
    return max([int(needed * MARGIN) + SPARE_BYTES, *counting])


def _counts_for(one: Measured, extent: Extent) -> bool:
    """Whether a measurement holds a refusal of pictures that are no larger."""
    return one.refused_bytes > 0 and one.extent.is_within(extent)


def _patience(rung: Rung, extent: Extent, measured: Sequence[Measured], climb_after: int) -> float:
    """The number of good jobs after which the refusals on a rung are ignored.

    It doubles with each refusal in a row, and grows with the batch, all of which would fail. The numbers for lower
    rungs are added, so that only one rung higher is tried at a time. It is infinite while too few jobs of this very
    size succeeded since memory ran out for one: else every try could fall on a rare size.
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
    """Bytes of the UNet's weights in the memory it computes in; a narrowed layer is widened while it computes."""
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
    """Whether weights are used from their mapped files; where they cannot be, they are read and narrowed.

    `file_bytes`: bytes of a number in the files; 0 for files that cannot be mapped.
    """
    return bool(file_bytes) and (storage is Storage.MAPPED or (storage is Storage.HALF and file_bytes <= HALF_BYTES))


def _loading_bytes(footprint: Footprint, measures: Measures) -> int:
    """Memory that a rung of the CPU takes while the model is read: two-byte weights are read whole, then narrowed."""
    if measures.storage not in (Storage.HALF, Storage.MAPPED) or footprint.element_bytes > 2:
        return 0
    return footprint.base_bytes + footprint.weight_bytes


def _decoded_px(footprint: Footprint, measures: Measures, extent: Extent) -> int:
    """Pixels that are decoded at once; pictures of a batch are decoded one after the other."""
    if not measures.tiles:
        return extent.pixels
    side = tile_px(footprint.native_px, measures, extent)
    return min(extent.width, side) * min(extent.height, side)


def tile_px(native_px: int, measures: Measures, extent: Extent) -> int:
    """Side of a tile: the model's native size, or half of it where the picture is no larger or memory is very short.

    It is at least `LEAST_TILE_PX`: a decoder takes the mean of a tile for the mean of the picture.
    """
    is_larger = max(extent.width, extent.height) > native_px
    return max(LEAST_TILE_PX, native_px if is_larger and not measures.splits else native_px // 2)


def _underestimate(footprint: Footprint, measured: Sequence[Measured]) -> float:
    """The factor by which the formula was too low for sizes measured on this rung; at least 1."""
    return max([1.0, *(one.peak_bytes / max(1, predicted_bytes(footprint, one.rung, one.extent)) for one in measured)])
