"""POSIX access control lists (acl(5)) of files and folders, as Linux keeps them: in extended attributes.

In: a path. Out: its entries, or None where it has none, or its file system knows none. Those of NFS 4 are read as such.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Final, TypeAlias

from aura_daemon.system.files import nfs4_access_lists
from aura_daemon.system.files.nfs4_access_lists import EVERYONE, GROUP, OWNER

ACCESS: Final = "system.posix_acl_access"
DEFAULT: Final = "system.posix_acl_default"

READ: Final = 4
WRITE: Final = 2
ENTER: Final = 1

_VERSION: Final = struct.pack("<I", 2)
_ENTRY: Final = struct.Struct("<HHI")
"""Tag, permissions, id; linux/posix_acl_xattr.h."""
_NO_ID: Final = 0xFFFFFFFF


class Tag(IntEnum):
    """Whom an entry is about, by the numbers that the kernel uses."""

    OWNER = 0x01
    USER = 0x02
    OWNING_GROUP = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHER = 0x20


AccessList: TypeAlias = dict[tuple[Tag, int], int]
"""Tag and id (of the four without one: -1) -> rwx as a number."""


def of(place: Path) -> AccessList | None:
    """The list that counts for a file or folder; None where its mode says everything."""
    if sys.platform != "linux":
        return None
    try:
        content = os.getxattr(place, ACCESS, follow_symlinks=False)
    except OSError as error:
        return _of_nfs4(place) if error.errno == errno.ENOTSUP else None
    found: AccessList = {}
    for tag, allowed, number in _ENTRY.iter_unpack(content[len(_VERSION) :]):
        found[Tag(tag), -1 if number == _NO_ID else number] = allowed
    return found


def of_mode(mode: int) -> AccessList:
    """The list that says what a mode says."""
    return {
        (Tag.OWNER, -1): mode >> 6 & 7,
        (Tag.OWNING_GROUP, -1): mode >> 3 & 7,
        (Tag.OTHER, -1): mode & 7,
    }


def with_user(entries: Mapping[tuple[Tag, int], int], user: int, allowed: int) -> AccessList:
    """A list that lets one more user in; nobody else can do more than before."""
    mask = entries.get((Tag.MASK, -1), 7)
    masked = (Tag.USER, Tag.OWNING_GROUP, Tag.GROUP)
    found = {key: rights & mask if key[0] in masked else rights for key, rights in entries.items()}
    found[Tag.USER, user] = allowed
    found[Tag.MASK, -1] = 0
    for (tag, _), rights in found.items():
        if tag in masked:
            found[Tag.MASK, -1] |= rights
    return found


def give(folder: Path, entries: Mapping[tuple[Tag, int], int]) -> None:
    """Has a folder, and what is made in it later, let in whom a list says; raises OSError where there are none."""
    if sys.platform != "linux":
        raise OSError("no POSIX access lists on this system")
    packed = b"".join(
        _ENTRY.pack(tag, allowed, number if number >= 0 else _NO_ID)
        for (tag, number), allowed in sorted(entries.items())
    )
    for kind in (DEFAULT, ACCESS):
        os.setxattr(folder, kind, _VERSION + packed)


def _of_nfs4(place: Path) -> AccessList | None:
    """The list of a file that an NFS server shows; None on any other file system without lists."""
    if sys.platform != "linux":
        return None
    try:
        content = os.getxattr(place, nfs4_access_lists.ATTRIBUTE, follow_symlinks=False)
        rights = nfs4_access_lists.rights(content)
    except (OSError, ValueError):
        return None
    found: AccessList = {}
    for (who, is_group), allowed in rights.items():
        if (key := _known(who, is_group=is_group)) is not None:
            found[key] = allowed
    return found


def _known(who: str, *, is_group: bool) -> tuple[Tag, int] | None:
    """Whom a name of NFS 4 is about, `alice@example.org` or a number; None of one without an account here."""
    if sys.platform == "win32":
        return None
    import grp
    import pwd

    special = {OWNER: Tag.OWNER, GROUP: Tag.OWNING_GROUP, EVERYONE: Tag.OTHER}
    if who in special:
        return special[who], -1
    name = who.partition("@")[0]
    try:
        number = int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid if is_group else pwd.getpwnam(name).pw_uid
    except KeyError:
        return None
    return (Tag.GROUP if is_group else Tag.USER), number


def group_rights(place: Path, status: os.stat_result) -> int:
    """What the owning group may do: with a list the mode holds the list's mask there."""
    entries = of(place)
    if entries is None:
        return stat.S_IMODE(status.st_mode) >> 3 & 7
    return entries[Tag.OWNING_GROUP, -1] & entries.get((Tag.MASK, -1), 7)
