"""Accounts: people's and services'. In: names, numbers, folders. Out: what the system says of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_daemon.system.permissions import user_id

FIRST_PERSON_ID: Final = 1000
"""User ids from which on accounts are people's, on every usual Linux (UID_MIN of login.defs)."""

DYNAMIC_IDS: Final = range(61184, 65520)
"""User ids that systemd gives to services with DynamicUser."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """An account of this machine."""

    name: str
    uid: int
    gid: int
    group: str
    home: Path


def is_system_user(uid: int | None = None) -> bool:
    """Whether an account, by default that of this process, was made for a service; root's was not."""
    number = uid if uid is not None else user_id()
    return 0 < number < FIRST_PERSON_ID or number in DYNAMIC_IDS


def is_root() -> bool:
    """Whether this process may do everything."""
    return sys.platform != "win32" and user_id() == 0


def account(named: str | int) -> Account | None:
    """The account of a name or number; None where there is none."""
    if sys.platform == "win32":
        return None
    import grp
    import pwd

    try:
        entry = pwd.getpwnam(named) if isinstance(named, str) else pwd.getpwuid(named)
    except KeyError:
        return None
    try:
        group = grp.getgrgid(entry.pw_gid).gr_name
    except KeyError:
        group = str(entry.pw_gid)
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid, group=group, home=Path(entry.pw_dir))


def own_account() -> Account | None:
    """The account that this process acts as; None where it has no name."""
    return account(user_id())


def owner_of(folder: Path) -> Account | None:
    """Whose a folder is; None where it is missing, or its owner has no name."""
    try:
        return account(folder.stat().st_uid)
    except OSError:
        return None


def groups_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some groups that this machine has."""
    if sys.platform == "win32":
        return ()
    import grp

    known = {entry.gr_name for entry in grp.getgrall()}
    return tuple(name for name in names if name in known)


def all_groups_of(of: Account) -> list[int]:
    """The numbers of every group that an account is in."""
    if sys.platform == "win32":
        return []
    import os

    return os.getgrouplist(of.name, of.gid)
