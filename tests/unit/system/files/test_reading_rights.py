"""What another user may read, judged as the kernel judges it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aura_daemon.system.files import access_lists
from aura_daemon.system.files.access_lists import Tag
from aura_daemon.system.files.reading_rights import NOBODY_KNOWN, may_read
from tests.support import users

STRANGER = 54321


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "folder" / "cat.png"
    place.parent.mkdir()
    place.parent.chmod(0o755)
    place.write_bytes(b"x")
    return place


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "is_it"),
    [(0o644, 0o755, True), (0o640, 0o755, False), (0o644, 0o750, False), (0o604, 0o701, True), (0o622, 0o755, False)],
)
def test_a_stranger_may_what_everybody_may(file: Path, file_mode: int, folder_mode: int, is_it: bool) -> None:
    file.chmod(file_mode)
    file.parent.chmod(folder_mode)
    for user in (STRANGER, NOBODY_KNOWN):
        assert may_read(user, file, folders=[file.parent]) is is_it


def test_the_owner_may_what_the_owner_may(file: Path) -> None:
    file.chmod(0o400)
    assert may_read(os.geteuid(), file, folders=[])
    file.chmod(0o044)
    assert not may_read(os.geteuid(), file, folders=[])


def test_a_list_names_users_whose_rights_its_mask_cuts(file: Path) -> None:
    def listed(mask: int) -> None:
        entries = access_lists.with_user(access_lists.of_mode(0o700), STRANGER, 5)
        access_lists.give(file.parent, {**entries, (Tag.MASK, -1): mask})

    try:
        listed(5)
    except OSError:
        pytest.skip("no access lists here")
    file.chmod(0o644)
    assert may_read(STRANGER, file, folders=[file.parent])
    assert not may_read(STRANGER + 1, file, folders=[file.parent])
    listed(4)
    assert not may_read(STRANGER, file, folders=[file.parent])


def test_what_is_gone_cannot_be_judged(file: Path) -> None:
    file.unlink()
    with pytest.raises(FileNotFoundError):
        may_read(STRANGER, file, folders=[])


@pytest.mark.skipif(bool(users.MISSING), reason=users.MISSING)
def test_it_is_what_the_kernel_says_of_real_users(place_for_all: Path) -> None:
    with users.made("alice", "bob", team="team") as people:
        alice, bob = people
        (team,) = set(alice.groups) & set(bob.groups)
        for owner, group, mode in (
            (alice.uid, team, 0o640),
            (alice.uid, team, 0o604),
            (alice.uid, alice.gid, 0o640),
            (0, bob.gid, 0o040),
            (0, 0, 0o644),
            (bob.uid, bob.gid, 0o244),
        ):
            place = place_for_all / f"{owner}-{group}-{mode:o}"
            place.write_bytes(b"x")
            os.chown(place, owner, group)
            place.chmod(mode)
            for user in people:
                assert may_read(user.uid, place, folders=[place_for_all]) == user.reads(place), (user, place.name)
