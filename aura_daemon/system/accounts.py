"""Accounts of this machine. In: names, folders. Out: what the system says of them; nothing on Windows."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from aura_daemon.system.permissions import user_id, user_name


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """An account of this machine."""

    name: str
    uid: int
    gid: int
    group: str
    home: Path


def is_root() -> bool:
    """Whether this process may do everything."""
    return sys.platform != "win32" and user_id() == 0


def account(name: str) -> Account | None:
    """The account of a name; None where there is none."""
    if sys.platform == "win32":
        return None
    import grp
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    try:
        group = grp.getgrgid(entry.pw_gid).gr_name
    except KeyError:
        group = str(entry.pw_gid)
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid, group=group, home=Path(entry.pw_dir))


def own_account() -> Account | None:
    """The account that this process acts as; None where it has no name."""
    return account(user_name(user_id()))


def owner_of(folder: Path) -> Account | None:
    """Whose a folder is; None where it is missing, or its owner has no name."""
    try:
        return account(user_name(folder.stat().st_uid))
    except OSError:
        return None


def groups_of(account: Account) -> list[int]:
    """The numbers of all groups of an account."""
    if sys.platform == "win32":
        return []
    return os.getgrouplist(account.name, account.gid)


def group_names() -> frozenset[str]:
    """The names of all groups of this machine."""
    if sys.platform == "win32":
        return frozenset()
    import grp

    return frozenset(entry.gr_name for entry in grp.getgrall())
