"""Opens and reads regular files that anybody may have put there. In: a path. Out: bytes, a hash, a status.

A file is opened once, without following links or blocking on a FIFO, and checked on the descriptor. With `below=`, no
folder on the way from there is a link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from aura_daemon.system.windows import needs_wsl2


class NotARegularFile(OSError):
    """A link, FIFO, socket, device or folder where a file was expected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """The bytes of a file, their hash, and the status of its descriptor."""

    content: bytes = field(repr=False)
    sha256: str
    status: os.stat_result


def open_regular(path: Path, *, below: Path | None = None) -> int:
    """Opens a file for reading; raises NotARegularFile, FileNotFoundError or another OSError, and never blocks."""
    try:
        descriptor = _open(path, below)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotARegularFile(error.errno, "not a regular file", os.fspath(path)) from None
        error.filename = os.fspath(path)
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotARegularFile(errno.EINVAL, "not a regular file", os.fspath(path))
    return descriptor


@contextmanager
def folder_of(path: Path, *, below: Path) -> Iterator[int]:
    """A descriptor of the folder of a file; raises NotARegularFile where a folder between `below` and it is a link."""
    if sys.platform == "win32":
        raise needs_wsl2()
    flags = os.O_RDONLY | os.O_DIRECTORY
    descriptor = os.open(below, flags)
    try:
        for name in path.relative_to(below).parts[:-1]:
            outer = descriptor
            descriptor = os.open(name, flags | os.O_NOFOLLOW, dir_fd=outer)
            os.close(outer)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise NotARegularFile(error.errno, "a link leads there", os.fspath(path)) from None
        error.filename = os.fspath(path)
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def leads_astray(folder: Path, *, below: Path) -> bool:
    """Whether a link on the way from `below` to a folder leads out of `below`; missing folders lead nowhere."""
    return folder != below and not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(below))


def read(path: Path, *, most_bytes: int | None = None, below: Path | None = None) -> Content:
    """Reads a regular file, or its first `most_bytes`, with the hash of what was read."""
    with os.fdopen(open_regular(path, below=below), "rb") as file:
        status = os.fstat(file.fileno())
        content = file.read(-1 if most_bytes is None else most_bytes)
    return Content(content=content, sha256=hashlib.sha256(content).hexdigest(), status=status)


def head(path: Path, *, most_bytes: int, below: Path | None = None) -> tuple[bytes, os.stat_result]:
    """Reads the first bytes of a regular file, and its status."""
    with opened(path, below=below) as file:
        return file.read(most_bytes), os.fstat(file.fileno())


@contextmanager
def opened(path: Path, *, below: Path | None = None) -> Iterator[BinaryIO]:
    """A regular file, open to be read."""
    with os.fdopen(open_regular(path, below=below), "rb") as file:
        yield file


def sha256_of(path: Path) -> str:
    """The hash of a regular file, computed in constant memory."""
    with os.fdopen(open_regular(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def asked_status(file: Path, *, below: Path | None = None) -> os.stat_result:
    """What `lstat` tells of a file, once its server was asked; raises OSError.

    NFS tells it from memory for 3 s to a minute, while others write to the file, and asks its server at every `open`.
    """
    if sys.platform != "win32":  # there, who writes a file cannot rename it while it is open elsewhere
        with suppress(OSError):  # whoever may not open it judges by what `lstat` tells
            os.close(open_regular(file, below=below))
    return file.lstat()


def exists(place: Path) -> bool:
    """Whether a path exists, even as a dangling link; raises OSError where the file system cannot tell."""
    try:
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _open(path: Path, below: Path | None) -> int:
    if sys.platform == "win32":  # links are looked for before: enough for the commands that read, the only ones there
        folders = path.parents[: len(path.relative_to(below).parts) - 1] if below is not None else ()
        if any(place.is_symlink() for place in (path, *folders)):
            raise OSError(errno.ELOOP, "a link leads there")
        return os.open(path, os.O_RDONLY | os.O_BINARY)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    if below is None:
        return os.open(path, flags)
    with folder_of(path, below=below) as folder:
        return os.open(path.name, flags, dir_fd=folder)
