"""Which layers of a model a LoRA changes. In: a pipeline without LoRAs, the tensors of a file. Out: names of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch

PARTS: Final = ("unet", "text_encoder")

_ENDS: Final = (".lora_A.", ".lora_B.", ".lora.down.", ".lora.up.", ".lora_magnitude_vector")
"""What follows the name of a layer."""


def layers_without_place(pipe: Any, tensors: Mapping[str, torch.Tensor]) -> tuple[list[str], int]:
    """Layers that the LoRA changes and the model does not have, as in models of which blocks were taken out.

    The number is that of all layers it changes; 0 for names that nobody knows, which loading refuses.
    """
    try:
        named, *_ = pipe.lora_state_dict(dict(tensors))
    except (KeyError, ValueError):
        return [], 0
    wanted = {_layer(key) for key in named if any(end in key for end in _ENDS)}
    present = {
        f"{part}.{name}" for part in PARTS for name, _ in getattr(pipe, part).named_modules() if ".lora_" not in name
    }
    present |= {name.replace(".base_layer", "") for name in present}
    of_parts = sorted(layer for layer in wanted if layer.startswith(tuple(f"{part}." for part in PARTS)))
    return [layer for layer in of_parts if _plain(layer) not in present and layer not in present], len(of_parts)


def _layer(key: str) -> str:
    return key[: min(place for end in _ENDS if (place := key.find(end)) >= 0)]


def _plain(layer: str) -> str:
    """The layer under the names of diffusers' old attention processors and of transformers' text encoder."""
    return (
        layer.replace(".processor.to_out", ".to_out.0")
        .replace(".processor", "")
        .replace("text_encoder.text_model.", "text_encoder.")
    )
