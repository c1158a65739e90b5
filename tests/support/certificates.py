"""Certificates of a cluster's nodes, made by the commands that docs/cluster.md shows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from tests.support.ray_clusters import ROOT

PAGE: Final = ROOT / "docs" / "cluster.md"

PAGE_FOLDER: Final = "/etc/aura-daemon"
PAGE_ADDRESS: Final = "10.0.0.1"
"""What stands there for a folder and an address of yours."""


def made(folder: Path, address: str) -> dict[str, str]:
    """Makes an authority and a node's certificate; returns the variables of Ray that name them."""
    folder.mkdir()
    making, naming = [block for block in _blocks() if "openssl req" in block or "RAY_USE_TLS" in block]
    script = making.replace(PAGE_ADDRESS, address)
    subprocess.run(["sh", "-e", "-c", script], cwd=folder, check=True, capture_output=True)
    words = naming.replace(PAGE_FOLDER, str(folder)).split()
    return dict(word.split("=", 1) for word in words if word.startswith("RAY_"))


def _blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
