"""Whether a process runs. In: its number. Out: yes, or no."""

from __future__ import annotations

import sys

import psutil


def may_run(pid: int) -> bool:
    """False where no such process is there; native Windows sees none of WSL2's, which have numbers of their own."""
    return sys.platform == "win32" or psutil.pid_exists(pid)
