"""The socket on which a service manager hears how this process is: sd_notify(3). In: assignments. Out: datagrams.

systemd names the socket in $NOTIFY_SOCKET, and the time of its watchdog in $WATCHDOG_USEC. A message that the manager
does not take at once is kept, in order, and sent with the next: the daemon never waits for the manager.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Mapping
from typing import Final

from loguru import logger

from aura_daemon.system.processes import unix_sockets

MOST_KEPT: Final = 100
"""Messages that wait for the manager; the oldest go first."""


def watchdog_s(environment: Mapping[str, str], pid: int) -> float | None:
    """Seconds after which the manager takes this process for hung, without a sign of life; None: it does not look."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isascii() or not microseconds.isdigit() or int(microseconds) == 0:
        return None
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(microseconds) / 1_000_000


class NotifySocket:
    """The way to the service manager, or nowhere: messages to a manager that is not there are dropped."""

    def __init__(self, address: str = "") -> None:
        """`address`: as in $NOTIFY_SOCKET: a path, or a name with `@` in front."""
        self._kept: deque[bytes] = deque(maxlen=MOST_KEPT)
        self._socket = _connected(address) if address else None

    @property
    def is_open(self) -> bool:
        """Whether a manager listens."""
        return self._socket is not None

    @property
    def has_kept(self) -> bool:
        """Whether messages wait to be sent."""
        return bool(self._kept)

    def send(self, *assignments: str) -> None:
        """Sends `KEY=value` assignments as one message, after those that wait."""
        if self._socket is not None:
            self._kept.append("\n".join(assignments).encode())
            self.flush()

    def flush(self) -> None:
        """Sends what waits, as far as the manager takes it now."""
        while self._kept and self._socket is not None:
            try:
                self._socket.send(self._kept[0])
            except BlockingIOError:
                return
            except OSError as error:  # the manager has closed its socket: it is started anew, or this is a test's end
                logger.debug("the service manager does not listen any more: {}", error)
                self.close()
                return
            self._kept.popleft()

    def close(self) -> None:
        """Gives the socket back."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._kept.clear()


def of_this_process() -> NotifySocket:
    """The way to the manager that started this process."""
    return NotifySocket(os.environ.get("NOTIFY_SOCKET", ""))


def _connected(address: str) -> socket.socket | None:
    if address[0] not in "/@":
        logger.warning("NOTIFY_SOCKET={} is neither a path nor an abstract name: nobody is told", address)
        return None
    try:
        return unix_sockets.connected("\0" + address[1:] if address[0] == "@" else address)
    except OSError as error:
        logger.warning("the service manager cannot be told anything: {}: {}", address, error.strerror)
        return None
