"""Shuts this process in, for good. In: a plan. Out: what is missing.

Linux without root: Landlock for files, a filter for system calls, and the rest in `privileges`. It takes a millisecond,
before any thread is started and any byte of a stranger is read. Other systems have nothing that a process can do to
itself without help.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import Final

from aura_daemon.system.sandbox import landlock, privileges, seccomp
from aura_daemon.system.sandbox.machine_files import rules
from aura_daemon.system.sandbox.plan import SandboxMode, SandboxPlan, SandboxSupport

NO_LANDLOCK: Final = (
    "this kernel has no Landlock (Linux 5.13 and later have it, where it is among the boot option lsm=)"
)
NO_SECCOMP: Final = "this kernel, or this processor's build, filters no system calls"


@cache
def support() -> SandboxSupport:
    """What this kernel has."""
    if sys.platform != "linux":
        return SandboxSupport(why_not="only Linux lets a process shut itself in")
    version, filters = landlock.version(), seccomp.is_there(os.uname().machine)
    reasons = (*(() if version else (NO_LANDLOCK,)), *(() if filters else (NO_SECCOMP,)))
    return SandboxSupport(landlock=version, seccomp=filters, why_not="; ".join(reasons))


def confine(plan: SandboxPlan, *, keeps: Collection[int]) -> tuple[str, ...]:
    """Shuts this process in as far as the kernel can; what is missing, in words.

    No thread but this one may run: it would stay outside. `keeps`: descriptors that stay open beside the standard ones.
    """
    if plan.mode is SandboxMode.OFF:
        return ()
    found = support()
    if sys.platform != "linux":
        return found.missing
    if (running := len(list(Path("/proc/self/task").iterdir()))) > 1:
        raise RuntimeError(f"a process shuts itself in before it starts threads; {running} run")
    privileges.close_descriptors(keeps)
    machine, pid = os.uname().machine, os.getpid()
    filters = seccomp.program(plan, machine=machine, pid=pid) if found.seccomp else []
    steps: dict[str, Callable[[], None]] = {
        "limits": lambda: privileges.limit(plan.data_bytes),
        "no new privileges": privileges.no_new_privileges,
        "capabilities": privileges.drop_capabilities,
    }
    if found.landlock:
        steps["Landlock"] = lambda: landlock.restrict(rules(plan), landlock=found.landlock, connects=plan.network)
    if filters:
        steps["seccomp"] = lambda: seccomp.install(filters)
    failed = []
    for part, step in steps.items():
        try:
            step()
        except (OSError, ValueError) as error:  # a container or a unit forbids the call
            failed.append(f"{part}: {error}")
    return (*found.missing, *failed)
