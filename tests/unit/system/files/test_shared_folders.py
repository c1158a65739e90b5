"""A folder of ours is as open as the folder of the inbox for which it stands."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from aura_daemon.system.files import access_lists, shared_folders
from aura_daemon.system.files.shared_folders import is_narrower, make_like
from tests.support.plain_user import NOBODY, as_a_plain_user

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """An outbox that everybody may look into, beside an inbox."""
    for name in ("inbox", "outbox"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    return tmp_path / "outbox"


def mode(place: Path) -> int:
    return stat.S_IMODE(place.stat().st_mode) & 0o777


def inbox_folder(outbox: Path, name: str, mode: int) -> Path:
    place = outbox.parent / "inbox" / name
    place.mkdir(parents=True)
    place.chmod(mode)
    return place


@pytest.mark.parametrize(("theirs", "ours"), [(0o700, 0o700), (0o750, 0o750), (0o777, 0o755), (0o555, 0o755)])
def test_it_is_made_no_more_open_than_that_and_the_umask(outbox: Path, theirs: int, ours: int) -> None:
    model = inbox_folder(outbox, "alice", theirs)
    make_like(outbox / "alice" / "trips", below=outbox, model=model, model_below=model.parent)
    assert mode(outbox / "alice") == ours
    assert mode(outbox / "alice" / "trips") == 0o755
    assert is_narrower(outbox / "alice" / "trips", below=outbox) == (ours != 0o755)


def test_each_folder_on_the_way_has_its_own_counterpart(outbox: Path) -> None:
    model = inbox_folder(outbox, "all/alice", 0o700)
    make_like(outbox / "all" / "alice", below=outbox, model=model, model_below=outbox.parent / "inbox")
    assert (mode(outbox / "all"), mode(outbox / "all" / "alice")) == (0o755, 0o700)


def test_without_a_counterpart_the_umask_decides(outbox: Path) -> None:
    inbox = outbox.parent / "inbox"
    (inbox / "link").symlink_to(inbox_folder(outbox, "alice", 0o700))
    for name in ("gone", "link"):
        make_like(outbox / name, below=outbox, model=inbox / name, model_below=inbox)
        assert mode(outbox / name) == 0o755
    make_like(outbox / "gone", below=outbox, model=inbox / "alice", model_below=inbox)
    assert mode(outbox / "gone") == 0o755, "what is there stays as it is"


@pytest.mark.skipif(not IS_ROOT, reason="takes root to give folders away")
def test_root_gives_it_to_the_same_owner_and_group(outbox: Path) -> None:
    model = inbox_folder(outbox, "alice", 0o2750)
    os.chown(model, NOBODY, NOBODY)
    model.chmod(0o2750)
    make_like(outbox / "alice", below=outbox, model=model, model_below=model.parent)
    status = (outbox / "alice").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (NOBODY, NOBODY, 0o2750)


@pytest.mark.skipif(not IS_ROOT, reason="takes root to act as another user")
def test_whoever_may_not_give_it_away_lets_its_owner_in_and_no_group_of_its_own(place_for_all: Path) -> None:
    (place_for_all / "inbox").mkdir()
    outbox = place_for_all / "outbox"
    outbox.mkdir()
    outbox.chmod(0o777)
    model = inbox_folder(outbox, "alice", 0o770)
    os.chown(model, -1, NOBODY)
    with as_a_plain_user():
        make_like(outbox / "alice", below=outbox, model=model, model_below=model.parent)
    made = outbox / "alice"
    entries = access_lists.of(made)
    if entries is None:
        pytest.skip("no access lists here")
    assert entries[access_lists.Tag.USER, 0] == 7
    assert made.stat().st_uid == NOBODY
    assert made.stat().st_gid != NOBODY
    assert access_lists.group_rights(made, made.stat()) == 0
    assert not made.stat().st_mode & 0o007


def test_a_setgid_bit_that_nobody_may_set_is_left_out(outbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chmod = Path.chmod

    def refuse(place: Path, mode: int, **options: bool) -> None:
        if mode & stat.S_ISGID:
            raise PermissionError(1, "Operation not permitted")
        chmod(place, mode, **options)

    monkeypatch.setattr(Path, "chmod", refuse)
    shared_folders._chmod(outbox, 0o2750)
    assert stat.S_IMODE(outbox.stat().st_mode) == 0o750


@pytest.mark.skipif(not IS_ROOT, reason="takes root to give a folder another group")
def test_another_group_counts_as_others(outbox: Path) -> None:
    outbox.chmod(0o750)
    for theirs, is_it in ((0o750, True), (0o755, False)):
        inner = outbox / f"{theirs:o}"
        inner.mkdir()
        os.chown(inner, -1, NOBODY)
        inner.chmod(theirs)
        assert is_narrower(inner, below=outbox) is is_it


def test_a_user_whom_only_the_outer_folder_lets_in_counts(outbox: Path) -> None:
    try:
        access_lists.give(outbox, access_lists.with_user(access_lists.of_mode(0o755), 54321, 5))
    except OSError:
        pytest.skip("no access lists here")
    (outbox / "inner").mkdir()
    assert not is_narrower(outbox / "inner", below=outbox)
    os.removexattr(outbox / "inner", access_lists.ACCESS)
    (outbox / "inner").chmod(0o755)
    assert is_narrower(outbox / "inner", below=outbox)
    assert not is_narrower(outbox / "gone", below=outbox)
