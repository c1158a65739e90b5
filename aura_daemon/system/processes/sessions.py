"""A program in a session of its own, with its output to be read and a descriptor that tells of its end; POSIX.

In: an argument list, variables, bytes for its standard input. Out: the process. Nothing blocks.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from aura_daemon.system.windows import needs_wsl2


def environment_bytes() -> dict[bytes, bytes]:
    """The environment of this process; variables need not be text."""
    if sys.platform == "win32":
        raise needs_wsl2()
    return dict(os.environb)


def started(command: Sequence[str], environment: Mapping[bytes, bytes], content: bytes) -> subprocess.Popen[bytes]:
    """Starts a program with `content` on its standard input; its output can be read without waiting. Raises OSError."""
    if sys.platform == "win32":
        raise needs_wsl2()
    with _file_of(content) as standard_input:
        process = subprocess.Popen(
            command,
            stdin=standard_input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    return process


def signal_group(process: subprocess.Popen[bytes], *, kills: bool) -> None:
    """Sends SIGTERM, or SIGKILL, to a started program and to all in its process group."""
    if sys.platform == "win32":
        raise needs_wsl2()
    with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
        os.killpg(process.pid, signal.SIGKILL if kills else signal.SIGTERM)


def descriptor_of_end(process: subprocess.Popen[bytes]) -> int | None:
    """A descriptor that is readable once a program has ended; None where the system has none."""
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel before 5.3, or a filter of system calls
            return os.pidfd_open(process.pid)
    return None


def _file_of(content: bytes) -> IO[bytes]:
    """A file without a name that holds some bytes: a pipe would block where it is not read. In memory on Linux."""
    if sys.platform == "linux":
        file: IO[bytes] = os.fdopen(os.memfd_create("aura-daemon-hook"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the caller
    file.write(content)
    file.flush()
    file.seek(0)
    return file
