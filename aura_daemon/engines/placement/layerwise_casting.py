"""Layers that store narrower weights than they compute with: each layer is widened while it computes.

diffusers' own `apply_layerwise_casting` is not used. It narrows the widened copy again: that takes longer, moves
weights out of a mapped file, and breaks BLIP, whose last layer shares its weights with the first.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from diffusers.hooks import HookRegistry
from diffusers.hooks.layerwise_casting import LayerwiseCastingHook

from aura_daemon.engines.placement.devices import Placement
from aura_daemon.ladder.rungs import Storage

LAYERS: Final = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)
"""They hold nearly all weights."""

WIDE: Final = ("norm", "LayerNorm", "embeddings")
"""Parts of names of layers that stay wide: their weights are few, and precision matters."""

HOOK: Final = "layerwise_casting"
"""The name under which diffusers looks for the hook that knows a model's number format."""


def narrow(model: torch.nn.Module, stored: torch.dtype, computed: torch.dtype) -> None:
    """Stores the weights of a model's layers in `stored`; norms and embeddings stay wide."""
    for name, module in model.named_modules():
        if _is_narrow(name, module):
            for tensor in module.parameters(recurse=False):
                tensor.data = tensor.data.to(stored)
    widen_layer_by_layer(model, computed)


def widen_layer_by_layer(model: torch.nn.Module, computed: torch.dtype) -> None:
    """Has layers compute in `computed` and leaves their weights as and where they are; everything else is widened."""
    for name, module in model.named_modules():
        if _is_narrow(name, module):
            hook = _LayerwiseCasting(storage_dtype=computed, compute_dtype=computed, non_blocking=True)
            HookRegistry.check_if_exists_or_initialize(module).register_hook(hook, HOOK)
            module.compute_dtype = computed  # peft reads it: a LoRA in float8 would lose its effect
            continue
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            if tensor.is_floating_point() and tensor.dtype is not computed:
                tensor.data = tensor.data.to(computed)


class _LayerwiseCasting(LayerwiseCastingHook):  # type: ignore[misc]  # diffusers is untyped
    """Gives a layer its own narrow tensors back after it has computed."""

    def initialize_hook(self, module: torch.nn.Module) -> torch.nn.Module:
        """Converts nothing."""
        self._narrow: list[tuple[torch.Tensor, torch.Tensor]] = []
        return module

    def pre_forward(self, module: torch.nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        for tensor in module.parameters(recurse=False):
            if tensor.dtype is not self.compute_dtype:
                self._narrow.append((tensor, tensor.data))
                tensor.data = tensor.data.to(self.compute_dtype, non_blocking=self.non_blocking)
        return args, kwargs

    def post_forward(self, module: torch.nn.Module, output: Any) -> Any:
        for tensor, data in self._narrow:
            tensor.data = data
        self._narrow.clear()
        return output


def _is_narrow(name: str, module: torch.nn.Module) -> bool:
    return isinstance(module, LAYERS) and not any(part in name for part in WIDE)


FP8: Final = torch.float8_e4m3fn


def storage_dtype(placement: Placement) -> torch.dtype:
    """The number format in which the weights of the largest part are stored in memory."""
    computed = placement.torch_dtype
    match placement.measures.storage:
        case Storage.NATIVE:
            return computed
        case Storage.HALF | Storage.MAPPED:
            return torch.float16 if computed.itemsize > 2 else FP8
        case Storage.FP8:
            return FP8
