"""Has somebody a file open for writing? In: a path. Out: yes, no, or that nobody here can know.

Linux grants a read lease only while nobody has the file open for writing (fcntl(2), F_SETLEASE). Leases take the file's
owner or CAP_LEASE, and a local file system: the kernel knows nothing of writers on another machine or behind FUSE (FUSE
grants the lease while they write; NFS 4 and SMB may always refuse it). Other systems have no such leases.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from enum import StrEnum
from pathlib import Path

from aura_daemon.system.files import regular_files
from aura_daemon.system.filesystems import file_system_of, is_shared


class Writer(StrEnum):
    """Whether somebody has a file open for writing."""

    NONE = "none"
    SOMEBODY = "somebody"
    UNKNOWN = "unknown"


def writer_of(file: Path, file_system: str | None = None) -> Writer:
    """Whether somebody has a regular file open for writing, where the system tells; raises OSError.

    `file_system`: the kind that the file lies on; None looks it up.
    """
    if sys.platform != "linux":
        return Writer.UNKNOWN
    import fcntl

    descriptor = regular_files.open_regular(file)
    try:
        # A file system on a disk of this machine has a major number: its kind need not be looked up.
        has_disk = os.major(os.fstat(descriptor).st_dev) != 0
        if not has_disk and is_shared(file_system or file_system_of(Path(os.path.realpath(file)))):
            return Writer.UNKNOWN
        # A writer that comes while the lease is held makes the kernel send a signal: SIGURG, which is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return Writer.SOMEBODY if error.errno == errno.EAGAIN else Writer.UNKNOWN
    finally:
        os.close(descriptor)
    return Writer.NONE
