"""One daemon an inbox, and one a state folder: locks that die with their process.

In: inbox, state folder. Out: the locks, or whose they are.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from aura_daemon.errors import Problem, UserError
from aura_daemon.file_names import OWN_FOLDER
from aura_daemon.system.durable_files import is_writable


class InstanceLock:
    """Held from `acquire` until `release` or the end of the process, however it ends."""

    def __init__(self, inbox: Path, state: Path) -> None:
        self._inbox, self._state = inbox, state
        self._descriptors: dict[str, int] = {}

    def acquire(self, *, inbox_is_there: bool = True) -> None:
        """Raises UserError naming the process that has one of them; of an inbox that is away, see `renew`."""
        try:
            if inbox_is_there:
                self.renew()
            self._descriptors["state"] = _lock(self._state / "lock", "state", self._state)
        except BaseException:
            self.release()
            raise

    def renew(self) -> None:
        """Locks the inbox that stands there now: it may be another file system than before. A read-only one is not."""
        self._let_go("inbox")
        if is_writable(self._inbox):
            self._descriptors["inbox"] = _lock(self._inbox / OWN_FOLDER / "lock", "inbox", self._inbox)

    def release(self) -> None:
        """Lets the next one in; the files stay, so that nobody locks a file that has just been unlinked."""
        for key in tuple(self._descriptors):
            self._let_go(key)

    def _let_go(self, key: str) -> None:
        descriptor = self._descriptors.pop(key, None)
        if descriptor is not None:
            with suppress(OSError):  # its file system may be gone
                os.ftruncate(descriptor, 0)
            os.close(descriptor)


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
