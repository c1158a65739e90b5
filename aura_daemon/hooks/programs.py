"""Whether the programs that hooks name are there. In: the configuration. Out: every problem."""

from __future__ import annotations

import shutil

from aura_daemon.config.housekeeping import HooksConfig
from aura_daemon.errors import Problem


def missing_programs(config: HooksConfig) -> tuple[Problem, ...]:
    """Problems of hooks that could never run."""
    return tuple(
        Problem(key=f"hooks.on_{kind}", message=_problem(command[0]))
        for kind, command in config.commands.items()
        if not command[0] or shutil.which(command[0]) is None
    )


def _problem(program: str) -> str:
    if "/" in program:
        return f"{program} is not there, or may not be run: make it, and `chmod +x` it"
    if any(sign in program for sign in " |;&>"):
        return f"`{program}` is no program: hooks run without a shell; write a list, or [sh, -c, …]"
    return f"`{program}` is no program in $PATH: install it, or name its whole path"
