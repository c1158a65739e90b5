"""The processor: its name, what it can do, how many cores this process may use, and how busy they are."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


def name_and_flags(proc: Path = PROC) -> tuple[str, frozenset[str]]:
    """As the kernel calls it, and its abilities (`avx2`); elsewhere than on Linux a name at most."""
    name, flags = platform.processor() or platform.machine(), frozenset[str]()
    with suppress(OSError):
        for line in (proc / "cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = (part.strip() for part in line.partition(":"))
            if key == "model name":
                name = value
            elif key in ("flags", "Features"):
                flags = frozenset(value.split())
    return name, flags


def cores() -> int:
    """Those that this process may use, where the system says; else all."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_average() -> float:
    """How many threads computed, or waited for the disk, in the last minute; 0 on Windows, which counts none."""
    if sys.platform == "win32":
        return 0.0
    return os.getloadavg()[0]
