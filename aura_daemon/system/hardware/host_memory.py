"""How much of the machine's memory this process may still take. In: /proc and the control groups. Out: bytes.

`ProcSubset=pid` in a unit of systemd hides /proc/meminfo: then the memory nodes in /sys are added up.

A container or service unit is often allowed less than the machine has. The kernel kills or stops a process that exceeds
its limit, so the smallest limit counts.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from loguru import logger

GroupFiles: TypeAlias = tuple[tuple[str, ...], str, tuple[str, str]]

V2: Final[GroupFiles] = ("memory.max", "memory.high"), "memory.current", ("inactive_file", "active_file")
V1: Final[GroupFiles] = (
    ("memory.limit_in_bytes",),
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
)
"""Files of the limits, file of the usage, and keys of the usage that the kernel reclaims: the file cache.

Above `memory.high` (systemd's MemoryHigh) no process is killed. But the kernel lets a process that takes more sleep
ever longer, until it takes only a few hundred KiB a second: a job in that state does not end.
"""

MEMINFO: Final = Path("/proc/meminfo")
NODES: Final = Path("/sys/devices/system/node")

_FIGURE: Final = re.compile(r"^(?:Node \d+ )?(?P<key>[\w()]+): +(?P<kib>\d+) kB$", re.MULTILINE)

_RECLAIMED: Final = ("MemFree", "Active(file)", "Inactive(file)", "SReclaimable")
"""What the kernel can give to programs: free pages, and caches."""

UNLIMITED: Final = 1 << 60
"""Bytes from which a limit counts as none: version 1 writes a number near 2^63."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostMemory:
    """Memory of the host and its limits, in bytes."""

    available_bytes: int
    """Memory that this process may still take."""
    total_bytes: int
    """Memory that all processes of the control group may take together."""
    limit_bytes: int | None
    """The limit of the control group; None where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineMemory:
    """Memory of the whole machine, in bytes."""

    available_bytes: int
    """Memory that programs may still take."""
    total_bytes: int


def host_memory(*, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> HostMemory:
    """Measures the host's memory now."""
    machine = machine_memory()
    available, total, limit = machine.available_bytes, machine.total_bytes, None
    for folder, files in _memory_groups(proc, groups):
        allowed, free = _of_group(folder, files)
        if allowed is not None and allowed < UNLIMITED:
            limit = min(allowed, limit) if limit is not None else allowed
            available = min(available, max(0, free))
            total = min(total, allowed)
    return HostMemory(available_bytes=available, total_bytes=total, limit_bytes=limit)


def machine_memory(*, nodes: Path = NODES) -> MachineMemory:
    """The machine's memory now; without /proc/meminfo it is added up from the memory nodes, which is said once."""
    if sys.platform != "linux":
        import psutil  # large, and not needed on Linux

        machine = psutil.virtual_memory()
        return MachineMemory(available_bytes=int(machine.available), total_bytes=int(machine.total))
    try:
        figures = _figures(MEMINFO.read_text(encoding="ascii"))
    except OSError as error:
        _say_once(str(error))
        return from_nodes(nodes)
    return MachineMemory(available_bytes=figures["MemAvailable"], total_bytes=figures["MemTotal"])


def from_nodes(nodes: Path) -> MachineMemory:
    """The figures of the memory nodes; where there are none, free pages alone count as available."""
    found = [_figures(file.read_text(encoding="ascii")) for file in sorted(nodes.glob("node*/meminfo"))]
    if not found and sys.platform != "win32":
        page = os.sysconf("SC_PAGE_SIZE")
        return MachineMemory(
            available_bytes=page * os.sysconf("SC_AVPHYS_PAGES"), total_bytes=page * os.sysconf("SC_PHYS_PAGES")
        )
    return MachineMemory(
        available_bytes=sum(figures.get(key, 0) for figures in found for key in _RECLAIMED),
        total_bytes=sum(figures.get("MemTotal", 0) for figures in found),
    )


def _memory_groups(proc: Path, groups: Path) -> Iterator[tuple[Path, GroupFiles]]:
    """The control groups of this process, each with its parents: the smallest limit counts."""
    with suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                root, files = groups / "memory", V1
            elif not controllers:
                root, files = groups, V2
            else:
                continue
            folder = root / path.lstrip("/")
            if not folder.is_dir():  # in a container the path may be that of the host, while the mounted group is ours
                folder = root
            while True:
                yield folder, files
                if folder == root:
                    break
                folder = folder.parent


def _of_group(folder: Path, files: GroupFiles) -> tuple[int | None, int]:
    """The limit of a group (None: it has none), and the bytes that are free below the limit."""
    limit_files, usage_file, cached = files
    limits = [limit for file in limit_files if (limit := _limit(folder / file)) is not None]
    if not limits:
        return None, 0
    try:
        used = int((folder / usage_file).read_text(encoding="ascii"))
        rows = (line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        cache = sum(int(value) for key, value in rows if key in cached)
    except (OSError, ValueError):
        return None, 0
    return min(limits), min(limits) - (used - cache)


def _limit(file: Path) -> int | None:
    """The limit in a file; None where the file is missing, as in the root group, or holds `max`."""
    with suppress(OSError, ValueError):
        return int(file.read_text(encoding="ascii"))
    return None


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
