"""A Ray cluster that begins with a head alone, and adds and ends nodes by itself.

Ray's autoscaler does that, with its own provider of nodes that are processes of this machine. Only in a network of its
own, see `tests.support.ray_clusters`.
`ray.cluster_utils.AutoscalingCluster` reads a file that is not in Ray's wheel, and ends every Ray of the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

from tests.support.ray_clusters import is_alone
from tests.support.ray_nodes import STORE_BYTES, end, family

ADDRESS: Final = "127.0.0.1:6379"
"""The provider has its nodes look for the head there."""

PROVIDER: Final = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"

IDLE_S: Final = 12.0
"""After that an idle node is ended."""

_COMMANDS: Final = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
"""A node of this machine needs none, but the keys must be there."""

STARTED: Final = "Ray runtime started"
"""What `ray start` says then."""

_HEAD: Final = "ray.head.default"
"""What the provider takes the head for."""


def _config(most: int, resources: dict[str, float]) -> dict[str, Any]:
    """A cluster of no node that may grow to so many."""
    nodes = {"resources": {**resources, "object_store_memory": STORE_BYTES}, "node_config": {}}
    return {
        "cluster_name": "aura",
        "max_workers": most,
        "provider": {
            "type": "external",  # the defaults of `fake_multinode` are not in Ray's wheel
            "module": PROVIDER,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "launch_multiple": True,
            "head_node_id": FAKE_HEAD_NODE_ID,
        },
        "available_node_types": {
            _HEAD: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {**nodes, "min_workers": 0, "max_workers": most},
        },
        "head_node_type": _HEAD,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": IDLE_S / 60,
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        "rsync_exclude": [],
        "rsync_filter": [],
        **{f"{kind}_commands": [] for kind in _COMMANDS},
    }


class AutoscaledCluster:
    """A head, its autoscaler, and the nodes that there are just now."""

    address = ADDRESS

    def __init__(self, folder: Path, *, most: int, resources: dict[str, float]) -> None:
        """`most`: nodes beside the head; `resources`: what each offers. The token lies in the folder."""
        token = folder / "token"
        token.write_text(os.environ["RAY_AUTH_TOKEN"], encoding="utf-8")
        self.token = str(token)
        self._temp = folder / "ray"
        config = folder / "autoscaling.json"
        config.write_text(json.dumps(_config(most, resources)), encoding="utf-8")
        command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--num-cpus=0"]
        command += ["--num-gpus=0", "--port=6379", f"--object-store-memory={STORE_BYTES}", "--include-dashboard=false"]
        command += [f"--autoscaling-config={config}", f"--temp-dir={self._temp}"]
        environment = {
            **os.environ,
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_enable_autoscaler_v2": "1",
            "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
        }
        self._log = folder / "head.log"
        with self._log.open("wb") as log:
            self._head = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def await_head(self) -> None:
        """Waits until the head runs; raises AssertionError where it does not."""
        while STARTED not in (log := self._log.read_text(encoding="utf-8", errors="replace")):
            assert self._head.poll() is None, log[-3000:]
            time.sleep(0.2)

    @property
    def nodes(self) -> int:
        """How many nodes run beside the head."""
        return max(0, len([one for one in family(self._head.pid) if _name(one) == "raylet"]) - 1)

    @property
    def monitor_log(self) -> str:
        """What the autoscaler says."""
        with suppress(OSError):
            return (self._temp / "session_latest" / "logs" / "monitor.log").read_text(encoding="utf-8")[-6000:]
        return ""

    def close(self) -> None:
        """Ends every process of the cluster."""
        left = family(self._head.pid)
        self._head.terminate()
        deadline_s = time.monotonic() + 10.0
        while self._head.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.1)
        end(left)
        self._head.wait()


@contextmanager
def autoscaled(folder: Path, *, most: int, resources: dict[str, float]) -> Iterator[AutoscaledCluster]:
    """Such a cluster, until the end of the block."""
    assert is_alone(), "Ray would listen on every address"
    made = AutoscaledCluster(folder, most=most, resources=resources)
    try:
        made.await_head()
        yield made
    finally:
        made.close()


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name()) if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""
