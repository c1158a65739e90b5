"""What nodes are called."""

from __future__ import annotations

import pytest

from aura_daemon.workers.cluster.node_names import node_name


def node(node_id: str, host: str, address: str, *, alive: bool = True) -> dict[str, object]:
    return {"NodeID": node_id, "Alive": alive, "NodeManagerHostname": host, "NodeManagerAddress": address}


OURS = node("3fa2c1d0e5", "gpu-1", "10.0.0.7")


@pytest.mark.parametrize(
    ("others", "name"),
    [
        ([], "gpu-1"),
        ([node("b1", "gpu-2", "10.0.0.8")], "gpu-1"),
        ([node("b1", "gpu-1", "10.0.0.7", alive=False)], "gpu-1"),
        ([node("b1", "gpu-1", "10.0.0.8")], "gpu-1 (10.0.0.7)"),  # two machines made from one image
        ([node("b1", "gpu-1", "10.0.0.7")], "gpu-1 (3fa2c1)"),  # two nodes of one machine
        ([node("b1", "gpu-1", "10.0.0.8"), node("b2", "gpu-1", "10.0.0.7")], "gpu-1 (3fa2c1)"),
    ],
)
def test_no_two_nodes_have_one_name(others: list[dict[str, object]], name: str) -> None:
    assert node_name("gpu-1", "3fa2c1d0e5", [OURS, *others]) == name


def test_a_node_that_ray_does_not_tell_of_is_called_by_its_id_beside_another_of_its_name() -> None:
    assert node_name("gpu-1", "3fa2c1d0e5", [node("b1", "gpu-1", "10.0.0.8")]) == "gpu-1 (3fa2c1)"
