"""The users of the machine, by the same numbers at its server and its clients."""

from __future__ import annotations

from typing import Final

from tests.support.users import User

TEAM: Final = 3000
"""The group of all of these."""

_ALICES: Final = 2001
"""The group of alice: she shares with the daemon's user alone by it, where there are no access lists."""

ROOT: Final = User(name="root", uid=0, gid=0, groups=(0,))
AURA: Final = User(name="aura", uid=2000, gid=2000, groups=(2000, _ALICES, TEAM))
ALICE: Final = User(name="alice", uid=2001, gid=_ALICES, groups=(_ALICES, TEAM))
BOB, CAROL = (
    User(name=name, uid=number, gid=number, groups=(number, TEAM)) for number, name in ((2002, "bob"), (2003, "carol"))
)

EVERYBODY: Final = (AURA, ALICE, BOB, CAROL)


def passwd_lines() -> str:
    """Their lines of /etc/passwd."""
    return "".join(f"{user.name}:x:{user.uid}:{user.gid}::/nonexistent:/bin/sh\n" for user in EVERYBODY)


def group_lines() -> str:
    """The lines of /etc/group of their groups."""
    groups = {TEAM: "team", **{user.gid: user.name for user in EVERYBODY}}
    members = {
        number: ",".join(user.name for user in EVERYBODY if number in user.groups and number != user.gid)
        for number in groups
    }
    return "".join(f"{name}:x:{number}:{members[number]}\n" for number, name in groups.items())
