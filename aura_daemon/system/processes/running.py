"""Whether a process runs, and how far behind others this one stands."""

from __future__ import annotations

import os
import sys


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


def niceness() -> int:
    """Of this process: 0 is the usual one, 19 the lowest priority."""
    if sys.platform == "win32":
        return 0
    return os.getpriority(os.PRIO_PROCESS, 0)
