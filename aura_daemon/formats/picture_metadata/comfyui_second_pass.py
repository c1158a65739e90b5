"""A second pass in a ComfyUI graph: what a first sampler made, enlarged and drawn anew by another. Out: `hires`.

ComfyUI enlarges latents or the decoded picture, in any way; `hires` enlarges the picture with Lanczos. What differs is
told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aura_daemon.formats.picture_metadata.comfyui_nodes import MOST_LINKS, GraphNode, GraphNodes, TooMuch, stem

_INPUTS: Final = {
    "LatentUpscale": "samples",
    "LatentUpscaleBy": "samples",
    "VAEDecode": "samples",
    "VAEDecodeTiled": "samples",
    "VAEEncode": "pixels",
    "VAEEncodeTiled": "pixels",
    "ImageScale": "image",
    "ImageScaleBy": "image",
    "ImageUpscaleWithModel": "image",
}
"""What may lie between the samplers, and where the picture comes in."""

MOST_NUMBER: Final = 1_000_000

_SAME: Final = (("seed", "seed"), ("cfg", "guidance"), ("sampler_name", "sampler"), ("scheduler", "schedule"))
"""Inputs that both passes share here, and how they are called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SecondPass:
    """How the picture of a first sampler was drawn anew."""

    first: GraphNode
    """The first sampler."""
    latent: GraphNode
    """What that one began with."""
    hires: dict[str, object]
    lost: tuple[str, ...]


def second_pass(nodes: GraphNodes, sampler: GraphNode) -> SecondPass | None:
    """What a sampler that begins with a picture drew anew; None where the picture comes from no other sampler.

    Raises TooMuch where the graph does not say how many times the picture was enlarged, or other nodes lie between.
    """
    between: list[GraphNode] = []
    node = nodes.linked(sampler, "latent_image")
    while (name := _INPUTS.get(node.kind)) is not None and node.has_link(name) and len(between) < MOST_LINKS:
        between.append(node)
        node = nodes.linked(node, name)
    if node.kind != "KSampler":
        return None
    latent = nodes.linked(node, "latent_image")
    return SecondPass(
        first=node,
        latent=latent,
        hires={"scale": _scale(between, latent), "strength": sampler.number("denoise", 1)},
        lost=(*_otherwise_enlarged(nodes, between), *_otherwise_drawn(nodes, node, sampler)),
    )


def _scale(between: list[GraphNode], latent: GraphNode) -> float:
    """How many times wider the picture became. `between`: the last node first."""
    scale = 1.0
    for node in between:
        if node.kind.endswith("By"):
            scale *= _number(node, "scale_by", 1)
        elif node.kind in ("LatentUpscale", "ImageScale"):
            side = "width" if _number(node, "width", 0) else "height"  # of two sides ComfyUI finds one that is 0 itself
            return round(scale * _number(node, side, 0) / max(1.0, _number(latent, side, 0)), 3)
        elif node.kind == "ImageUpscaleWithModel":
            raise TooMuch(node, "it does not say how many times it enlarges between two samplers")
    return round(scale, 3)


def _otherwise_enlarged(nodes: GraphNodes, between: list[GraphNode]) -> Iterator[str]:
    for node in between:
        if node.kind == "ImageUpscaleWithModel":
            name = stem(nodes.linked(node, "upscale_model").text("model_name"))
            yield f"{name} enlarged it before its second pass; `hires` takes no upscaler: here Lanczos enlarges it"
        elif (how := node.inputs.get("upscale_method", "lanczos")) != "lanczos":
            what = "latents were" if node.kind.startswith("Latent") else "picture was"
            yield f"before its second pass its {what} enlarged by {how}; here Lanczos enlarges the picture"


def _otherwise_drawn(nodes: GraphNodes, first: GraphNode, second: GraphNode) -> Iterator[str]:
    for name, called in _SAME:
        if (its := second.inputs.get(name)) != first.inputs.get(name):
            yield f"its second pass had another {called}, {its}: here both have the first one's"
    steps = _number(second, "steps", 0)
    if steps != round(_number(first, "steps", 0) * _number(second, "denoise", 1)):
        yield f"its second pass took {steps:g} steps; here `strength` says how many of the first one's"
    for name in ("model", "positive", "negative"):
        if nodes.output(first, name) != nodes.output(second, name):
            yield f"its second pass had another input `{name}`: here both have the first one's"


def _number(node: GraphNode, name: str, default: int) -> float:
    value = node.number(name, default)
    if not isinstance(value, int | float) or not abs(value) < MOST_NUMBER:
        raise TooMuch(node, f"its `{name}` is no size, share or count")
    return float(value)
