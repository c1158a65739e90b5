"""One daemon an inbox: a lock that dies with its process. In: inbox, state folder. Out: the lock, or whose it is."""

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
        own = inbox / OWN_FOLDER
        self._file = (own if is_writable(inbox) else state) / "lock"
        self._inbox = inbox
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises UserError naming the process that has it."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            message = f"another aura-daemon (process {holder}) works on {self._inbox}; stop it first, or use its outbox"
            raise UserError([Problem(key="inbox", message=message)]) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Lets the next one in; the file stays, so that nobody locks a file that has just been unlinked."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None
