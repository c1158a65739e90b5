"""A worker without torch on a kernel without Landlock: `python -m tests.support.without_landlock FD PARENT_PID`.

The kernel is this one, of which a filter of system calls hides a part.
"""

from __future__ import annotations

import runpy

from aura_daemon.system.sandbox import seccomp
from aura_daemon.system.sandbox.landlock import CREATE_RULESET
from aura_daemon.system.sandbox.privileges import no_new_privileges

if __name__ == "__main__":
    no_new_privileges()
    seccomp.install(
        [
            (seccomp.LOAD, 0, 0, seccomp.NUMBER_AT),
            (seccomp.IF_EQUAL, 0, 1, CREATE_RULESET),
            (seccomp.RETURN, 0, 0, seccomp.UNKNOWN),
            (seccomp.RETURN, 0, 0, seccomp.ALLOW),
        ]
    )
    runpy.run_module("tests.support.light_child", run_name="__main__")
