"""Real users of this machine, for tests that root runs: made for a test, and removed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MISSING = (
    ""
    if os.geteuid() == 0 and all(map(shutil.which, ("useradd", "userdel", "groupadd", "groupdel")))
    else "takes root and useradd"
)
"""Why no users can be made here; empty where they can."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A user with a group of the same name, and other groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @contextmanager
    def acting(self, *, umask: int = 0o027) -> Iterator[None]:
        """This process has the rights of the user, and no others."""
        groups, mask = os.getgroups(), os.umask(umask)
        os.setgroups(self.groups)
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)
            os.umask(mask)

    def reads(self, place: Path) -> bool:
        """Whether the user can read a file, or list a folder."""
        with self.acting():
            try:
                list(place.iterdir()) if place.is_dir() else place.read_bytes()
            except PermissionError:
                return False
        return True


@contextmanager
def made(*names: str, team: str) -> Iterator[list[User]]:
    """Users of these names, all of them in one group."""
    ending = f"-{os.getpid()}"
    _run("groupadd", team + ending)
    made_names = []
    try:
        for name in names:
            _run("useradd", "--no-create-home", "--user-group", "--groups", team + ending, name + ending)
            made_names.append(name + ending)
        yield [_user(name) for name in made_names]
    finally:
        for name in made_names:
            _run("userdel", name)
        _run("groupdel", team + ending)


def _user(name: str) -> User:
    entry = pwd.getpwnam(name)
    return User(name=name, uid=entry.pw_uid, gid=entry.pw_gid, groups=tuple(os.getgrouplist(name, entry.pw_gid)))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
