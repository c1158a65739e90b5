"""Which files a process may open, as a rule set of Landlock. In: folders and files. Out: a process that is shut in.

Three system calls and a flag, without root; in force for good, for this thread and all that it starts. Rights are
checked where a file is opened: what is open already goes on. The libraries for it were looked at: `sandlock` asks for
Linux 6.7 and brings a supervisor, `landlock` and `landlockpy` have not reached a first stable release.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from enum import IntFlag
from functools import cache
from typing import Final

CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
"""System calls, alike on all processors."""

VERSION: Final = 1
"""Flag: tells the version of the interface."""

PATH_BENEATH: Final = 1
"""Kind of rule."""


class FileAccess(IntFlag):
    """Rights, by their bits."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    """Links and renames between folders; without a version that knows it they are refused."""
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


READ: Final = FileAccess.READ_FILE | FileAccess.READ_DIR
USE_DEVICE: Final = FileAccess.READ_FILE | FileAccess.WRITE_FILE | FileAccess.IOCTL_DEV
RUN: Final = READ | FileAccess.EXECUTE
WRITE: Final = (
    READ
    | FileAccess.WRITE_FILE
    | FileAccess.TRUNCATE
    | FileAccess.REMOVE_DIR
    | FileAccess.REMOVE_FILE
    | FileAccess.MAKE_DIR
    | FileAccess.MAKE_REG
    | FileAccess.MAKE_SYM
    | FileAccess.REFER
)
ON_FILES: Final = (
    FileAccess.EXECUTE | FileAccess.WRITE_FILE | FileAccess.READ_FILE | FileAccess.TRUNCATE | FileAccess.IOCTL_DEV
)
"""Rights that a file can have; the others are those of folders."""

SINCE: Final = {FileAccess.REFER: 2, FileAccess.TRUNCATE: 3, FileAccess.IOCTL_DEV: 5}
"""Versions that brought rights; the others have been there from the first."""

TCP_SINCE: Final = 4
SCOPES_SINCE: Final = 6
BIND_TCP, CONNECT_TCP = 1, 2
ABSTRACT_SOCKETS, SIGNALS = 1, 2
"""What is kept to other processes that are shut in here."""


def version() -> int:
    """Of the kernel's interface; 0 where there is none, or where it is not switched on."""
    found = _library().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    return max(0, int(found))


def known_rights(landlock: int) -> FileAccess:
    """All rights that a version knows, every one of which is taken away unless a rule gives it."""
    late = (right for right, since in SINCE.items() if since > landlock)
    rights = ~FileAccess(0)
    for right in late:
        rights &= ~right
    return rights


def restrict(rules: Iterable[tuple[str, FileAccess]], *, landlock: int, connects: bool) -> None:
    """Shuts this thread in; raises OSError. `landlock`: the version, at least 1. `connects`: TCP goes on."""
    known = known_rights(landlock)
    fields = [int(known)]
    if landlock >= TCP_SINCE:
        fields.append(BIND_TCP if connects else BIND_TCP | CONNECT_TCP)
    if landlock >= SCOPES_SINCE:
        fields.append(ABSTRACT_SOCKETS | SIGNALS)
    handled = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _call(CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0)
    try:
        for path, rights in rules:
            _allow(ruleset, path, rights & known)
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: FileAccess) -> None:
    """Gives rights to a file, or to a folder with all that it holds; what is not there is left out."""
    if sys.platform != "linux":
        return
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= ON_FILES
        with suppress(OSError):  # a file system of the kernel's own that can have no rules stays closed
            _call(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", int(rights), opened), 0)
    finally:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    found = _library().syscall(number, *arguments)
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(found)


@cache
def _library() -> ctypes.CDLL:
    """The C library: to open it takes longer than a call."""
    return ctypes.CDLL(None, use_errno=True)
