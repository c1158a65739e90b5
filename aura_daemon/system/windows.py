"""Windows, which the daemon knows only from within WSL2. In: nothing. Out: what a user there is told."""

from __future__ import annotations

from aura_daemon.errors import Problem, UserError


def needs_wsl2() -> UserError:
    """The error of whatever native Windows cannot do: locks, signals and sockets are others there."""
    reason = "aura-daemon runs on Windows only under WSL2"
    return UserError([Problem(message=f"{reason}: install it inside, as docs/windows.md says")])
