"""Memory control groups of the kernel, version 1 or 2: the kernel kills processes in a group that exceeds its limit."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")

ENTER = 'echo $$ > "$0" && exec "$@"'
"""Script of a shell that enters the group, then becomes the program."""


def obstacle() -> str:
    """Why no group can be made here; empty where one can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "memory control groups take root"
    if not V1.is_dir() and "memory" not in _read(V2 / "cgroup.controllers").split():
        return "the memory controller is not mounted below /sys/fs/cgroup"
    try:
        group = MemoryGroup("probe", 1 << 30)
    except OSError as error:
        return f"a memory control group cannot be made: {error}"
    group.close()
    return ""


class MemoryGroup:
    """One group with a memory limit and without swap."""

    def __init__(self, name: str, limit_bytes: int) -> None:
        """Makes the group; raises OSError where that fails."""
        self.is_v1 = V1.is_dir()
        self.folder = (V1 if self.is_v1 else V2) / f"aura-check-{os.getpid()}-{name}"
        if not self.is_v1 and "memory" not in _read(V2 / "cgroup.subtree_control").split():
            (V2 / "cgroup.subtree_control").write_text("+memory")
        self.folder.mkdir()
        limit = "memory.limit_in_bytes" if self.is_v1 else "memory.max"
        (self.folder / limit).write_text(str(limit_bytes))
        swap, most = ("memory.memsw.limit_in_bytes", limit_bytes) if self.is_v1 else ("memory.swap.max", 0)
        with suppress(OSError):  # a kernel that does not count swap
            (self.folder / swap).write_text(str(most))

    @classmethod
    def at(cls, folder: Path) -> MemoryGroup:
        """An existing group."""
        group = cls.__new__(cls)
        group.folder, group.is_v1 = folder, V1.is_dir()
        return group

    def start(self, command: Sequence[str], **options: object) -> subprocess.Popen[str]:
        """Starts a process in the group; its children are in the group too."""
        entering = ["/bin/sh", "-c", ENTER, str(self.folder / "cgroup.procs"), *command]
        return subprocess.Popen(entering, text=True, **options)  # type: ignore[call-overload, no-any-return]

    @property
    def peak_bytes(self) -> int:
        """The highest usage, including the file cache; 0 where the kernel does not tell."""
        return int(_read(self.folder / ("memory.max_usage_in_bytes" if self.is_v1 else "memory.peak")) or 0)

    @property
    def anonymous_bytes(self) -> int:
        """The memory in use that the kernel cannot reclaim."""
        return self._counted("memory.stat", "total_rss" if self.is_v1 else "anon")

    @property
    def kills(self) -> int:
        """How many processes of the group the kernel has killed for want of memory."""
        return self._counted("memory.oom_control" if self.is_v1 else "memory.events", "oom_kill")

    def close(self) -> None:
        """Kills the processes of the group and removes the group."""
        for _ in range(100):
            for pid in _read(self.folder / "cgroup.procs").split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            try:
                self.folder.rmdir()
            except OSError:  # a killed process has not ended yet
                time.sleep(0.05)
            else:
                return

    def _counted(self, file: str, name: str) -> int:
        rows = (line.split() for line in _read(self.folder / file).splitlines())
        return next((int(row[1]) for row in rows if row[0] == name), 0)


def _read(file: Path) -> str:
    """The text of a file; empty where there is no file."""
    with suppress(OSError):
        return file.read_text(encoding="ascii").strip()
    return ""
