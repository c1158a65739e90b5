"""Windows: natively, where the daemon does not run, and Linux inside it (WSL2). In: /proc. Out: what is told there."""

from __future__ import annotations

import sys

from aura_daemon.errors import Problem, UserError


def refuse_natively() -> None:
    """Raises UserError on native Windows."""
    if sys.platform == "win32":
        raise needs_wsl2()


def needs_wsl2() -> UserError:
    """The error of whatever native Windows cannot do: locks, signals and sockets are others there."""
    reason = "aura-daemon runs on Windows only under WSL2"
    return UserError([Problem(message=f"{reason}: install it inside, as docs/windows.md says")])
