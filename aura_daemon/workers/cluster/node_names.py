"""What a node is called. In: its host's name, what Ray says of all nodes. Out: a name that no other node has.

Nodes of one machine share its name, and so do machines that were made from one image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

ID_LETTERS: Final = 6
"""Of a node's id, as `ray list nodes` shows it from its beginning."""


def node_name(host: str, node_id: str, nodes: Sequence[Mapping[str, Any]]) -> str:
    """The host's name; with the node's address where another node has that name, with its id where that is not enough.

    `nodes`: as `ray.nodes()` tells of them; those that have ended do not count.
    """
    alike = [node for node in nodes if node["Alive"] and node["NodeManagerHostname"] == host]
    others = [node for node in alike if node["NodeID"] != node_id]
    if not others:
        return host
    address = next((str(node["NodeManagerAddress"]) for node in alike if node["NodeID"] == node_id), "")
    if address and all(node["NodeManagerAddress"] != address for node in others):
        return f"{host} ({address})"
    return f"{host} ({node_id[:ID_LETTERS]})"
