"""Access lists of NFS 4 (RFC 7530, 6.2.1), which Linux's client has for every file. In: an attribute. Out: rights.

Where the server has lists, the mode that it tells cannot be trusted: what that gives the group may be a user's alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

ATTRIBUTE: Final = "system.nfs4_acl"

OWNER: Final = "OWNER@"
GROUP: Final = "GROUP@"
EVERYONE: Final = "EVERYONE@"

_ALLOW: Final = 0
_DENY: Final = 1
_FOR_CHILDREN: Final = 0x8
"""A flag: what is made in the folder takes the entry over, which says nothing of the folder itself."""
_IS_GROUP: Final = 0x40
"""A flag: the entry names a group."""

_RIGHTS: Final = {0x1: 4, 0x2: 2, 0x20: 1}
"""Reading or listing, writing or making, running or entering -> rwx as a number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    is_allowing: bool
    who: str
    is_group: bool
    rights: int


def rights(content: bytes) -> dict[tuple[str, bool], int]:
    """What each named user or group may, as rwx, and owner, owning group and everyone; the bool: it is a group.

    The first entry about somebody decides, and those about everyone are about each. Raises ValueError.
    """
    entries = list(_entries(content))
    subjects = {(entry.who, entry.is_group) for entry in entries}
    subjects |= {(OWNER, False), (GROUP, True), (EVERYONE, False)}
    found = {}
    for subject in subjects:
        allowed = decided = 0
        for entry in entries:
            if (entry.who, entry.is_group) in (subject, (EVERYONE, False)):
                allowed |= entry.rights & ~decided if entry.is_allowing else 0
                decided |= entry.rights
        found[subject] = allowed
    return found


def _entries(content: bytes) -> Iterator[_Entry]:
    """The entries about the file itself that allow or deny, in their order."""
    place = 0

    def number() -> int:
        nonlocal place
        place += 4
        if place > len(content):
            raise ValueError("an access list that breaks off")
        return int.from_bytes(content[place - 4 : place], "big")

    for _ in range(number()):
        kind, flags, mask, length = (number() for _ in range(4))
        who = content[place : place + length].decode(errors="replace")
        place += length + -length % 4
        if kind in (_ALLOW, _DENY) and not flags & _FOR_CHILDREN:
            yield _Entry(
                is_allowing=kind == _ALLOW,
                who=who,
                is_group=bool(flags & _IS_GROUP) or who == GROUP,
                rights=sum(right for bit, right in _RIGHTS.items() if mask & bit),
            )
