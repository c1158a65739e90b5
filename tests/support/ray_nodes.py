"""A Ray cluster whose nodes are processes of this machine, and what can happen to them.

Only in a network of its own, see `tests.support.ray_clusters`: Ray is imported here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
from ray.cluster_utils import Cluster

from tests.support.ray_clusters import is_alone

STORE_BYTES: Final = 80 << 20

ACTOR: Final = "ray::EngineActor"

HEALTH: Final = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
"""So that a node that has gone is noticed after seconds; on the head."""

REDIS: Final = "127.0.0.1:6399"


class Nodes:
    """A head that runs nothing, and nodes with a place or more each."""

    def __init__(self, token: str) -> None:
        self.cluster = _head()
        self.token = token
        self.nodes: list[Any] = []

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, *, cpus: int = 1) -> Any:
        """One node more; the last of `nodes`."""
        node = self.cluster.add_node(num_cpus=cpus, object_store_memory=STORE_BYTES, include_dashboard=False)
        self.nodes.append(node)
        return node

    def fill(self, count: int) -> None:
        """Adds nodes until there are so many."""
        while len(self.nodes) < count:
            self.add()

    def remove(self, node: Any, *, gracefully: bool) -> None:
        """Ends all processes of a node."""
        self.nodes.remove(node)
        if not gracefully:
            end(family(raylet(node)))
        self.cluster.remove_node(node, allow_graceful=gracefully)

    def forget(self, node: Any) -> None:
        """A node of which no more than an orphan is left."""
        self.nodes.remove(node)
        with suppress(Exception):  # its raylet has gone already
            self.cluster.remove_node(node, allow_graceful=False)

    def lose_gcs(self, *, seconds: float) -> None:
        """Kills the head's GCS, and starts it again on its port."""
        head = self.cluster.head_node
        head.kill_gcs_server()
        time.sleep(seconds)
        head.start_gcs_server()

    def renew(self) -> None:
        """Ends everything; a new head on the same port, and as many nodes."""
        port, count = int(self.address.rpartition(":")[2]), len(self.nodes)
        self.close()
        self.cluster, self.nodes = _head(gcs_server_port=port), []
        self.fill(count)

    def actors(self, node: Any | None = None) -> list[psutil.Process]:
        """The processes of the workers, on all nodes or on one."""
        raylets = [raylet(one) for one in ([node] if node is not None else self.nodes)]
        found = [child for pid in raylets for child in family(pid)]
        return [child for child in found if _title(child).startswith(ACTOR)]

    def close(self) -> None:
        """Ends every process of the cluster."""
        left = [child for node in self.cluster.list_all_nodes() for child in family(raylet(node))]
        with suppress(Exception):
            self.cluster.shutdown()
        end(left)


def _head(**arguments: Any) -> Cluster:
    """A cluster that is no more than a head, which runs nothing."""
    head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False, **arguments}
    return Cluster(initialize_head=True, head_node_args={**head, "_system_config": HEALTH})


@contextmanager
def nodes(folder: Path, count: int, *, redis: bool = False) -> Iterator[Nodes]:
    """A cluster of so many nodes with a place each; its token lies in the folder."""
    assert is_alone(), "Ray would listen on every address"
    token = folder / "token"
    token.write_text(os.environ["RAY_AUTH_TOKEN"], encoding="utf-8")
    with _redis(folder) if redis else _nothing():
        made = Nodes(str(token))
        try:
            made.fill(count)
            yield made
        finally:
            made.close()


def raylet(node: Any) -> int:
    """The process of a node that starts its workers."""
    return int(node.all_processes["raylet"][0].process.pid)


def is_alive(node: Any) -> bool:
    """Whether the process runs that starts a node's workers."""
    return node.all_processes["raylet"][0].process.poll() is None


def family(pid: int) -> list[psutil.Process]:
    """A process, and what it has started."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def freeze(processes: list[psutil.Process]) -> None:
    """Stops processes, as a machine that hangs."""
    _each(processes, signal.SIGSTOP)


def wake(processes: list[psutil.Process]) -> None:
    """Has them go on."""
    _each(processes, signal.SIGCONT)


def end(processes: list[psutil.Process]) -> None:
    """Kills those that are left."""
    _each(processes, signal.SIGCONT)
    _each(processes, signal.SIGKILL)


def _each(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


@contextmanager
def _redis(folder: Path) -> Iterator[None]:
    host, _, port = REDIS.partition(":")
    command = ["redis-server", "--bind", host, "--port", port, "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    os.environ["RAY_REDIS_ADDRESS"] = REDIS
    try:
        while True:
            with suppress(OSError), socket.create_connection((host, int(port))):
                break
            time.sleep(0.05)
        yield
    finally:
        del os.environ["RAY_REDIS_ADDRESS"]
        server.kill()
        server.wait()


@contextmanager
def _nothing() -> Iterator[None]:
    yield
