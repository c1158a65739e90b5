"""Whose file or folder denies access, and what to do about it. In: an error, a file. Out: words."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from aura_daemon import file_names


def why_denied(error: OSError, file: Path, *, writes: bool = False, updates: bool = False) -> str:
    """The error in words; where access was denied, also who owns what denies it, its mode, and who asked.

    `writes`: the file was to be moved or made, which its folder allows or denies. `updates`: it was to be written to.
    """
    reason = error.strerror or str(error)
    if not isinstance(error, PermissionError):
        return reason
    denying, mend = _denying(file, writes=writes, updates=updates)
    try:
        status = denying.lstat()
    except OSError:
        return f"{reason}: {file_names.escaped(os.fspath(denying))}"
    subject = "it" if denying == file else f"the folder {file_names.escaped(os.fspath(denying))}"
    owner, mode, asker = user_name(status.st_uid), stat.S_IMODE(status.st_mode), user_name(user_id())
    return f"{reason}: {subject} belongs to {owner} with mode {mode:04o}, and aura-daemon runs as {asker}; {mend}"


def user_id() -> int:
    """The number of the user whose rights count; 0 on Windows, as in the status of every file there."""
    if sys.platform == "win32":
        return 0
    return os.geteuid()


def is_others_link(status: os.stat_result, inbox: Path) -> bool:
    """Whether a file is a hard link to a file of another owner, who may not mean it to be read here."""
    return status.st_nlink > 1 and status.st_uid not in (user_id(), inbox.stat().st_uid)


def is_sticky_for_us(folder: Path) -> bool:
    """Whether this user may not move the files of others out of a folder, as in /tmp (mode 1777)."""
    if sys.platform == "win32":
        return False
    status = folder.stat()
    return bool(status.st_mode & stat.S_ISVTX) and user_id() not in (0, status.st_uid)


def user_name(number: int) -> str:
    """The name of a user, or their number where they have none."""
    if sys.platform != "win32":
        import pwd

        with suppress(KeyError):
            return pwd.getpwuid(number).pw_name
    return f"user {number}"


def may_read(file: Path) -> bool:
    """Whether this process may read a file."""
    return _may(file, os.R_OK)


def may_update(file: Path) -> bool:
    """Whether this process may read and write a file."""
    return _may(file, os.R_OK | os.W_OK)


def _denying(file: Path, *, writes: bool, updates: bool) -> tuple[Path, str]:
    """The first folder on the way that denies access, else the file; and what to do."""
    for folder in reversed(file.parents):
        if not _may(folder, os.X_OK | (os.W_OK if writes and folder == file.parent else 0)):
            return folder, "chmod or chown that folder"
    if writes and is_sticky_for_us(file.parent) and _is_others(file):
        return file.parent, "only the owner of a file may move it out of a sticky folder: chmod -t that folder"
    if may_update(file) if updates else _may(file, os.R_OK):
        return file, "its file system or a security module forbids it"
    return file, "chmod or chown it"


def _is_others(file: Path) -> bool:
    """Whether a file is there and belongs to somebody else."""
    try:
        return file.lstat().st_uid != user_id()
    except OSError:
        return False


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
