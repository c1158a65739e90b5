"""Whom the kernel has killed for want of memory. In: /proc. Out: its count, and whether an attempt ended by it.

The count is of the whole machine, in containers too. A control group has one of its own (`memory.events`), but is gone
when its service is started again.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.ladder.attempts import RunConditions, StartedAttempt

PROC: Final = Path("/proc")


def oom_kills(*, proc: Path = PROC) -> int | None:
    """How many processes since the machine was started; None where it does not say."""
    with suppress(OSError, ValueError):
        for line in (proc / "vmstat").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None


def begun(tried: RunConditions | None = None, *, proc: Path = PROC) -> StartedAttempt | None:
    """An attempt that begins now, or is placed; None where the kernel does not say what would be asked later."""
    kills = oom_kills(proc=proc)
    with suppress(OSError):
        boot = (proc / "sys" / "kernel" / "random" / "boot_id").read_text(encoding="ascii").strip()
        return StartedAttempt(boot=boot, kills=kills, tried=tried) if kills is not None else None
    return None
