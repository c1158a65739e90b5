"""A socket that listens on TCP or in the file system. In: an address. Out: a socket that never blocks, or why not."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.system.windows import needs_wsl2

BACKLOG: Final = 16
"""Connections that wait to be accepted."""

_ONLY_OWNER_AND_GROUP: Final = 0o117
"""The umask under which a Unix socket is made: its owner and its group may connect."""


class ListeningSocket:
    """A socket that listens; a Unix socket's file is removed with it."""

    def __init__(self, opened: socket.socket, file: Path | None = None) -> None:
        opened.setblocking(False)
        self.socket = opened
        self._file = file
        self._inode = file.lstat().st_ino if file is not None else 0

    @classmethod
    def on_tcp(cls, host: str, port: int) -> ListeningSocket:
        """Listens on an IP address; raises OSError where something else does, or the system refuses."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return cls(socket.create_server((host, port), family=family, backlog=BACKLOG))
        except OSError as error:  # it tells the address twice
            raise OSError(error.errno, os.strerror(error.errno or 0)) from None

    @classmethod
    def on_unix(cls, file: Path) -> ListeningSocket:
        """Listens under a name, mode 0660; raises OSError where something else does, or the name is another file's."""
        if sys.platform == "win32":
            raise needs_wsl2()
        _remove_stale(file)
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(_ONLY_OWNER_AND_GROUP)
        try:
            opened.bind(os.fspath(file))
            opened.listen(BACKLOG)
        except OSError:
            opened.close()
            raise
        finally:
            os.umask(mask)
        return cls(opened, file)

    @property
    def name(self) -> str:
        """Where it listens, with the port that the system chose."""
        if self._file is not None:
            return f"unix:{self._file}"
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        """Stops listening, and removes the socket's file unless another program has put its own there."""
        self.socket.close()
        if self._file is not None:
            with suppress(OSError):
                if self._file.lstat().st_ino == self._inode:
                    self._file.unlink()


def _remove_stale(file: Path) -> None:
    """Removes the socket of a daemon that was killed; raises OSError where a program listens there, or it is none."""
    if sys.platform == "win32":
        return
    try:
        if not stat.S_ISSOCK(file.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "a file that is no socket has this name", os.fspath(file))
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(file))
        except (ConnectionRefusedError, FileNotFoundError):
            file.unlink(missing_ok=True)
            return
        except BlockingIOError:  # its backlog is full
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), os.fspath(file))


def descriptor_of(selector: selectors.DefaultSelector) -> int:
    """A descriptor that is readable when one of a selector's sockets is ready."""
    if sys.platform == "win32":
        raise needs_wsl2()
    return selector.fileno()
