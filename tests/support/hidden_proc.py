"""Runs a program whose /proc shows processes alone, as `ProcSubset=pid` in a unit of systemd has it."""

from __future__ import annotations

import subprocess
from typing import Final

HIDE_PROC: Final = (
    *("unshare", "--mount", "--propagation", "private"),
    *("sh", "-c", 'mount -t proc -o subset=pid proc /proc && exec "$@"', "sh"),
)


def can_hide_proc() -> bool:
    """Whether this user and kernel can."""
    try:
        return subprocess.run([*HIDE_PROC, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
