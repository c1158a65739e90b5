"""How many processes the kernel has killed because memory ran out. In: /proc. Out: the count, and since which boot.

The count is of the whole machine, in containers too. A control group has a count of its own (`memory.events`), but it
is lost when its service is started again.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


def oom_kills(*, proc: Path = PROC) -> int | None:
    """The number of processes killed since the machine was started; None where the kernel does not tell it."""
    with suppress(OSError, ValueError):
        for line in (proc / "vmstat").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None


@cache
def boot_id(*, proc: Path = PROC) -> str:
    """Identifies this start of the machine; empty where the kernel does not tell it."""
    with suppress(OSError):
        return (proc / "sys" / "kernel" / "random" / "boot_id").read_text(encoding="ascii").strip()
    return ""
