"""The lists of NFS 4 are read as their server means them: the first entry about somebody decides."""

from __future__ import annotations

import errno
import os
import struct
import sys
from pathlib import Path

import pytest

from aura_daemon.system.files import access_lists, nfs4_access_lists
from aura_daemon.system.files.access_lists import Tag
from aura_daemon.system.files.nfs4_access_lists import ATTRIBUTE, EVERYONE, GROUP, OWNER, rights
from aura_daemon.system.files.reading_rights import may_read

ALLOW, DENY, AUDIT = 0, 1, 2
ITSELF, FOR_CHILDREN, OF_GROUP = 0, 0xB, 0x40
READ, WRITE, ENTER = 0x1, 0x2, 0x20


def packed(*entries: tuple[int, int, int, str]) -> bytes:
    content = struct.pack(">I", len(entries))
    for kind, flags, mask, who in entries:
        name = who.encode()
        content += struct.pack(f">IIII{len(name)}s{-len(name) % 4}x", kind, flags, mask, len(name), name)
    return content


SHUT_TO_ITS_GROUP = packed(
    (ALLOW, ITSELF, READ | WRITE | ENTER, OWNER),
    (DENY, ITSELF, WRITE, "2000"),
    (ALLOW, ITSELF, READ | ENTER, "2000"),
    (DENY, OF_GROUP, READ | WRITE | ENTER, GROUP),
    (ALLOW, OF_GROUP, READ, "3001"),
    (ALLOW, FOR_CHILDREN, READ | WRITE | ENTER, EVERYONE),
    (ALLOW, ITSELF, ENTER, EVERYONE),
)
"""As Linux's server tells of `user::rwx,user:2000:r-x,group::---,group:3001:r--,other::--x`."""


def test_each_has_the_rights_that_the_first_entry_about_them_gives() -> None:
    assert rights(SHUT_TO_ITS_GROUP) == {
        (OWNER, False): 7,
        ("2000", False): 5,
        (GROUP, True): 0,
        ("3001", True): 5,
        (EVERYONE, False): 1,
    }
    assert rights(packed((DENY, ITSELF, READ, EVERYONE), (ALLOW, ITSELF, READ, OWNER)))[OWNER, False] == 0
    assert rights(packed((AUDIT, ITSELF, READ, OWNER)))[OWNER, False] == 0


def test_a_list_that_breaks_off_is_none() -> None:
    for end in range(len(SHUT_TO_ITS_GROUP) - 40):
        with pytest.raises(ValueError, match="breaks off"):
            rights(SHUT_TO_ITS_GROUP[:end])


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What a mount of NFS shows of each file in place of a POSIX list."""
    if sys.platform != "linux":
        pytest.skip("extended attributes as Linux has them")
    found: dict[str, bytes] = {}

    def getxattr(place: Path, name: str, *, follow_symlinks: bool) -> bytes:
        if name == ATTRIBUTE and place.name in found:
            return found[place.name]
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "getxattr", getxattr)
    return found


def test_the_list_of_the_server_counts_and_not_the_mode(tmp_path: Path, shown: dict[str, bytes]) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(b"x")
    file.chmod(0o664)
    assert may_read(2002, file, folders=[])
    shown["cat.png"] = SHUT_TO_ITS_GROUP
    assert may_read(2000, file, folders=[])
    assert not may_read(2002, file, folders=[])
    assert access_lists.group_rights(file, file.stat()) == 0


def test_names_are_those_of_accounts_here_and_others_are_nobody(tmp_path: Path, shown: dict[str, bytes]) -> None:
    shown[tmp_path.name] = packed(
        (ALLOW, ITSELF, READ, "root@example.org"),
        (ALLOW, OF_GROUP, READ, "root@example.org"),
        (ALLOW, ITSELF, READ, "nobody-of-this-name@example.org"),
    )
    found = access_lists.of(tmp_path)
    assert found is not None
    assert {key for key, allowed in found.items() if allowed} == {(Tag.USER, 0), (Tag.GROUP, 0)}


def test_a_list_that_cannot_be_read_leaves_the_mode(tmp_path: Path, shown: dict[str, bytes]) -> None:
    assert access_lists.of(tmp_path) is None
    shown[tmp_path.name] = b"\0\0\0\1"
    assert access_lists.of(tmp_path) is None
    assert nfs4_access_lists.rights(b"\0\0\0\0") == {(OWNER, False): 0, (GROUP, True): 0, (EVERYONE, False): 0}
