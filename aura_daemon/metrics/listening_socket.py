"""The socket that the HTTP server listens on. In: an address. Out: a socket that never blocks, or OSError with why."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.config.listening import Address, TcpAddress, UnixAddress

BACKLOG: Final = 16
"""Connections that wait to be accepted."""

_ONLY_OWNER_AND_GROUP: Final = 0o117
"""The umask under which a Unix socket is made: its owner and its group may connect."""


class ListeningSocket:
    """A socket that listens; a Unix socket's file is removed with it."""

    def __init__(self, address: Address) -> None:
        """Raises OSError where something else listens there, or the system refuses."""
        self._file: tuple[Path, int] | None = None
        match address:
            case TcpAddress():
                family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
                self.socket = socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
            case UnixAddress():
                path = Path(address.path)
                _remove_stale(path)
                self.socket = _bound(path)
                self._file = path, path.lstat().st_ino
        self.socket.setblocking(False)

    @property
    def name(self) -> str:
        """Where it listens, with the port that the system chose."""
        if self._file is not None:
            return f"unix:{self._file[0]}"
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        """Stops listening, and removes the socket's file unless another program has put its own there."""
        self.socket.close()
        if self._file is not None:
            path, inode = self._file
            with suppress(OSError):
                if path.lstat().st_ino == inode:
                    path.unlink()


def _bound(path: Path) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(_ONLY_OWNER_AND_GROUP)
    try:
        opened.bind(os.fspath(path))
        opened.listen(BACKLOG)
    except OSError:
        opened.close()
        raise
    finally:
        os.umask(mask)
    return opened


def _remove_stale(path: Path) -> None:
    """Removes the socket of a daemon that was killed; raises OSError where a program listens there, or it is none."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "a file that is no socket has this name", os.fspath(path))
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:  # its backlog is full
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), os.fspath(path))
