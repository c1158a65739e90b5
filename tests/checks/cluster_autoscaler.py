"""Ray's autoscaler with nodes that it makes on this machine: none while there is nothing to do. Out: seconds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from ray.autoscaler._private.fake_multi_node import node_provider

from tests.support.house import House
from tests.support.programs import Program
from tests.support.ray_nodes import STORE_BYTES, end, family

HEAD: Final = node_provider.FAKE_HEAD_NODE_ID
PORT: Final = 6401
IDLE_S: Final = 6
PATIENCE_S: Final = 60.0

CONFIG: Final = {
    "cluster_name": "aura",
    "max_workers": 4,
    "idle_timeout_minutes": IDLE_S / 60,
    "upscaling_speed": 1.0,
    "provider": {
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
        "launch_multiple": True,
        "head_node_id": HEAD,
    },
    "auth": {"ssh_user": "nobody", "ssh_private_key": "/dev/null"},
    "head_node_type": "ray.head.default",
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "aura": {"resources": {"CPU": 1, "aura": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    **{name: {} for name in ("file_mounts",)},
    **{
        name: []
        for name in (
            "cluster_synced_files",
            "initialization_commands",
            "setup_commands",
            "head_setup_commands",
            "worker_setup_commands",
            "head_start_ray_commands",
            "worker_start_ray_commands",
            "rsync_exclude",
            "rsync_filter",
        )
    },
    "file_mounts_sync_continuously": False,
}


def scaled(folder: Path) -> dict[str, float]:
    """What happened -> seconds since what had to bring it about."""
    config, log = folder / "autoscaler.json", folder / "autoscaler-log"
    config.write_text(json.dumps(CONFIG))
    variables = {
        **os.environ,
        "RAY_AUTH_MODE": "disabled",
        "RAY_FAKE_CLUSTER": "1",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": HEAD,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
    }
    start = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--head",
        "--block",
        f"--port={PORT}",
        "--num-cpus=0",
    ]
    start += [f"--autoscaling-config={config}", f"--object-store-memory={STORE_BYTES}", "--include-dashboard=false"]
    start = [*_with_example(folder), *start]
    with log.open("wb") as output:
        head = subprocess.Popen(start, env=variables, stdout=output, stderr=output)
    program: Program | None = None
    try:
        house = House(folder / "scaled")
        _until(lambda: _raylets(head) == 1, "the head runs", log)
        workers = {"KIND": "ray", "ADDRESS": f"127.0.0.1:{PORT}", "COUNT": "2", "GPUS": "0", "RESOURCES": '{"aura": 1}'}
        token = folder / "no-token"
        token.write_text("0" * 64)
        settings = {f"AURA_WORKERS__{key}": value for key, value in workers.items()}
        settings |= {"AURA_WORKERS__TOKEN_FILE": str(token), "AURA_UNLOAD_AFTER": "3", "RAY_AUTH_MODE": "disabled"}
        program = Program(house, AURA_BATCH="1", **settings)
        program.start("run")
        found: dict[str, float] = {}
        for what in ("the first jobs", "further jobs"):
            began_s = time.monotonic()
            for number in range(8):
                house.drop(f"{what.replace(' ', '-')}-{number}.yaml", f"prompt: steps 5 0.2 {what} {number}\n".encode())
            _until(lambda: _raylets(head) == 3, "two nodes run", log)
            found[f"{what}: two nodes run"] = time.monotonic() - began_s
            wanted = 8 * (1 + len(found) // 3)
            _until(lambda wanted=wanted: _done(house) >= wanted, "all are done", log)
            found[f"{what}: all are done"] = time.monotonic() - began_s
            began_s = time.monotonic()
            _until(lambda: _raylets(head) == 1, "no node is left", log)
            found[f"{what}: no node is left, after the last"] = time.monotonic() - began_s
        return found
    finally:
        if program is not None:
            with suppress(Exception):
                program.end()
            print(program.log()[-1500:], file=sys.stderr)
            program.close()
        end(family(head.pid))
        head.wait()


def _with_example(folder: Path) -> list[str]:
    """What goes before the command of a head: the example that the autoscaler reads and the wheel of Ray lacks."""
    place = Path(node_provider.__file__).parent
    copy = folder / "fake_multi_node"
    shutil.copytree(place, copy)
    (copy / "example.yaml").write_text(json.dumps(CONFIG))
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, str(copy), str(place)]


def _raylets(head: subprocess.Popen[bytes]) -> int:
    return sum(process.name() == "raylet" for process in family(head.pid))


def _done(house: House) -> int:
    return sum(name.endswith(".json") for name in house.results())


def _until(is_so: Callable[[], bool], what: str, log: Path) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline_s, f"not so: {what}\n{log.read_text(errors='replace')[-3000:]}"
        time.sleep(0.1)
