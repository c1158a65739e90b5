"""Ray clusters of several nodes on this machine, in a network of their own, where Ray is installed.

Ray listens on every address and ends whatever Ray process it finds: a cluster of a test stands in a network namespace
with nothing but a loopback device, and so does the test that speaks to it (`tests.support.ray_clusters.alone`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

TOKEN = "5eec" * 16
"""Of clusters that nobody else can reach."""

NODES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "error",
    "RAY_worker_niceness": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
}
"""The environment of a program that starts nodes; Ray reads it when it is imported."""

ROOT = Path(__file__).parents[2]


def why_not() -> str:
    """Why there can be no cluster here; empty where there can."""
    if find_spec("ray") is None:
        return "Ray is not installed"
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "unshare and ip make the network in which a cluster stands"
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "no network namespace may be made here"


def alone(*command: str, **environment: str) -> list[str]:
    """A command in a network of its own."""
    settings = [f"{name}={value}" for name, value in environment.items()]
    script = 'ip link set lo up && exec env "$@"'
    return ["unshare", "-n", "sh", "-c", script, "sh", *settings, *command]


def is_alone() -> bool:
    """Whether this process stands in such a network."""
    return os.environ.get("AURA_TEST_ALONE") == "1"


def python(*arguments: str, **environment: str) -> list[str]:
    """This Python in a network of its own."""
    return alone(sys.executable, *arguments, AURA_TEST_ALONE="1", PYTHONPATH=str(ROOT), **environment)
