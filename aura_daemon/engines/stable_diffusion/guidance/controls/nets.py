"""ControlNets in memory, placed as the rung places the UNet. In: their files. Out: networks that can be called.

Exactly those of the batch that runs are kept, from batch to batch: what a job takes of memory is what was predicted
for it. To read one again takes a second from the memory that the system keeps of files.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from accelerate import init_empty_weights
from diffusers import ControlNetModel
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from safetensors.torch import load_file
from torch.utils.weak import WeakTensorKeyDictionary

from aura_daemon.config.engine import Attention
from aura_daemon.engines.failures import UnusableIngredient, first_line
from aura_daemon.engines.model_files.beside.named_files import refused
from aura_daemon.engines.model_files.configurations import read_json
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.layerwise_casting import FP8, narrow, storage_dtype, widen_layer_by_layer
from aura_daemon.engines.placement.mapped_weights import WHOLE, left_in_files
from aura_daemon.engines.placement.offload import OffloadedModule
from aura_daemon.engines.stable_diffusion.guidance.controls.net_kinds import (
    PREFIX,
    THEIRS,
    NetShape,
    configuration,
    misfit,
    other_kind,
    shapes_in,
)
from aura_daemon.engines.stable_diffusion.loading import attend, copy_weights, stream_layers
from aura_daemon.engines.stable_diffusion.module_wrappers import OffloadProxy
from aura_daemon.file_names import escaped
from aura_daemon.jobs.results import Ingredient, IngredientKind
from aura_daemon.ladder.rungs import Offload, Storage
from aura_daemon.system.processes import process_memory

CONFIG: Final = "config.json"
STEM: Final = "diffusion_pytorch_model"
"""Of a folder in diffusers format, and how its files of weights begin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedNet:
    """One in memory."""

    files: ModelFiles
    net: Any
    """Called as diffusers' `ControlNetModel`."""
    proxy: OffloadProxy | None = None
    """Where it is copied to the device for a pass."""


class ControlNets:
    """Those of one generator."""

    def __init__(self, unet: Any, placement: Placement, attention: Attention) -> None:
        """`unet`: of the generator, with its configuration."""
        config = unet.config
        self._shape = NetShape(text_width=config.cross_attention_dim, channels=tuple(config.block_out_channels))
        self._placement = placement
        self._attention = attention
        self._loaded: dict[str, LoadedNet] = {}

    def move_to(self, placement: Placement) -> None:
        """Of a rung that takes the same weights: nothing is read anew."""
        self._placement = placement

    def use(self, wanted: Sequence[ModelFiles]) -> bool:
        """Leaves exactly these in memory, and says whether one was read; raises UnusableIngredient, or diffusers' own.

        What reading has freed is given back: 0.4 GiB of a ControlNet whose float32 files are narrowed (measured).
        """
        held = set(self._loaded)
        for name in [name for name, one in self._loaded.items() if one.files not in wanted]:
            del self._loaded[name]
        missing = [files for files in wanted if files.name not in self._loaded]
        for files in missing:
            self._loaded[files.name] = self._load(files)
        if missing or held != set(self._loaded):
            process_memory.trim()
        return bool(missing)

    def named(self, name: str) -> Any:
        """One that is in use, to be called."""
        one = self._loaded[name]
        return one.proxy if one.proxy is not None else one.net

    def offload(self) -> None:
        """Drops the copies on the device, to make room for what follows a pass."""
        for one in self._loaded.values():
            if one.proxy is not None:
                one.proxy.offload()

    @property
    def ingredients(self) -> tuple[Ingredient, ...]:
        """Those in use, as the sidecar names them."""
        return tuple(
            Ingredient(kind=IngredientKind.CONTROLNET, name=escaped(one.files.name), sha256=one.files.sha256)
            for one in self._loaded.values()
        )

    def _load(self, files: ModelFiles) -> LoadedNet:
        is_folder = files.weights.names[0].startswith(STEM) and (files.folder / CONFIG).is_file()
        config = read_json(files.folder / CONFIG) if is_folder else _config_of_file(files)
        if why := misfit(config, self._shape):
            raise _unusable(files, f"does not fit the model: {why}")
        placement, measures = self._placement, self._placement.measures
        computed, stored = placement.torch_dtype, storage_dtype(placement)
        formats = left_in_files(files, measures.storage)
        wanted = stored if measures.storage in (Storage.HALF, Storage.MAPPED) else computed
        dtype = formats[WHOLE] if formats is not None else torch.bfloat16 if wanted is FP8 else wanted
        net = _read_folder(files, dtype) if is_folder else _read_file(files, config, dtype)
        if formats is not None:
            widen_layer_by_layer(net, computed)
        else:
            net.to(memory_format=torch.channels_last)
            if stored is not computed:
                narrow(net, stored, computed)
            if placement.on_cpu:
                copy_weights(net)
        attend(net, self._attention)
        if measures.offload in (Offload.GROUP, Offload.SEQUENTIAL):
            stream_layers(net, placement.device, ahead=measures.offload is Offload.GROUP)
        elif measures.offload is Offload.NONE:
            net.to(placement.device)
            _embed_once(net)
        else:
            return LoadedNet(files=files, net=net, proxy=OffloadProxy(net, OffloadedModule(net, placement.device)))
        return LoadedNet(files=files, net=net)


def _embed_once(net: Any) -> None:
    """Has a network compute what a map says by itself once, not in each step, for as long as its tensor is kept.

    1.3 % of a step at 512x512 (measured on a CPU). Not where layers are streamed: they keep the first step's order.
    """
    embedding = net.controlnet_cond_embedding
    compute = embedding.forward
    known: MutableMapping[torch.Tensor, torch.Tensor] = WeakTensorKeyDictionary()

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        if pixels not in known:
            known[pixels] = compute(pixels)
        return known[pixels]

    embedding.forward = forward


def _unusable(files: ModelFiles, reason: str) -> UnusableIngredient:
    mend = "take one that was trained for Stable Diffusion 1.x, or leave `control` out"
    return UnusableIngredient(refused(f"ControlNet {escaped(files.name)} {reason}", mend))


def _config_of_file(files: ModelFiles) -> dict[str, Any]:
    shapes = shapes_in(files.folder / files.weights.names[0])
    if what := other_kind(shapes):
        raise _unusable(files, f"is {what}, not a ControlNet")
    try:
        return configuration(shapes)
    except (KeyError, IndexError) as error:
        raise _unusable(files, f"is not understood: it lacks {error}") from None


def _read_folder(files: ModelFiles, dtype: torch.dtype) -> Any:
    net = ControlNetModel.from_pretrained(
        str(files.folder),
        dtype=dtype,
        variant=files.weights.variant,
        use_safetensors=not files.weights.pickled,
        low_cpu_mem_usage=True,
        local_files_only=True,
    )
    return net.eval()


def _read_file(files: ModelFiles, config: Mapping[str, Any], dtype: torch.dtype) -> Any:
    """A file in diffusers' layout or in that of ControlNet's authors."""
    with init_empty_weights():
        net = ControlNetModel(**config)
    tensors = load_file(files.folder / files.weights.names[0])
    bare = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if _is_of_net(name, tensors)}
    try:
        converted = convert_controlnet_checkpoint(bare, dict(net.config))
        net.load_state_dict({name: tensor.to(dtype) for name, tensor in converted.items()}, assign=True)
    except (AttributeError, KeyError, RuntimeError) as error:  # tensors that lack, or of other shapes
        raise _unusable(files, f"is not understood: {first_line(str(error))}") from None
    return net.eval()


def _is_of_net(name: str, tensors: dict[str, torch.Tensor]) -> bool:
    """Whether a tensor belongs to the ControlNet: with it a whole model may be in the file."""
    return name.startswith(PREFIX) or f"{PREFIX}{THEIRS}" not in tensors
