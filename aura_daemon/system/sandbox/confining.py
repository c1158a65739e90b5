"""Shuts this process in, for good. In: a plan. Out: what is missing.

Linux without root: Landlock for files, a filter for system calls, and the rest in `privileges`. It takes a millisecond,
before any thread is started and any byte of a stranger is read. Other systems have nothing that a process can do to
itself without help.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
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
    """Shuts this process in as far as the kernel can, and tells what is missing. No thread but this one may run: it would stay outside.

    `keeps`: the descriptors that stay open beside the standard ones.
    """
    if sys.platform != "linux" or plan.mode is SandboxMode.OFF:
        return () if plan.mode is SandboxMode.OFF else support().missing
    if (running := len(list(Path("/proc/self/task").iterdir()))) > 1:
        raise RuntimeError(f"a process shuts itself in before it starts threads; {running} run")
    found = support()
    missing = list(found.missing)
    privileges.close_descriptors(keeps)
    privileges.limit(plan.data_bytes)
    instructions = seccomp.program(plan, machine=os.uname().machine, pid=os.getpid()) if found.seccomp else []
    try:
        privileges.no_new_privileges()
        privileges.drop_capabilities()
        if found.landlock:
            landlock.restrict(rules(plan), landlock=found.landlock, connects=plan.network)
        if instructions:
            seccomp.install(instructions)
    except OSError as error:
        missing.append(f"{error.strerror or error}")
    return tuple(missing)
