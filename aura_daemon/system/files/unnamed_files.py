"""A file that is written where it will lie before it has a name: its group and access list are what that folder gives.

In: a folder. Out: a file without a name (Linux: O_TMPFILE), which nobody sees and no crash leaves behind. btrfs has
none that `fsync` makes durable: there it gets a temporary name elsewhere before anything is written. NFS, SMB and most
FUSE file systems have none at all: there a file is made under a temporary name, and `take_group` gives it its group.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from contextlib import suppress
from functools import cache
from io import BufferedRandom
from pathlib import Path
from typing import Final

DURABLE_ON: Final = frozenset({0xEF53, 0x58465342, 0x01021994})
"""Numbers (`statfs`) of ext2 to ext4, xfs and tmpfs, where a file without a name is whole after `fsync`.

btrfs skips inodes that no name leads to (`btrfs_log_inode_parent`): after a power cut the name that the file got then
led to nothing. Others have not been tried by power cuts.
"""


def opened(folder: Path, temp: Path) -> tuple[BufferedRandom, bool] | None:
    """A new file in a folder, and whether it has no name; None where there is no such thing.

    Its mode follows umask or folder. Where fsync needs a name, it is called `temp`, which lies on the same file system.
    """
    if sys.platform != "linux":
        return None
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except OSError:  # where files cannot be made at all, the attempt with a name says why
        return None
    file = os.fdopen(descriptor, "w+b")
    is_unnamed = file_system_number(descriptor) in DURABLE_ON
    try:
        if not os.path.exists(_link_to(descriptor)):  # noqa: PTH110 - without /proc a file gets no name any more
            raise FileNotFoundError(_link_to(descriptor))
        if not is_unnamed:
            temp.unlink(missing_ok=True)
            name(file, temp)
    except OSError:  # no hard links, or a subvolume of its own: the attempt with a name says what can be done
        file.close()
        return None
    return file, is_unnamed


def name(file: BufferedRandom, target: Path) -> None:
    """Gives the file its name; raises FileExistsError where it is taken."""
    if sys.platform != "linux":
        raise AssertionError("nobody has a file without a name here")
    descriptor = file.fileno()
    # With `src_dir_fd` Python calls linkat, which alone follows the link of /proc; the path is absolute.
    os.link(_link_to(descriptor), target, src_dir_fd=descriptor, follow_symlinks=True)


def file_system_number(descriptor: int) -> int:
    """What kind of file system an open file lies on, as Linux numbers them (`statfs.h`); 0 where it cannot be asked."""
    answer = (ctypes.c_long * 32)()  # struct statfs begins with the number; it takes 120 bytes
    return int(answer[0]) if _library().fstatfs(descriptor, answer) == 0 else 0


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def take_group(descriptor: int, folder: Path) -> None:
    """Gives a file that was made elsewhere the group of a folder whose files take it (setgid), where it may."""
    if sys.platform == "win32":
        return
    status = folder.stat()
    if status.st_mode & stat.S_ISGID and os.fstat(descriptor).st_gid != status.st_gid:
        with suppress(OSError):
            os.fchown(descriptor, -1, status.st_gid)


def _link_to(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
