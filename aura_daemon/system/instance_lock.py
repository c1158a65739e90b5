"""Locks that let one daemon use an inbox and a state folder. In: both. Out: the locks, or the holding process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aura_daemon.errors import Problem, StateRefused, UserError
from aura_daemon.file_names import OWN_FOLDER
from aura_daemon.system.durable_files import is_writable
from aura_daemon.system.private_state import FILE_MODE
from aura_daemon.system.processes.running import is_ending
from aura_daemon.system.windows import needs_wsl2


class InstanceLock:
    """Locks that are held from `acquire` until `release`, or until the process ends in any way."""

    def __init__(self, inbox: Path, state: Path) -> None:
        self._inbox, self._state = inbox, state
        self._descriptors: dict[str, int] = {}

    def acquire(self, *, inbox_is_there: bool = True) -> None:
        """Takes the locks; raises UserError with the process that holds one. `renew` locks an absent inbox later.

        Raises StateRefused where that process is ending, which on NFS may take until its server is back.
        """
        try:
            if inbox_is_there:
                self.renew()
            self._descriptors["state"] = _lock(self._state / "lock", "state", self._state, FILE_MODE)
        except BaseException:
            self.release()
            raise

    def renew(self) -> None:
        """Locks the present inbox, which may be on another file system than before; a read-only inbox is not locked."""
        self._release("inbox")
        if is_writable(self._inbox):
            self._descriptors["inbox"] = _lock(self._inbox / OWN_FOLDER / "lock", "inbox", self._inbox, 0o644)

    def release(self) -> None:
        """Releases the locks. Their files stay: otherwise a process could lock a file that was just unlinked."""
        for key in tuple(self._descriptors):
            self._release(key)

    def _release(self, key: str) -> None:
        if (descriptor := self._descriptors.pop(key, None)) is not None:
            with suppress(OSError):  # the file system may be gone
                os.ftruncate(descriptor, 0)
            with suppress(OSError):  # closed all the same: NFS tells then what it could not write before
                os.close(descriptor)


def _lock(file: Path, key: str, folder: Path, mode: int) -> int:
    """Locks a file and returns its descriptor; raises UserError where another process holds it, or another user."""
    if sys.platform == "win32":
        raise needs_wsl2()
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode)
    except PermissionError:
        message = f"{file} cannot be written: chown all of {file.parent} to the user that runs aura-daemon"
        raise UserError([Problem(key=key, message=message)]) from None
    try:
        _take(descriptor, key, folder)
    except BaseException:
        os.close(descriptor)
        raise
    with suppress(OSError):  # a full disk: the lock holds without the number, which is for others to read
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _take(descriptor: int, key: str, folder: Path) -> None:
    """Raises StateRefused where the holder is ending, and UserError where it is not."""
    if sys.platform == "win32":
        raise needs_wsl2()
    if _takes(descriptor):
        return
    holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
    if holder.isdecimal() and is_ending(int(holder)):
        raise StateRefused(f"process {holder}, which is ending, works on {folder} still")
    message = f"another aura-daemon (process {holder}) works on {folder}; stop it first, or use its outbox"
    raise UserError([Problem(key=key, message=message)])


def _takes(descriptor: int) -> bool:
    """Whether this process holds the lock now: False where another one has it."""
    if sys.platform == "win32":
        raise needs_wsl2()
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def try_lock(file: Path) -> Iterator[bool]:
    """Whether this process holds the lock meanwhile: False where another one has it."""
    if sys.platform == "win32":
        raise needs_wsl2()
    with file.open("a") as opened:
        yield _takes(opened.fileno())
