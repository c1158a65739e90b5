"""The memory of processes: the highest of this one, and of a child that ended; giving it back; making code in it."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from aura_daemon.system.windows import needs_wsl2


def trim() -> None:
    """Gives freed host memory back to the system: without this it grows under offload (diffusers issue 7970)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # AttributeError: a C library without malloc_trim (musl)
            ctypes.CDLL(None).malloc_trim(0)


def resident_bytes(pid: int) -> int | None:
    """What a process holds of the machine's memory now; None where it is gone, or not ours to ask."""
    if sys.platform == "linux":
        try:
            pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return None
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    import psutil  # large, and not needed on Linux

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def reset_peak() -> bool:
    """Resets the kernel's count; False where the kernel refuses, or has none."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return peak_bytes() > 0


def peak_bytes() -> int:
    """The kernel's count of this process's highest resident size; 0 on systems without one."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def peak_at_the_end_of(process: subprocess.Popen[bytes]) -> int:
    """Waits for a child; the highest resident bytes that it, or a child of its own, ever had."""
    if sys.platform == "win32":
        raise needs_wsl2()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def may_make_code() -> bool:
    """Whether this process may write memory and execute it, which compilers at run time do."""
    if sys.platform == "win32":
        return False
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError:  # macOS asks for more
        return False
    return True
