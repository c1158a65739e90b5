"""A child that is joined to its parent by a socket, lives no longer, and is the first to go when memory runs out.

The parent calls `started`, the child `become_a_child`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.system.processes import stop_signals
from aura_daemon.system.windows import needs_wsl2

PR_SET_PDEATHSIG: Final = 1
"""prctl(2): sets the signal that this process gets when its parent's thread ends."""

OOM_SCORE_ADJUSTMENT: Final = 500
"""From -1000 to 1000: the kernel's out-of-memory killer chooses this process before the daemon or a desktop."""

OF_THE_DAEMON: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables of a service manager, to which a child must not speak."""


def environment_with(further: Mapping[str, str | None]) -> dict[str, str]:
    """The variables of a child: those of this process, and further ones; None takes one away."""
    inherited = {name: value for name, value in os.environ.items() if name not in OF_THE_DAEMON}
    return {name: value for name, value in {**inherited, **further}.items() if value is not None}


def started(
    command: Sequence[str], options: Sequence[str], environment: Mapping[str, str | None]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A running child, and this end of the socket to it; raises OSError.

    The command gets the number of its end's descriptor and this process's pid, then the options. `environment`: added
    to that of this process.
    """
    ours, theirs = socket.socketpair()
    try:
        with stop_signals.blocked():
            process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(os.getpid()), *options],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env=environment_with(environment),
            )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


def received_by_now(channel: socket.socket, most_bytes: int) -> bytes:
    """What has arrived on a socket that others use as a blocking one; raises BlockingIOError where nothing has."""
    if sys.platform == "win32":
        raise needs_wsl2()
    return channel.recv(most_bytes, socket.MSG_DONTWAIT)


def become_a_child(parent: int) -> None:
    """Makes this process end with its parent; ends at once where the parent has ended already."""
    stop_signals.ignore()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_ADJUSTMENT), encoding="ascii")
    if os.getppid() != parent:
        sys.exit("the daemon that started this worker is gone")
