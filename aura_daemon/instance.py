"""One daemon an inbox, and one a state folder: locks that die with their process.

In: inbox, state folder. Out: the locks, or whose they are.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from aura_daemon.core.names import OWN_FOLDER
from aura_daemon.durable import is_writable
from aura_daemon.errors import Problem, UserError


class InstanceLock:
    """Held from `acquire` until `release` or the end of the process, however it ends."""

    def __init__(self, inbox: Path, state: Path) -> None:
        self._folders = {"state": (state, state)}
        if is_writable(inbox):
            self._folders = {"inbox": (inbox, inbox / OWN_FOLDER), **self._folders}
        self._descriptors: list[int] = []

    def acquire(self) -> None:
        """Raises UserError naming the process that has one of them."""
        try:
            for key, (folder, place) in self._folders.items():
                self._descriptors.append(_lock(place / "lock", key, folder))
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Lets the next one in; the files stay, so that nobody locks a file that has just been unlinked."""
        for descriptor in self._descriptors:
            os.ftruncate(descriptor, 0)
            os.close(descriptor)
        self._descriptors = []


def _lock(file: Path, key: str, folder: Path) -> int:
    """The descriptor that holds the lock."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        message = f"another aura-daemon (process {holder}) works on {folder}; stop it first, or use its outbox"
        raise UserError([Problem(key=key, message=message)]) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor
