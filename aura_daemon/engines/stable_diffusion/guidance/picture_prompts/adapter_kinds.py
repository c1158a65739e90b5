"""What a file is that is offered as an IP-Adapter, and whether it fits the model. In: shapes of tensors. Out: words.

Only the head of a file is read. Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Names of tensors -> their shapes."""

PROJECTION: Final = "image_proj."
LAYERS: Final = "ip_adapter."
"""Beginnings of the names in a file."""

_WIDTHS: Final = {1024: "Stable Diffusion 2", 2048: "SDXL"}
"""Width of the texts that a model attends to -> the model; 768 is Stable Diffusion 1.x."""


def other_adapter(shapes: Shapes) -> str:
    """What is wrong with a file as an adapter, as the end of a sentence about it; empty where it may be one."""
    projection = {name.removeprefix(PROJECTION) for name in shapes if name.startswith(PROJECTION)}
    layers = [name for name in shapes if name.startswith(LAYERS)]
    if not projection or not layers:
        return ""
    reads_faces = "perceiver_resampler.proj_in.weight" in projection or (
        "norm.weight" in projection and "proj.0.weight" in projection
    )
    if reads_faces or any("_lora." in name for name in layers):
        return "is a FaceID adapter: it reads what a face recogniser says of a face, and there is none here"
    return ""


def width_fault(shapes: Shapes, text_width: int) -> str:
    """Why an adapter does not fit a model whose texts have this width; empty where it does."""
    width = next((shape[-1] for name, shape in shapes.items() if name.endswith(".to_k_ip.weight")), 0)
    if width == text_width:
        return ""
    return f"was trained for {_WIDTHS.get(width, f'a model with texts of {width} numbers')}"


def seen_width(shapes: Shapes) -> tuple[int, bool]:
    """How many numbers the adapter takes of a picture, or of each part of one; and whether it is the latter."""
    whole = shapes.get(f"{PROJECTION}proj.weight")
    if whole is not None:
        return whole[-1], False
    of_parts = shapes.get(f"{PROJECTION}proj_in.weight") or shapes.get(f"{PROJECTION}proj.0.weight") or (0,)
    return of_parts[-1], True
