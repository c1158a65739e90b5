"""Writes and moves users' files; no other module does. A finished write survives a power cut.

A file is written to a temp file in a folder of ours on the same file system, then fsync, link or rename, and fsync of
the folder. No existing file is replaced unless `replace=True`. Files are read by `files.regular_files`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from io import BufferedRandom
from pathlib import Path
from typing import Final

from aura_daemon.system.files import regular_files, syncing, unnamed_files
from aura_daemon.system.private_state import FILE_MODE, FOLDER_MODE

CHUNK_BYTES: Final = 1 << 20
"""Bytes that are copied at once."""

_NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EIO})
"""Errors of `link` on file systems without hard links (FAT, some network mounts). rclone's mounts say EIO; where a disk
is broken, the rename that is tried instead says so."""


def is_writable(folder: Path) -> bool:
    """Whether files can be renamed within a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


class StagedFile:
    """A file that is written and has no name yet: `sync`, then `publish`; `discard` whatever has happened.

    No existing file is replaced unless `replace`. `temp_folder` must be on the target's file system. Group and access
    list are those that the target's folder gives, the mode follows the umask; or the mode is 0600 (`is_private`).
    """

    def __init__(
        self, target: Path, content: bytes, *, temp_folder: Path, replace: bool = False, is_private: bool = False
    ) -> None:
        self._target = target
        self._replace = replace
        self._has_name = False
        self._temp = _prepare(target, temp_folder, is_private=is_private)
        self._file, self._is_unnamed = _opened(self._temp, target.parent, is_private=is_private)
        try:
            self._file.write(content)
            self._file.flush()
        except BaseException:
            self.discard()
            raise

    def sync(self) -> None:
        """Returns when the content lies on the disk."""
        syncing.sync(self._file.fileno())

    def publish(self, *, is_durable: bool = True) -> None:
        """Gives the file its name, which is durable by `sync_folder`; raises FileExistsError where it is taken."""
        has_name = self._is_unnamed and _name(self._file, self._target, self._temp, replace=self._replace)
        self._file.close()
        if has_name:
            pass
        elif self._replace:
            self._temp.replace(self._target)
        elif _link(self._temp, self._target):
            self._temp.unlink()
        self._has_name = True
        if is_durable:
            syncing.sync_folder(self._target.parent)

    def discard(self) -> None:
        """Removes what has no name."""
        if self._has_name:
            return
        with suppress(OSError):  # what the disk refused to take it refuses once more
            self._file.close()
        self._temp.unlink(missing_ok=True)


def write(
    target: Path,
    content: bytes,
    *,
    temp_folder: Path,
    replace: bool = False,
    is_private: bool = False,
    is_durable: bool = True,
) -> None:
    """Writes a file completely or not at all; raises FileExistsError where the name is taken, unless `replace`.

    A file that can be made again need not be durable: a power cut may leave it empty (`replace` only).
    """
    staged = StagedFile(target, content, temp_folder=temp_folder, replace=replace, is_private=is_private)
    try:
        if is_durable:
            staged.sync()
        staged.publish(is_durable=is_durable)
    finally:
        staged.discard()


def write_all(files: Mapping[Path, bytes], *, temp_folder: Path) -> None:
    """Writes files that belong together, or none of them; they get their names at the end, in their order.

    Raises FileExistsError where a name is taken. A crash between two names leaves the first of them.
    """
    published: list[Path] = []
    with ExitStack() as stack:
        staged: list[StagedFile] = []
        for target, content in files.items():
            staged.append(StagedFile(target, content, temp_folder=temp_folder))
            stack.callback(staged[-1].discard)
        try:
            for fault in syncing.at_once(StagedFile.sync, staged):
                if fault is not None:
                    raise fault
            for target, file in zip(files, staged, strict=True):
                file.publish()
                published.append(target)
        except BaseException:
            for target in published:
                target.unlink(missing_ok=True)
            raise


def take(source: Path, target: Path, *, below: Path) -> None:
    """Renames a file out of its folder; raises NotARegularFile where a folder between `below` and it is a link."""
    with regular_files.folder_of(source, below=below) as folder:
        os.rename(source.name, target, src_dir_fd=folder)


def move(source: Path, target: Path, *, temp_folder: Path) -> None:
    """Moves a file without replacing another; across file systems by copy, fsync, verify and unlink.

    `temp_folder` must be on the target's file system; raises FileExistsError where the target is taken.
    """
    make_folder(target.parent)
    try:
        _rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, target, temp_folder=temp_folder)
        source.unlink()
    syncing.sync_folder(source.parent)


def place(source: Path, target: Path, *, temp_folder: Path) -> None:
    """Gives a file a second name, or moves it where that is impossible; raises FileExistsError where it is taken.

    Whoever calls removes the first name, once the second is durable. `temp_folder`: as for `move`.
    """
    make_folder(target.parent)
    try:
        _link(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, target, temp_folder=temp_folder)
    syncing.sync_folder(target.parent)


def copy(
    source: Path,
    target: Path,
    *,
    temp_folder: Path,
    below: Path | None = None,
    check: Callable[[os.stat_result], None] = lambda status: None,
    is_private: bool = False,
    stands_for: Path | None = None,
) -> str:
    """Copies a regular file durably and verifies the copy by hash, which it returns; raises FileExistsError.

    `check` gets the status of the source's descriptor before anything is written, and may raise. The mode follows the
    umask, but lets in no more users than that of the source, or of what this is a copy of (`stands_for`); or it is 0600
    (`is_private`).
    """
    temp = _prepare(target, temp_folder, is_private=is_private)
    digest = hashlib.sha256()
    try:
        with os.fdopen(regular_files.open_regular(source, below=below), "rb") as reader:
            status = os.fstat(reader.fileno())
            check(status)
            writer, is_unnamed = _opened(temp, target.parent, is_private=is_private)
            with writer:
                while chunk := reader.read(CHUNK_BYTES):
                    digest.update(chunk)
                    writer.write(chunk)
                if not is_private:
                    _restrict(writer.fileno(), status if stands_for is None else stands_for.lstat())
                writer.flush()
                syncing.sync(writer.fileno())
                writer.seek(0)
                if hashlib.file_digest(writer, "sha256").digest() != digest.digest():
                    raise OSError(errno.EIO, "the copy does not hold what was written", os.fspath(target))
                _set_times(writer, temp, status)
                has_name = is_unnamed and _name(writer, target, temp, replace=False)
        if has_name:
            syncing.sync_folder(target.parent)
        else:
            _rename(temp, target)
    finally:
        temp.unlink(missing_ok=True)
    return digest.hexdigest()


def opened_for_writing(temp: Path, *, is_private: bool) -> BufferedRandom:
    """A new or emptied file; its mode follows the umask, or is 0600."""
    mode = FILE_MODE if is_private else 0o666
    return open(temp, "w+b", opener=lambda path, flags: os.open(path, flags, mode))


def make_folder(folder: Path, *, is_private: bool = False) -> None:
    """Makes a folder and its parents durably; raises NotADirectoryError where a file is in the way.

    Their modes follow the umask, or are 0700 (`is_private`).
    """
    missing = []
    while not os.path.isdir(folder):  # noqa: PTH112 - asked three times a write
        if os.path.lexists(folder):
            raise NotADirectoryError(errno.ENOTDIR, "a file stands where a folder is needed", os.fspath(folder))
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(mode=FOLDER_MODE if is_private else 0o777, exist_ok=True)
        syncing.sync_folder(made.parent)


def _opened(temp: Path, folder: Path, *, is_private: bool) -> tuple[BufferedRandom, bool]:
    """A new file for a folder, and whether it has no name; else it is called `temp` for now."""
    if is_private:
        return opened_for_writing(temp, is_private=True), False
    if (opened := unnamed_files.opened(folder, temp)) is not None:
        return opened
    file = opened_for_writing(temp, is_private=False)
    unnamed_files.take_group(file.fileno(), folder)
    return file, False


def _name(file: BufferedRandom, target: Path, temp: Path, *, replace: bool) -> bool:
    """Gives a file without a name its name; False where there are no hard links: then its content is called `temp`."""
    try:
        if replace:
            temp.unlink(missing_ok=True)
            unnamed_files.name(file, temp)
            temp.replace(target)
        else:
            unnamed_files.name(file, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
    else:
        return True
    file.seek(0)
    with opened_for_writing(temp, is_private=False) as named:
        shutil.copyfileobj(file, named, CHUNK_BYTES)
        named.flush()
        syncing.sync(named.fileno())
        status = os.fstat(file.fileno())
        _restrict(named.fileno(), status)
        _set_times(named, temp, status)
    return False


def _restrict(descriptor: int, source: os.stat_result) -> None:
    """Lets nobody read a copy who may not read its source; gives it to the source's owner, where that is allowed."""
    if sys.platform == "win32":
        return
    copied = os.fstat(descriptor)
    mode = stat.S_IMODE(copied.st_mode)
    if mode & ~(source.st_mode | FILE_MODE):
        os.fchmod(descriptor, mode & (source.st_mode | FILE_MODE))
    if copied.st_uid != source.st_uid:
        with suppress(OSError):
            os.fchown(descriptor, source.st_uid, -1)


def _set_times(file: BufferedRandom, temp: Path, source: os.stat_result) -> None:
    where = file.fileno() if os.utime in os.supports_fd else temp
    os.utime(where, ns=(source.st_atime_ns, source.st_mtime_ns))


def _prepare(target: Path, temp_folder: Path, *, is_private: bool) -> Path:
    """Makes the folders for a file to write; returns the temporary path to write to first.

    Nobody else looks into a temporary folder, whatever the folder of the target is.
    """
    make_folder(temp_folder.parent, is_private=is_private)
    make_folder(temp_folder, is_private=True)
    make_folder(target.parent, is_private=is_private)
    return temp_folder / f"{os.getpid()}-{hashlib.sha256(os.fsencode(target)).hexdigest()[:16]}.tmp"


def _rename(file: Path, target: Path) -> None:
    """Gives a file another name, which replaces nothing and is durable, instead of the one it has."""
    if _link(file, target):
        file.unlink()
    syncing.sync_folder(target.parent)


def _link(file: Path, target: Path) -> bool:
    """Gives a file another name, which replaces nothing; False where the file has only that one now."""
    if sys.platform == "win32":
        file.rename(target)  # which replaces nothing there
        return False
    try:
        os.link(file, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # Without hard links, the standard library has no atomic "only if absent". The daemon is the only program
        # that publishes here, so the check before the rename suffices, except in a race with a foreign program.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "exists", os.fspath(target)) from None
        file.rename(target)
        return False
    return True
