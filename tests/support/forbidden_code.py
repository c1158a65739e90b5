"""Runs a program that may not make memory executable, as `MemoryDenyWriteExecute=yes` has it: its arguments.

`python tests/support/forbidden_code.py PROGRAM ARGUMENT…`
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from typing import Final

PR_SET_MDWE: Final = 65
"""prctl(2), Linux 6.3: what is inherited by every child and program."""

REFUSE: Final = 1
"""PR_MDWE_REFUSE_EXEC_GAIN."""

FORBID_CODE: Final = (sys.executable, os.path.abspath(__file__))  # noqa: PTH100 - a constant of words


def can_forbid_code() -> bool:
    """Whether the kernel can."""
    return sys.platform == "linux" and subprocess.run([*FORBID_CODE, "true"], check=False).returncode == 0


if __name__ == "__main__":
    if ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE, 0, 0, 0) != 0:
        sys.exit(1)
    os.execvp(sys.argv[1], sys.argv[1:])
