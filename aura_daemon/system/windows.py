"""Windows: natively, where the daemon does not run, and Linux inside it (WSL2). In: /proc. Out: what is told there."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.errors import Problem, UserError

PROC: Final = Path("/proc")


def is_wsl2(*, proc: Path = PROC) -> bool:
    """Whether this Linux runs inside Windows, in a container there too; its kernel's name tells (as systemd has it)."""
    with suppress(OSError):
        name = (proc / "sys" / "kernel" / "osrelease").read_text(encoding="ascii", errors="replace")
        return "microsoft" in name.lower() or "WSL" in name
    return False


def refuse_natively() -> None:
    """Raises UserError on native Windows."""
    if sys.platform == "win32":
        raise needs_wsl2()


def needs_wsl2() -> UserError:
    """The error of whatever native Windows cannot do: locks, signals and sockets are others there."""
    reason = "aura-daemon runs on Windows only under WSL2"
    return UserError([Problem(message=f"{reason}: install it inside, as docs/windows.md says")])
