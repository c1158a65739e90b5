"""Whether a process runs, and how far behind others this one stands."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

PF_EXITING: Final = 0x4
"""Flag of a process that runs no more code of its own (include/linux/sched.h)."""


def exists(pid: int) -> bool:
    """Whether a process with this number runs, of whichever user.

    True on native Windows, where signal 0 is Ctrl-C, and where nobody sees the processes of WSL2.
    """
    if sys.platform == "win32":
        return True
    if pid <= 0:  # which would ask for whole groups of processes
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def is_ending(pid: int, *, proc: Path = Path("/proc")) -> bool:
    """Whether a process has ended but for what it holds; where `proc` is not Linux's, nobody knows: False.

    One that holds a lock on NFS stays so, whatever signal it gets, until its server is back.
    """
    try:
        fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return bool(int(fields[6]) & PF_EXITING)
    except (OSError, ValueError, IndexError):
        return False


def niceness() -> int:
    """Of this process: 0 is the usual one, 19 the lowest priority."""
    if sys.platform == "win32":
        return 0
    return os.getpriority(os.PRIO_PROCESS, 0)
