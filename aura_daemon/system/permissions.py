"""Whose file or folder denies access, and what to do about it. In: an error, a file. Out: words."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon import file_names

_FOLDER_RIGHTS: Final = {"r": (os.R_OK, "listed"), "w": (os.W_OK, "written"), "x": (os.X_OK, "entered")}
"""What a mode calls a right of folders -> its bit, and what cannot be done without it."""


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


def why_shut(folder: Path, rights: str) -> str:
    """Why this user lacks rights in a folder, and the command that gives them; empty where nothing is lacking.

    `rights`: of `r`, `w` and `x`. A folder that is missing lacks nothing where this user may look for it.
    """
    folder = Path(os.path.realpath(folder))
    for above in reversed(folder.parents):
        if not _may(above, os.X_OK):
            return _shut(above, "x", "", f"cannot be reached: the folder {_quoted(above)}")
    lacking = "".join(right for right in rights if not _may(folder, _FOLDER_RIGHTS[right][0]))
    verbs = " or ".join(_FOLDER_RIGHTS[right][1] for right in lacking)
    return _shut(folder, lacking, rights, f"cannot be {verbs}: it") if lacking else ""


def _shut(folder: Path, lacking: str, needed: str, what: str) -> str:
    """What is shut, whose it is, who asked, and the mend; `needed`: in the folder itself, none in one above it."""
    asker = user_id()
    try:
        status = folder.stat()
    except PermissionError:  # FUSE hides what others have mounted, from root too
        return (
            f"{what} is hidden from {user_name(asker)} by its file system: run aura-daemon as the user who mounted it"
        )
    except OSError:
        return ""
    if not stat.S_ISDIR(status.st_mode):
        return ""
    told = (
        f"{what} belongs to {user_name(status.st_uid)} with mode {stat.S_IMODE(status.st_mode):04o},"
        f" and aura-daemon runs as {user_name(asker)}"
    )
    place, given = _quoted(folder), sum(stat.S_IRUSR >> "rwx".index(right) for right in lacking)
    if status.st_uid == asker and status.st_mode & given != given:
        return f"{told}: `chmod u+{lacking} {place}`"
    if "w" in lacking and _is_read_only(folder):
        return f"{told}: its file system is mounted read-only; mount it writable, or name another folder"
    if asker == 0:
        return f"{told}, whom its file system shuts out, as NFS does (root_squash): run it as a user whom it knows"
    if status.st_uid == asker:
        return f"{told}, whom its file system or a security module shuts out: name another folder"
    user = user_name(asker).removeprefix("user ")
    if not needed:
        return f"{told}: `setfacl -m u:{user}:x {place}`, or name another folder"
    return f"{told}: `chown {user} {place}`, or `setfacl -m u:{user}:{needed} {place}`"


def _is_read_only(folder: Path) -> bool:
    return sys.platform != "win32" and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _quoted(folder: Path) -> str:
    """A folder as a shell takes it."""
    return shlex.quote(file_names.escaped(os.fspath(folder)))


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
