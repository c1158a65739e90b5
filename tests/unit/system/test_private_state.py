"""The state folder is its owner's alone, whatever the umask, and nothing of other programs is changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.system import durable_files, private_state


def mode_of(place: Path) -> int:
    return stat.S_IMODE(place.lstat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder of the program's own as an earlier release made it."""
    folder = tmp_path / "state"
    (folder / "inputs").mkdir(parents=True)
    for name in ("journal.sqlite3", "journal.sqlite3-wal", "lock", "health.json"):
        (folder / name).touch()
        (folder / name).chmod(0o644)
    for place in (folder, folder / "inputs"):
        place.chmod(0o755)
    return folder


def test_it_is_made_with_all_above_it_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    private_state.make(tmp_path / "aura-daemon" / "1234")
    assert mode_of(tmp_path / "aura-daemon") == mode_of(tmp_path / "aura-daemon" / "1234") == 0o700


def test_a_file_that_stands_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(OSError, match="state"):
        private_state.make(tmp_path / "state")


def test_what_is_written_into_it_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    state, named = tmp_path / "state", tmp_path / "sea.png"
    named.touch()
    durable_files.write(state / "a" / "known.json", b"{}", temp_folder=state / "tmp", is_private=True)
    durable_files.copy(named, state / "inputs" / "sea", temp_folder=state / "copying", is_private=True)
    assert {mode_of(place) for place in state.rglob("*") if place.is_dir()} == {0o700}
    assert {mode_of(place) for place in state.rglob("*") if place.is_file()} == {0o600}


def test_everything_else_follows_the_umask(tmp_path: Path, umask: int) -> None:
    durable_files.write(tmp_path / "out" / "cat.png", b"", temp_folder=tmp_path / "tmp")
    assert mode_of(tmp_path / "out") == 0o777 & ~umask
    assert mode_of(tmp_path / "out" / "cat.png") == 0o666 & ~umask


def test_one_of_an_earlier_release_is_tightened(state: Path) -> None:
    private_state.tighten(state, is_managed=False)
    assert mode_of(state) == mode_of(state / "inputs") == 0o700
    assert {mode_of(place) for place in state.iterdir() if place.is_file()} == {0o600}


def test_one_of_the_service_manager_keeps_its_mode_and_holds_nothing_for_others(state: Path) -> None:
    private_state.tighten(state, is_managed=True)
    assert mode_of(state) == 0o755
    assert mode_of(state / "inputs") == 0o700
    assert mode_of(state / "journal.sqlite3") == 0o600


def test_one_that_others_use_too_keeps_its_mode_and_theirs(state: Path) -> None:
    theirs = state / "notes.txt"
    theirs.touch()
    theirs.chmod(0o664)
    private_state.tighten(state, is_managed=False)
    assert (mode_of(state), mode_of(theirs), mode_of(state / "journal.sqlite3")) == (0o755, 0o664, 0o600)


def test_no_link_is_followed(state: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.touch()
    theirs.chmod(0o644)
    (state / "lock").unlink()
    (state / "lock").symlink_to(theirs)
    private_state.tighten(state, is_managed=False)
    assert mode_of(theirs) == 0o644
