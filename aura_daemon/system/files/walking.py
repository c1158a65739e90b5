"""Goes through a folder of ours, and deletes in it, without ever following a link. In: a folder. Out: what is in it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aura_daemon.system.files import regular_files
from aura_daemon.system.windows import needs_wsl2


@dataclass(frozen=True, slots=True)
class WalkedFolder:
    """One folder on the way, open until the next one is asked for."""

    path: str
    """Below the folder that is gone through; `.` for itself."""
    descriptor: int
    names: tuple[str, ...]
    """Of everything in it but folders, sorted."""

    def head(self, name: str, most_bytes: int) -> bytes:
        """The first bytes of a regular file in it; empty for anything else, and where it cannot be read."""
        if sys.platform == "win32":
            raise needs_wsl2()
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.descriptor)
        except OSError:
            return b""
        try:
            return os.read(file, most_bytes)
        except OSError:  # a folder
            return b""
        finally:
            os.close(file)

    def status(self, name: str) -> os.stat_result | None:
        """The status of a regular file in it; None for anything else, and in a folder that may not be entered."""
        if sys.platform == "win32":
            raise needs_wsl2()
        try:
            status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except (FileNotFoundError, PermissionError):
            return None
        return status if stat.S_ISREG(status.st_mode) else None

    def delete(self, name: str) -> None:
        """Deletes a file in it, where it is still there; raises OSError."""
        if sys.platform == "win32":
            raise needs_wsl2()
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.descriptor)


def remove_if_empty(folder: Path, *, below: Path) -> None:
    """Removes a folder that holds nothing, unless a link leads there."""
    if sys.platform == "win32":
        raise needs_wsl2()
    with suppress(OSError), regular_files.folder_of(folder, below=below) as outer:
        os.rmdir(folder.name, dir_fd=outer)


def walk(folder: Path, *, below: Path, is_deep: bool = True) -> Iterator[WalkedFolder]:
    """The folder and those in it (`is_deep`) that are on its file system; nothing where it is missing.

    Raises NotARegularFile where a folder between `below` and it, or itself, is a link.
    """
    if sys.platform == "win32":
        raise needs_wsl2()
    try:
        with regular_files.folder_of(folder / "x", below=below) as top:
            device = os.fstat(top).st_dev
            for path, folders, names, descriptor in os.fwalk(".", dir_fd=top):
                if os.fstat(descriptor).st_dev != device:  # another file system is mounted there
                    folders.clear()
                    continue
                folders[:] = sorted(folders) if is_deep else []
                yield WalkedFolder(path, descriptor, tuple(sorted(names)))
    except FileNotFoundError:
        return
