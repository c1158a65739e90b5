"""Returns when what was written lies on the disk: files, and names in folders. Several are waited for at once.

A file system writes down together what several threads wait for together: on ext4 16 new files took the time of one,
where one after the other each waits for a commit of its own (BENCHMARKS.md, "Intake and delivery").
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

_MOST_AT_ONCE: Final = 16

_waiting: Final[ContextVar[dict[str, bool] | None]] = ContextVar("waiting", default=None)
"""Within `together`: folders that have got or lost a name, and files; whether it is a file."""

T = TypeVar("T")


def sync(descriptor: int) -> None:
    """Returns when what was written lies on the disk; macOS's fsync leaves it in the disk's own cache."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # a file system that knows no such order (network mounts): fsync has to do
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def sync_folder(folder: Path | str) -> None:
    """Makes the names in a folder durable, within `together` at its end.

    Does nothing where the file system or the system cannot, or where the folder is gone.
    """
    if sys.platform != "win32":
        _sync_path(os.fspath(folder), os.O_RDONLY | os.O_DIRECTORY, is_file=False)


def sync_file(file: Path | str) -> None:
    """Makes the content of a file durable that another program wrote, within `together` at its end.

    Does nothing where the file system or the system cannot, or where the file cannot be read or is gone.
    """
    if sys.platform != "win32":
        _sync_path(os.fspath(file), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, is_file=True)


def _sync_path(path: str, flags: int, *, is_file: bool) -> None:
    if (waiting := _waiting.get()) is not None:
        waiting[path] = is_file  # path objects take longer to compare
        return
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return
    try:
        sync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EROFS):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def together() -> Iterator[None]:
    """Within the context nothing is durable yet; at its end each folder is synced once, and each file that is to be.

    For several files that each need the same of a folder, and none of which needs the name of another to be durable.
    Nothing is synced where the context ends by an exception.
    """
    waiting: dict[str, bool] = {}
    token = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(token)
    for fault in at_once(lambda path: sync_file(path) if waiting[path] else sync_folder(path), waiting):
        if fault is not None:
            raise fault


def at_once(step: Callable[[T], None], subjects: Iterable[T]) -> list[OSError | None]:
    """Takes a step that waits for the disk for several subjects at once; why it failed for each, in their order."""

    def taken(subject: T) -> OSError | None:
        try:
            step(subject)
        except OSError as error:
            return error
        return None

    several = list(subjects)
    return list(_threads(os.getpid()).map(taken, several)) if len(several) > 1 else list(map(taken, several))


@cache
def _threads(pid: int) -> ThreadPoolExecutor:
    """Of this process: one that was forked has none of its parent's threads, and would wait for them for ever."""
    return ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="sync")
