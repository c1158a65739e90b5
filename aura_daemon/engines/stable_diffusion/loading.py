"""From a model's files to a pipeline placed on a rung. In: ModelFiles, a placement. Out: the parts of the pipeline.

Most steps down the ladder load the model afresh: narrowed weights cannot be widened again, and diffusers refuses, or
silently ignores, a second placement of a placed pipeline.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.hooks import apply_group_offloading
from loguru import logger

from aura_daemon.config.engine import Attention
from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.loading.pipeline_parts import load_parts_whole, read_checkpoint
from aura_daemon.engines.loading.whole import require_whole
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.layerwise_casting import FP8, narrow, storage_dtype, widen_layer_by_layer
from aura_daemon.engines.placement.mapped_weights import (
    CHECKER,
    READER,
    left_in_files,
    mapped_formats,
    stored_bytes,
    visitors,
)
from aura_daemon.engines.placement.offload import OffloadedModule
from aura_daemon.engines.stable_diffusion.turbo.few_steps import fuse
from aura_daemon.ladder.rungs import Offload, Storage


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineParts:
    """A loaded pipeline without its safety checker, its parts where the rung places them."""

    pipe: Any
    checker: OffloadedModule | None
    """It computes on the CPU on every rung: its 580 MiB in half precision are what 4 GB cards lack."""
    text_encoder: OffloadedModule
    """On every rung it is on the device only while it reads, which is before the UNet begins."""
    unet: OffloadedModule | None
    """None where the UNet stays on its device or is streamed."""
    vae: OffloadedModule | None


def load_parts(
    files: ModelFiles, placement: Placement, attention: Attention, *, with_checker: bool, graph: Path | None = None
) -> PipelineParts:
    """Loads and places; raises what diffusers raises, and UnfitModel.

    `graph`: of OpenVINO's UNet, which then stands for diffusers' own.
    """
    measures, computed = placement.measures, placement.torch_dtype
    stored = storage_dtype(placement)
    formats = left_in_files(files, measures.storage)
    halved = measures.storage in (Storage.HALF, Storage.MAPPED)
    unet = _on_openvino(files, graph, computed) if graph is not None else None
    mapped = visitors(files, placement, with_checker=with_checker)
    pipe = _read(
        files, formats or (stored if halved else computed), mapped=mapped, with_checker=with_checker, unet=unet
    )
    if unet is not None:
        pipe.unet = unet
    if files.lora is not None and unet is None:  # a converted UNet has it in it
        fuse(pipe, files.lora)
    checker, pipe.safety_checker = pipe.safety_checker, None
    if checker is not None and CHECKER in mapped:
        widen_layer_by_layer(checker, computed)
    elif checker is not None and not placement.on_cpu:
        checker.to("cpu", torch.float32)
    if formats is not None:
        widen_layer_by_layer(pipe.unet, computed)
        widen_layer_by_layer(pipe.vae, placement.vae_dtype)
    else:
        _hold(pipe, placement, stored, mapped)
    attend(pipe.unet, attention)
    streams = measures.offload in (Offload.GROUP, Offload.SEQUENTIAL)
    if streams:
        stream_layers(pipe.unet, placement.device, ahead=measures.offload is Offload.GROUP)
    elif measures.offload is Offload.NONE:
        pipe.unet.to(placement.device)
        pipe.vae.to(placement.device)
    pipe.set_progress_bar_config(disable=True)
    return PipelineParts(
        pipe=pipe,
        checker=OffloadedModule(checker, "cpu", mapped=mapped.get(CHECKER)) if checker is not None else None,
        text_encoder=OffloadedModule(pipe.text_encoder, placement.device, computed, mapped=mapped.get(READER)),
        unet=OffloadedModule(pipe.unet, placement.device) if measures.offload is Offload.MODEL else None,
        vae=OffloadedModule(pipe.vae, placement.device) if measures.offload is not Offload.NONE else None,
    )


def _hold(pipe: Any, placement: Placement, stored: torch.dtype, mapped: Container[str]) -> None:
    """Holds weights in the memory of this process, each part in its number format, but for parts that stay `mapped`."""
    computed = placement.torch_dtype
    reader = None if READER in mapped else pipe.text_encoder
    for part, dtype in ((pipe.vae, placement.vae_dtype), (reader, computed)):
        if part is not None and part.dtype is not dtype:
            part.to(dtype)
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    if stored is not computed:
        narrow(pipe.unet, stored, computed)
    if placement.on_cpu:
        for part in (pipe.unet, pipe.vae, reader):
            if isinstance(part, torch.nn.Module):  # OpenVINO's UNet is none
                copy_weights(part)


def _on_openvino(files: ModelFiles, graph: Path, dtype: torch.dtype) -> Any:
    try:
        from aura_daemon.engines.openvino.running import faults_told  # imports openvino
        from aura_daemon.engines.openvino.unet import OpenVinoUNet
    except (ImportError, OSError) as error:
        raise FaultyVariant(f"openvino cannot be imported: {error}", lasts=False) from error
    with faults_told():
        return OpenVinoUNet(files, graph, dtype=dtype, threads=torch.get_num_threads())


def copy_weights(model: torch.nn.Module) -> None:
    """Copies weights into memory of their own: a mapped tensor keeps its whole file in the process (1.2 GiB, bfloat16).

    Each copy is as far from a multiple of 64 bytes as the original: vector instructions start there, and another order
    of summation gives other sums.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        before = tensor.data_ptr() % 64 // tensor.element_size()
        room = torch.empty(before + tensor.numel(), dtype=tensor.dtype)
        tensor.data = room.as_strided(tensor.size(), tensor.stride(), before).copy_(tensor)


def stream_layers(unet: Any, device: str, *, ahead: bool) -> None:
    """Leaves the weights in host memory; a layer is copied when it computes, with `ahead` while the one before does."""
    ahead = ahead and torch.device(device).type != "cpu"  # which has no streams
    apply_group_offloading(
        unet,
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=ahead,
        low_cpu_mem_usage=ahead,  # pins layer by layer: to pin all at once would take the weights twice
    )


def attend(unet: Any, attention: Attention) -> None:
    """Has a UNet, or a network of its kind, compute attention as it is configured."""
    match attention:
        case Attention.SDPA:
            pass
        case Attention.SLICED:
            unet.set_attention_slice("auto")
        case Attention.XFORMERS:
            unet.enable_xformers_memory_efficient_attention()


def _read(
    files: ModelFiles,
    dtype: torch.dtype | Mapping[str, torch.dtype],
    *,
    mapped: Container[str],
    with_checker: bool,
    unet: Any = None,
) -> Any:
    """The pipeline in host memory; safetensors are mapped (and copied later, see `copy_weights`).

    `dtype`: of all parts, or one for each part; those that stay `mapped` keep the format of their files. `unet`: stands
    for the model's own, which is then not read.
    """
    given: dict[str, Any] = {"unet": unet.original} if unet is not None else {}  # diffusers takes a model alone
    given["safety_checker"] = None  # added to the pipeline at the end: diffusers warns of one that is given
    if dtype is FP8:
        dtype = torch.bfloat16  # no library reads float8 directly: weights are narrowed after
    if files.checkpoint is not None:
        pipe = read_checkpoint(diffusers.StableDiffusionPipeline, files, dtype=dtype, **given)
        _require_whole(pipe, files, without_unet=unet is not None)
        return pipe
    own = {part: stored for part, stored in (mapped_formats(files) or {}).items() if part in mapped}
    if dtype is torch.float16 and files.weights.variant is None and stored_bytes(files) != dtype.itemsize:
        logger.info("model {} has no fp16 files: its full files are converted while loading", files.name)
    formats = {**(dtype if isinstance(dtype, Mapping) else {"default": dtype}), **own}
    read = load_parts_whole(files, formats, without=() if with_checker else {CHECKER})
    checker = read.pop(CHECKER, None)
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(
        str(files.folder),
        dtype=formats,
        variant=files.weights.variant,
        use_safetensors=not files.weights.pickled,
        low_cpu_mem_usage=True,
        local_files_only=True,
        requires_safety_checker=False,
        **given,
        **read,
    )
    _require_whole(pipe, files, without_unet=unet is not None)
    pipe.safety_checker = checker
    return pipe


def _require_whole(pipe: Any, files: ModelFiles, *, without_unet: bool) -> None:
    """`without_unet`: another one stands for the model's own, which has no weights."""
    for part in (READER, "vae", *(() if without_unet else ("unet",))):
        require_whole(getattr(pipe, part), model=files.name, part=part)
