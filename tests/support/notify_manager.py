"""A service manager's socket, for tests: what a daemon says to systemd."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.deadline import DEADLINE_S


class NotifyManager:
    """Listens as systemd does."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.messages: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def receive(self) -> None:
        """Takes every message that has come."""
        while True:
            try:
                message = self._socket.recv(65536).decode()
            except BlockingIOError:
                return
            self.messages.append(dict(line.split("=", 1) for line in message.splitlines()))

    def said(self, key: str) -> list[str]:
        """The values of a key, in the order in which they came."""
        self.receive()
        return [message[key] for message in self.messages if key in message]

    def all(self) -> list[dict[str, str]]:
        """Every message so far."""
        self.receive()
        return self.messages

    def until(self, is_met: Callable[[], object], what: str = "") -> None:
        """Listens until a condition is met."""
        end_s = time.monotonic() + DEADLINE_S
        while not is_met():
            assert time.monotonic() < end_s, f"{what}: {self.messages}"
            select.select([self._socket], [], [], 0.1)
            self.receive()

    def close(self) -> None:
        self._socket.close()


@contextmanager
def notify_manager(folder: Path) -> Iterator[NotifyManager]:
    """A manager whose socket lies in a folder."""
    manager = NotifyManager(str(folder / "notify"))
    try:
        yield manager
    finally:
        manager.close()
