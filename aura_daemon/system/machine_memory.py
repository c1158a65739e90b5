"""The machine's memory, for a process too that may not read /proc/meminfo. In: /proc or /sys. Out: bytes.

`ProcSubset=pid` in a unit of systemd hides everything in /proc but the processes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import psutil
from loguru import logger

NODES: Final = Path("/sys/devices/system/node")

_FIGURE: Final = re.compile(r"^Node \d+ (?P<key>[\w()]+): +(?P<kib>\d+) kB$", re.MULTILINE)

_RECLAIMED: Final = ("MemFree", "Active(file)", "Inactive(file)", "SReclaimable")
"""What the kernel can give to programs: free pages, and caches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineMemory:
    """Memory of the whole machine, in bytes."""

    available_bytes: int
    """Memory that programs may still take."""
    total_bytes: int


def read(*, nodes: Path = NODES) -> MachineMemory:
    """The machine's memory now; without /proc/meminfo it is added up from the memory nodes, which is said once."""
    try:
        machine = psutil.virtual_memory()
    except (OSError, psutil.Error) as error:
        _say_once(str(error))
        return from_nodes(nodes)
    return MachineMemory(available_bytes=int(machine.available), total_bytes=int(machine.total))


def from_nodes(nodes: Path) -> MachineMemory:
    """The figures of the memory nodes; where there are none, free pages alone count as available."""
    found = [_figures(file.read_text(encoding="ascii")) for file in sorted(nodes.glob("node*/meminfo"))]
    if not found:
        page = os.sysconf("SC_PAGE_SIZE")
        return MachineMemory(
            available_bytes=page * os.sysconf("SC_AVPHYS_PAGES"), total_bytes=page * os.sysconf("SC_PHYS_PAGES")
        )
    return MachineMemory(
        available_bytes=sum(figures.get(key, 0) for figures in found for key in _RECLAIMED),
        total_bytes=sum(figures.get("MemTotal", 0) for figures in found),
    )


def _figures(text: str) -> Mapping[str, int]:
    return {match["key"]: int(match["kib"]) * 1024 for match in _FIGURE.finditer(text)}


@cache
def _say_once(reason: str) -> None:
    logger.warning(
        "/proc/meminfo cannot be read ({}): the figures of memory are added up from {}; take `ProcSubset=pid` out of "
        "the service unit to have exact ones",
        reason,
        NODES,
    )
