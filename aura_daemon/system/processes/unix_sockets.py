"""Datagram sockets under a name in a folder, for its owner alone. In: folder and name. Out: sockets, addresses."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aura_daemon.system.windows import needs_wsl2

MAX_PATH_BYTES: Final = 100
"""A socket's path has at most 108 bytes with its final zero (unix(7)), and 104 on macOS. Linux knows shorter paths."""


def bound(folder: Path, name: str) -> socket.socket:
    """A datagram socket under a name in a folder, which only its owner may use; raises OSError."""
    if sys.platform == "win32":
        raise needs_wsl2()
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    mask = os.umask(0o177)
    try:
        opened.setblocking(False)
        with address(folder, name) as place:
            opened.bind(place)
    except OSError:
        opened.close()
        raise
    finally:
        os.umask(mask)
    return opened


def connected(place: str) -> socket.socket:
    """A datagram socket that sends to a path, or to an abstract name, and never blocks; raises OSError."""
    if sys.platform == "win32":
        raise needs_wsl2()
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    opened.setblocking(False)
    try:
        opened.connect(place)
    except OSError:
        opened.close()
        raise
    return opened


@contextmanager
def address(folder: Path, name: str) -> Iterator[str]:
    """A path to a socket that is short enough for the system."""
    if len(os.fsencode(folder / name)) <= MAX_PATH_BYTES:
        yield os.fspath(folder / name)
        return
    if sys.platform != "linux":
        raise OSError(errno.ENAMETOOLONG, f"its path has more than {MAX_PATH_BYTES} bytes: name another folder")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
