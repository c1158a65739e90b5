"""Maps in a ComfyUI graph: which ControlNets guide its prompts, and how. In: nodes. Out: keys of a job, sentences.

A graph names the map's file in ComfyUI's own folder; the picture does not hold it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from aura_daemon.formats.picture_metadata.comfyui_nodes import MOST_LINKS, GraphNode, GraphNodes, TooMuch, stem
from aura_daemon.formats.picture_metadata.control_settings import model_meant
from aura_daemon.jobs.guidance.controls import Preparation

_OF_BOTH: Final = "ControlNetApply"
"""Stands at the positive prompt and guides the negative one, too."""

_OF_EACH: Final = ("ControlNetApplyAdvanced", "ControlNetApplySD3")
"""Stand at both prompts: output 0 is the positive one."""

_LOADERS: Final = ("ControlNetLoader", "DiffControlNetLoader")

_PREPARING: Final = {
    "Canny": Preparation.CANNY,
    "CannyEdgePreprocessor": Preparation.CANNY,
    "ScribblePreprocessor": Preparation.SCRIBBLE,
    "Scribble_XDoG_Preprocessor": Preparation.SCRIBBLE,
    "TilePreprocessor": Preparation.TILE,
    "ImageBlur": Preparation.BLUR,
}
"""The nearest of ours."""

_FITTING: Final = ("ImageScale", "ImageScaleBy", "ImageScaleToTotalPixels")
"""Change the size of a map, which is fitted to the picture here anyway."""


Applied: TypeAlias = tuple[GraphNode, ...]


def guided_text(nodes: GraphNodes, sampler: GraphNode, name: str) -> tuple[GraphNode, Applied]:
    """The node of a prompt, and those between it and the sampler that have a map guide it, in their order."""
    applied: list[GraphNode] = []
    node, number = nodes.output(sampler, name)
    for _ in range(MOST_LINKS):
        if node.kind == _OF_BOTH:
            following = "conditioning"
        elif node.kind in _OF_EACH:
            following = "negative" if number else "positive"
        else:
            return node, tuple(reversed(applied))
        applied.append(node)
        node, number = nodes.output(node, following)
    raise TooMuch(node, "the graph leads in a circle")


class GraphControls:
    """The maps that guide both prompts of a graph."""

    def __init__(self, nodes: GraphNodes, positive: Applied, negative: Applied) -> None:
        """Raises TooMuch where a map guides one of them alone, or its ControlNet cannot be told."""
        self._nodes = nodes
        self.lost: list[str] = []
        guided = [node.id for node in negative]
        alone = next((node for node in positive if (node.id in guided) == (node.kind == _OF_BOTH)), None)
        alone = alone or next((node for node in negative if node not in positive), None)
        if alone is not None:
            raise TooMuch(alone, "it guides one of the two prompts alone")
        self.keys = [self._keys(node) for node in positive]

    def _keys(self, node: GraphNode) -> dict[str, object]:
        loader = self._nodes.linked(node, "control_net")
        if loader.kind not in _LOADERS:
            raise TooMuch(loader, "only ControlNetLoader is understood in this place")
        start, end = node.number("start_percent", 0), node.number("end_percent", 1)
        if (start, end) != (0, 1):
            self.lost.append(f"a map guided from {start} to {end} of the way by noise levels; here it counts in steps")
        keys = {
            "model": model_meant(stem(loader.text("control_net_name"))),
            "weight": node.number("strength", 1),
            "start": start,
            "end": end,
            "prepare": str(Preparation.NONE),
        }
        return keys | dict(self._map(node))

    def _map(self, node: GraphNode) -> Iterator[tuple[str, object]]:
        """The name of the image, where it is one, and how the map was made of it."""
        preparation: Preparation | None = None
        for _ in range(MOST_LINKS):
            node = self._nodes.linked(node, "image")
            if node.kind == "LoadImage" and isinstance(name := node.inputs.get("image"), str):
                yield "image", name
                break
            if preparation is None and (preparation := _PREPARING.get(node.kind)) is not None:
                yield "prepare", str(preparation)
            elif node.kind not in _FITTING:
                self.lost.append(f"a map was made by {node.kind}, which is not here: the image has to be the map")
            if not node.has_link("image"):
                break
        else:
            raise TooMuch(node, "the graph leads in a circle")
