"""Which system this is; Windows natively, where the daemon does not run, and Linux inside it (WSL2). In: /proc."""

from __future__ import annotations

import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

from aura_daemon.errors import Problem, UserError

PROC: Final = Path("/proc")


class System(StrEnum):
    """The operating systems that are told apart."""

    LINUX = "linux"
    WSL2 = "wsl2"
    MACOS = "macos"
    WINDOWS = "windows"
    OTHER = "other"
    """BSDs, say; nothing was tried there."""


def this_system() -> System:
    """The one on which this process runs."""
    if sys.platform == "linux":
        return System.WSL2 if is_wsl2() else System.LINUX
    return {"darwin": System.MACOS, "win32": System.WINDOWS}.get(sys.platform, System.OTHER)


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
