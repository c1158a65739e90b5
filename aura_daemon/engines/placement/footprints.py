"""How much memory a model takes, read from its files before loading. In: ModelFiles, placement. Out: a Footprint."""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final

from safetensors import safe_open

from aura_daemon.engines.model_files.configurations import read_json
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.mapped_weights import CHECKER, READER, stored_bytes, visits
from aura_daemon.jobs.results import OPENVINO, OPENVINO_INT8
from aura_daemon.ladder.prediction import (
    CPU_VAE_ELEMENTS,
    CPU_WORKSPACE,
    TINY_ELEMENTS,
    UNET_ELEMENTS,
    VAE_ELEMENTS,
    Footprint,
)

UNET_CHANNELS: Final = 320
"""Channels of the first block of Stable Diffusion 1.x: the figures of `ladder.prediction` were measured with them."""

VAE_CHANNELS: Final = 128

TINY_CHANNELS: Final = 64
"""Channels of TAESD."""

SINGLE_FILE_PARTS: Final = {
    "model.diffusion_model.": "unet",
    "first_stage_model.": "vae",
    "cond_stage_model.": "text_encoder",
}
"""Beginnings of tensor names in a single file -> name of the part in a folder."""

PICKLE_BYTES: Final = 4
"""Assumed for each number in a pickle, which is not opened to count."""

STANDARD_PARTS: Final = {
    "unet": 859_520_964,
    "text_encoder": 123_060_480,
    "vae": 83_653_863,
    "safety_checker": 303_981_588,
}
"""Numbers in the parts of Stable Diffusion 1.4, for a model that is not on this machine."""

STANDARD_LAYER: Final = 29_492_480
"""Numbers in the largest layer of its UNet, `up_blocks.0.resnets.0.conv1`."""

STANDARD_PX: Final = 512

STANDARD_FILE_BYTES: Final = 4
"""Of a number in its files; 2 in half-precision files, where a repository has them."""

STANDARD_CAPTIONERS: Final = {
    "blip-base": 223_971_644,
    "blip-large": 446_290_492,
    "git-base-coco": 176_619_066,
    "florence-2-base": 231_414_016,
    "blip-vqa-base": 361_230_140,
    "blip-itm-base": 223_744_258,
}
"""Numbers in the models of the short names."""

ATTENDED: Final = 3
"""Numbers that each patch of an image takes for each other one in each head, while it is looked at; measured."""

DESCRIBED: Final = 8
"""The same for each number that describes a patch; measured."""

STAGED: Final = 18
"""The same where patches are joined stage by stage (Florence-2), at the stage with the most numbers; measured."""

STRIDES: Final = (4, 2, 2, 2)
"""How many patches are joined before each of these stages, in each direction."""

LEFT: Final = 0.6
"""Share of that which an allocator keeps while captions are written; measured 0.4 to 1 on a CPU."""

SCORED: Final = 6
"""Numbers of 4 bytes that a caption takes for each word that may come next; measured."""

READ: Final = 5
"""Numbers that a text which is compared takes for each that describes a patch; measured."""

LOOKING: Final = "vision_model."
ATTENDING: Final = re.compile(r"\.crossattention\.self\.(key|value)$")
"""Names of the layers of BLIP that are converted."""

GRAPH_WORKSPACE_BYTES: Final = 100 << 20
"""That OpenVINO takes beside a captioner's weights and activations; measured."""

LOOKED: Final = 1.25
"""Times the keys and values of a picture, that a picture takes which OpenVINO has looked at; measured."""

VISITED_BYTES: Final = 160 << 20
"""Of a file's pages and of what is computed, while a part computes whose weights stay in their file; measured."""

GPU_WORKSPACE_BYTES: Final = 32 << 20
"""Of cuBLAS; the workspaces of cuDNN are allocated and freed with each layer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionerSize:
    """The parts of a captioner's configuration that decide how much memory a picture takes."""

    side_px: int
    patch_px: int
    width: int
    """Numbers that a token has, and a patch."""
    heads: int
    """Of the layers that look."""
    layers: int
    """That write."""
    words: int


BLIP_BASE: Final = CaptionerSize(side_px=384, patch_px=16, width=768, heads=12, layers=12, words=30_524)
FLORENCE2_BASE: Final = CaptionerSize(side_px=768, patch_px=32, width=1024, heads=32, layers=6, words=51_289)
GIT_BASE: Final = CaptionerSize(side_px=224, patch_px=16, width=768, heads=12, layers=6, words=30_522)
"""What a `config.json` of that architecture leaves out."""


def captioner_footprint(
    files: ModelFiles, placement: Placement, base: CaptionerSize = BLIP_BASE, *, reads: bool = False
) -> Footprint:
    """A captioner has one part; each caption takes keys and values of its image's patches in every layer that writes.

    `reads`: it writes nothing; each text that it reads takes the patches, and their keys and values in one layer.

    Beside the image lie its pixels and those of an image of the next batch, in float32.
    """
    size = placement.torch_dtype.itemsize
    parts, layers = _numbers(files)
    config = read_json(files.folder / "config.json")
    text, vision = config.get("text_config", config), config.get("vision_config", {})
    side = int(vision.get("image_size", base.side_px))
    patches, looked = _looked(vision, base, side)
    looking = looked * (4 if placement.on_cpu else size)  # oneDNN computes in float32
    width = text.get("hidden_size", text.get("d_model", base.width))
    written = 2 * patches * int(width) * int(text.get("decoder_layers", text.get("num_hidden_layers", base.layers)))
    words = int(text.get("vocab_size", base.words))
    caption_bytes = READ * patches * width * size if reads else written * size + words * SCORED * 4
    if placement.variant in (OPENVINO, OPENVINO_INT8):
        converted = sum(count for name, count in layers.items() if name.startswith(LOOKING) or ATTENDING.search(name))
        graph_bytes = converted * (1 if placement.variant == OPENVINO_INT8 else size)
        return Footprint(
            unet_bytes=(sum(parts.values()) - converted) * size + graph_bytes,
            largest_layer_bytes=max(layers.values(), default=0) * size,
            element_bytes=size,
            row_bytes=2 * 3 * side**2 * 4 + int(LOOKED * written * size),
            caption_bytes=caption_bytes,
            workspace_bytes=2 * looked * 4 + GRAPH_WORKSPACE_BYTES,  # of two pictures side by side
        )
    return Footprint(
        unet_bytes=sum(parts.values()) * size,
        largest_layer_bytes=max(layers.values(), default=0) * size,
        element_bytes=size,
        file_bytes=stored_bytes(files),
        row_bytes=int(max(looking - caption_bytes, LEFT * looking)) + (2 * 3 * side**2 * 4 if placement.on_cpu else 0),
        caption_bytes=caption_bytes,
    )


def _looked(vision: Mapping[str, Any], base: CaptionerSize, side: int) -> tuple[int, int]:
    """How many patches an image has when it is described, and the numbers that it takes while it is looked at."""
    if "embed_dim" not in vision:
        patches = (side // int(vision.get("patch_size", base.patch_px))) ** 2 + 1
        heads, width = int(vision.get("num_attention_heads", base.heads)), int(vision.get("hidden_size", base.width))
        return patches, patches * (ATTENDED * heads * patches + DESCRIBED * width)
    sides = [side // parts for parts in accumulate(vision.get("patch_stride", STRIDES), operator.mul)]
    return sides[-1] ** 2 + 1, STAGED * max(at**2 * width for at, width in zip(sides, vision["embed_dim"], strict=True))


def generator_footprint(
    files: ModelFiles, placement: Placement, *, with_checker: bool = True, encodes: bool = False
) -> Footprint:
    """`with_checker`: whether the safety checker is loaded; `encodes`: whether the VAE encodes a picture."""
    parts, layers = _numbers(files)
    whole = _of_parts(files, parts, layers, placement, with_checker=with_checker)
    if files.decoder is None:
        return whole
    size = placement.vae_dtype.itemsize
    tiny = sum(_numbers(files.decoder)[0].values()) * size
    width = _first_channels(read_json(files.decoder.folder / "config.json"), TINY_CHANNELS) / TINY_CHANNELS
    elements = TINY_ELEMENTS * width if files.at_turbo and not encodes else whole.vae_elements
    return replace(whole, vae_bytes=whole.vae_bytes + tiny, vae_elements=elements)


def _of_parts(
    files: ModelFiles, parts: Mapping[str, int], layers: Mapping[str, int], placement: Placement, *, with_checker: bool
) -> Footprint:
    unet, vae = read_json(files.folder / "unet" / "config.json"), read_json(files.folder / "vae" / "config.json")
    return _of_generator(
        parts,
        max(layers.values(), default=0),
        placement,
        with_checker=with_checker,
        unet_width=_first_channels(unet, UNET_CHANNELS) / UNET_CHANNELS,
        vae_width=_first_channels(vae, VAE_CHANNELS) / VAE_CHANNELS,
        native_px=int(vae.get("sample_size", files.own.native_size_px)),
        file_bytes=stored_bytes(files),
    )


def unet_numbers(files: ModelFiles) -> int:
    """How many numbers the UNet has."""
    return _numbers(files)[0]["unet"]


def all_numbers(files: ModelFiles) -> int:
    """How many numbers a model has."""
    return sum(_numbers(files)[0].values())


def largest_layer(files: ModelFiles) -> int:
    """How many numbers the largest layer has, of a UNet or of a model of one part."""
    return max(_numbers(files)[1].values(), default=0)


def standard_footprint(placement: Placement, *, with_checker: bool = True) -> Footprint:
    """The footprint of Stable Diffusion 1.4, from its known sizes."""
    return _of_generator(
        STANDARD_PARTS,
        STANDARD_LAYER,
        placement,
        with_checker=with_checker,
        unet_width=1.0,
        vae_width=1.0,
        native_px=STANDARD_PX,
        file_bytes=STANDARD_FILE_BYTES,
    )


def _of_generator(
    parts: Mapping[str, int],
    largest_layer: int,
    placement: Placement,
    *,
    with_checker: bool,
    unet_width: float,
    vae_width: float,
    native_px: int,
    file_bytes: int,
) -> Footprint:
    """`parts`, `largest_layer`: how many numbers they hold. Widths: channels relative to Stable Diffusion 1.x."""
    size = placement.torch_dtype.itemsize
    text_bytes, checker = parts.get(READER, 0) * size, parts.get(CHECKER, 0) if with_checker else 0
    reader_visits = bool(file_bytes) and visits(READER, text_bytes, placement)
    checker_visits = bool(file_bytes) and visits(CHECKER, checker * size, placement)
    return Footprint(
        unet_bytes=parts.get("unet", 0) * size,
        text_bytes=0 if reader_visits else text_bytes,
        vae_bytes=parts.get("vae", 0) * placement.vae_dtype.itemsize,
        beside_bytes=0 if checker_visits else checker * (size if placement.on_cpu else 4),
        visiting_bytes=VISITED_BYTES * (reader_visits or checker_visits) + text_bytes * reader_visits,
        largest_layer_bytes=largest_layer * size,
        element_bytes=size,
        vae_element_bytes=placement.vae_dtype.itemsize,
        file_bytes=file_bytes,
        unet_elements=UNET_ELEMENTS * unet_width,
        vae_elements=(CPU_VAE_ELEMENTS if placement.on_cpu else VAE_ELEMENTS) * vae_width,
        native_px=native_px,
        workspace_bytes=int(parts.get("unet", 0) * size * CPU_WORKSPACE) if placement.on_cpu else GPU_WORKSPACE_BYTES,
        row_by_row=placement.variant in (OPENVINO, OPENVINO_INT8),
    )


@lru_cache(maxsize=32)
def _numbers(files: ModelFiles) -> tuple[Counter[str], Counter[str]]:
    """How many numbers each part holds, and each layer of the UNet."""
    root = files.checkpoint.parent if files.checkpoint is not None else files.folder
    parts: Counter[str] = Counter()
    layers: Counter[str] = Counter()
    for name in files.weights.names:
        place = root / name
        folder = name.partition("/")[0] if "/" in name else ""
        if place.suffix != ".safetensors":
            parts[folder] += place.stat().st_size // PICKLE_BYTES
            continue
        with safe_open(place, framework="numpy") as opened:
            for key in opened.keys():  # noqa: SIM118 - not a dictionary
                count = math.prod(opened.get_slice(key).get_shape())
                part = folder or next((part for start, part in SINGLE_FILE_PARTS.items() if key.startswith(start)), "")
                parts[part] += count
                if part in ("unet", ""):
                    layers[key.rpartition(".")[0]] += count
    return parts, layers


def _first_channels(config: Mapping[str, Any], standard: int) -> int:
    channels = config.get("block_out_channels")
    return int(channels[0]) if isinstance(channels, list) and channels else standard
