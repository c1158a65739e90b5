"""What another user may read: judged by modes, groups and access lists, as the kernel would. In: a user, paths.

For what this process does on behalf of others: it may read more than they may. Superuser rights are not looked at.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from aura_daemon.system.files import access_lists
from aura_daemon.system.files.access_lists import ENTER, READ, Tag

NOBODY_KNOWN = -1
"""Stands for a user of whom nothing is known: what everybody may is all that they may."""


def may_read(user: int, file: Path, *, folders: Iterable[Path]) -> bool:
    """Whether a user may read a file, and enter the folders on the way to it; raises OSError where one is gone."""
    if sys.platform == "win32":
        return True
    return all(_allows(folder, user, ENTER) for folder in folders) and _allows(file, user, READ)


def _allows(place: Path, user: int, wanted: int) -> bool:
    """acl(5), "Access check algorithm"; without a list the mode is one."""
    status = place.lstat()
    entries = access_lists.of(place) or access_lists.of_mode(stat.S_IMODE(status.st_mode))
    if user == status.st_uid:
        return entries[Tag.OWNER, -1] & wanted == wanted
    mask = entries.get((Tag.MASK, -1), 7)
    if (named := entries.get((Tag.USER, user))) is not None:
        return named & mask & wanted == wanted
    groups = _groups_of(user)
    rights = [allowed for (tag, number), allowed in entries.items() if tag is Tag.GROUP and number in groups]
    if status.st_gid in groups:
        rights.append(entries[Tag.OWNING_GROUP, -1])
    if rights:
        return any(allowed & mask & wanted == wanted for allowed in rights)
    return entries[Tag.OTHER, -1] & wanted == wanted


@lru_cache(maxsize=1000)
def _groups_of(user: int) -> frozenset[int]:
    """The groups of a user; none of one without a name here."""
    if sys.platform == "win32":
        return frozenset()
    import pwd

    try:
        entry = pwd.getpwuid(user)
    except (KeyError, OverflowError):
        return frozenset()
    return frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
