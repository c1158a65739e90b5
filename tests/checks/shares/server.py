"""What the stories ask of a server of shares, and where it serves from."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from tests.support.users import User

PLACE: Final = Path("/tmp")
"""In the machine's memory, as all that it writes."""
SERVED: Final = PLACE / "served"
"""Holds a folder for each share."""

ADDRESS: Final = "127.0.0.1"


class Server(Protocol):
    """A server of this machine, and the clients that mount from it."""

    programs: Mapping[str, str]
    """What has to be installed: program -> its package."""
    modules: tuple[str, ...]
    """Of the kernel, that server and client need."""
    shares: tuple[str, ...]
    port: int

    def set_up(self) -> None:
        """Makes what the server wants to find; the folders of the shares are there."""

    def start(self) -> None:
        """Begins to serve."""

    def stop(self) -> None:
        """Goes away without a word to its clients."""

    def mounted(self, share: str, user: User) -> Path:
        """The share as this user reaches it."""

    def writing(self, share: str, name: str) -> AbstractContextManager[Callable[[str], None]]:
        """Has another client write a file of AURA's piece by piece; at the end it has closed the file."""


def answers(server: Server) -> bool:
    """Whether somebody serves."""
    try:
        socket.create_connection((ADDRESS, server.port), timeout=1).close()
    except OSError:
        return False
    return True
