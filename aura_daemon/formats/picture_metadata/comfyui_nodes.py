"""The nodes of one ComfyUI graph, and the links between them. In: JSON. Out: nodes; or the node that is too much."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from aura_daemon.problems import cut

MOST_NODES: Final = 2_000
MOST_LINKS: Final = 50
"""Nodes of one chain, from saving to the checkpoint."""

Link: TypeAlias = tuple[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphNode:
    """A node with its inputs: values, and links to other nodes."""

    id: str
    kind: str
    inputs: Mapping[str, object]

    def number(self, name: str, default: int | None = None) -> object:
        """The value of an input that is no text; raises TooMuch where it comes from another node."""
        value = self.inputs.get(name, default)
        if isinstance(value, Sequence):
            raise TooMuch(self, f"its `{name}` comes from another node")
        return value

    def text(self, name: str) -> str:
        """The text of an input; raises TooMuch where it comes from another node."""
        value = self.inputs.get(name)
        if not isinstance(value, str):
            raise TooMuch(self, f"its `{name}` comes from another node")
        return value

    def has_link(self, name: str) -> bool:
        """Whether an input comes from another node."""
        return _link(self.inputs.get(name)) is not None


class TooMuch(Exception):
    """Carries out of nested calls what no job can ask for, and its node: `node 12 (KSamplerAdvanced): …`."""

    def __init__(self, node: GraphNode, reason: str) -> None:
        super().__init__(f"{cut(f'node {node.id} ({node.kind})')}: {cut(reason, 200)}")


class GraphNodes:
    """The nodes of one run."""

    def __init__(self, nodes: Mapping[str, GraphNode]) -> None:
        self._nodes = nodes

    def __iter__(self) -> Iterator[GraphNode]:
        return iter(self._nodes.values())

    def output(self, node: GraphNode, name: str) -> tuple[GraphNode, int]:
        """The node that an input comes from, and the number of its output; raises TooMuch where there is none."""
        link = _link(node.inputs.get(name))
        if link is None or link[0] not in self._nodes:
            raise TooMuch(node, f"its input `{name}` leads nowhere")
        return self._nodes[link[0]], link[1]

    def linked(self, node: GraphNode, name: str) -> GraphNode:
        """The node that an input comes from."""
        return self.output(node, name)[0]


def read_nodes(text: str) -> GraphNodes | None:
    """The nodes of a graph; None where the text is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    nodes = {node.id: node for node in _nodes(document)}
    return GraphNodes(nodes) if 0 < len(nodes) <= MOST_NODES else None


def stem(name: str) -> str:
    """The name of a model's file, without folders and extension."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return last.rpartition(".")[0] or last


def _nodes(document: object) -> Iterator[GraphNode]:
    for key, value in document.items() if isinstance(document, dict) else ():
        kind, inputs = (value.get("class_type"), value.get("inputs")) if isinstance(value, dict) else (None, None)
        if isinstance(kind, str) and isinstance(inputs, dict):
            yield GraphNode(id=str(key), kind=kind, inputs=inputs)


def _link(value: object) -> Link | None:
    """A link is a list of a node's id and the number of its output."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int):
        return str(value[0]), value[1]
    return None
