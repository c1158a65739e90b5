"""What this machine is, as far as torch is not needed to find out. In: folders. Out: a Machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from aura_daemon import file_names
from aura_daemon.doctor import report
from aura_daemon.system.filesystems import file_system_of
from aura_daemon.system.hardware import nvidia, processor
from aura_daemon.system.hardware.host_memory import host_memory
from aura_daemon.system.library_versions import versions
from aura_daemon.system.watching import inotify_limits
from aura_daemon.system.windows import is_wsl2
from aura_daemon.workers.local.process import CHILD

WORKER: Final = CHILD[-1]
"""The module that a worker's command line names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningWorker:
    """The child of a running daemon, which holds the models."""

    pid: int
    own_bytes: int
    """Host memory without pages of files, which count as available anyway."""


def machine(inbox: Path, folders: Mapping[str, Path], *, daemon_pid: int | None) -> report.Machine:
    """The machine now. `folders`: purpose -> folder. `daemon_pid`: a process whose inotify watches do not count."""
    return report.Machine(
        gpus=tuple(_gpu(gpu) for gpu in nvidia.gpus()),
        cpu=cpu(),
        memory=report.MemoryFound.model_validate(host_memory(), from_attributes=True),
        disks=tuple(found for what, folder in folders.items() if (found := disk(what, folder)) is not None),
        inotify=inotify(inbox, daemon_pid=daemon_pid),
        wsl2=is_wsl2(),
        versions=dict(versions()),
    )


def cpu(proc: Path = processor.PROC) -> report.CpuFound:
    """The processor's name and cores, and which of `CPU_FLAGS` it has."""
    name, flags = processor.name_and_flags(proc)
    known = tuple(flag for flag in report.CPU_FLAGS if flag in flags)
    return report.CpuFound(name=name, cores=processor.cores(), flags=known)


def disk(what: str, folder: Path) -> report.DiskFound | None:
    """The disk of a folder, or of its nearest parent that exists; None where the system does not say."""
    place = folder.resolve()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    try:
        usage = shutil.disk_usage(place)
    except OSError:
        return None
    return report.DiskFound(
        what=what,
        path=file_names.escaped(str(folder)),
        exists=folder.is_dir(),
        free_bytes=usage.free,
        total_bytes=usage.total,
        file_system=file_system_of(place),
    )


def inotify(inbox: Path, *, daemon_pid: int | None, proc: Path = processor.PROC) -> report.InotifyFound | None:
    """Limits and how much of them is used; None where the system has no inotify."""
    limits = inotify_limits.limits(proc)
    if limits is None:
        return None
    watches_by_instance = inotify_limits.watches_by_instance(proc, except_pid=daemon_pid)
    return report.InotifyFound(
        **limits,
        needed_watches=_count_watched_folders(inbox),
        used_watches=sum(watches_by_instance),
        used_instances=len(watches_by_instance),
    )


def worker_of(daemon_pid: int) -> RunningWorker | None:
    """The worker of a daemon; None where the daemon has loaded no model."""
    with suppress(psutil.Error):
        for child in psutil.Process(daemon_pid).children():
            with suppress(psutil.Error):
                if WORKER in child.cmdline():
                    used = child.memory_info()
                    own_bytes = int(used.rss) - int(getattr(used, "shared", 0))  # macOS has no such figure
                    return RunningWorker(pid=child.pid, own_bytes=own_bytes)
    return None


def device_bytes(gpus: Sequence[report.GpuFound], pid: int) -> int:
    """The GPU memory that a process uses, on whichever GPU; 0 where the driver does not say."""
    return sum(user.used_bytes for gpu in gpus for user in gpu.users if user.pid == pid)


def _gpu(gpu: nvidia.Gpu) -> report.GpuFound:
    users = (report.GpuUser(pid=pid, name=file_names.escaped(name), used_bytes=size) for pid, name, size in gpu.users)
    return report.GpuFound(**asdict(gpu) | {"users": tuple(users)})


def _count_watched_folders(inbox: Path) -> int:
    """How many folders of the inbox are watched: all but the hidden ones and `failed/`."""
    count, waiting = 0, [""]
    while waiting:
        current = waiting.pop()
        with suppress(OSError), os.scandir(inbox / current) as entries:
            count += 1
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            inner = (f"{current}/{name}" if current else name for name in names)
            waiting += [path for path in inner if not file_names.is_out_of_bounds(path)]
    return count
