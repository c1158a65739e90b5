"""Accounts of this machine. In: names, folders. Out: what the system says of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


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
    return effective_uid() == 0


def effective_uid() -> int:
    """The id of the user that this process acts as; -1 on a system without such ids."""
    return os.geteuid() if hasattr(os, "geteuid") else -1


def account(name: str) -> Account | None:
    """The account of a name; None where there is none."""
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
    import pwd

    try:
        return account(pwd.getpwuid(effective_uid()).pw_name)
    except KeyError:
        return None


def owner_of(folder: Path) -> Account | None:
    """Whose a folder is; None where it is missing, or its owner has no name."""
    import pwd

    try:
        return account(pwd.getpwuid(folder.stat().st_uid).pw_name)
    except (OSError, KeyError):
        return None
