"""A folder that is not mounted is not taken for an empty one, and nothing is written to the bare mount point."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path

import pytest

from aura_daemon.health.document import Status
from aura_daemon.system.mount_guard import MARKER, MountGuard
from tests.conftest import Mount
from tests.support.house import House
from tests.support.plain_user import as_a_plain_user
from tests.support.programs import Program


def everything(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.iterdir())


def test_a_new_folder_is_marked_and_known_and_one_without_its_marker_on_another_mount_is_away(
    house: House, mount: Mount
) -> None:
    disk = house.root / "disk"
    disk.mkdir()
    mount(house.inbox, "--bind", str(disk))
    presence = MountGuard(house.inbox, house.state)
    assert presence.absence() == ""
    assert presence.mark()
    assert not presence.mark()
    assert (house.inbox / MARKER).is_file()
    assert MountGuard(house.inbox, house.state).absence() == ""
    subprocess.run(["umount", str(house.inbox)], check=True)
    later = MountGuard(house.inbox, house.state)
    assert not later.mark()
    assert everything(house.inbox) == []
    assert "lacks its marker" in later.absence()
    with pytest.raises(FileNotFoundError):
        later.require()
    (house.inbox / MARKER).parent.mkdir()
    (house.inbox / MARKER).touch()  # the user says that it is the right one
    assert later.absence() == ""
    assert later.mark()


@pytest.mark.parametrize("step", ["pathlib.Path.is_dir", "aura_daemon.system.files.regular_files.read"])
def test_a_known_folder_is_awaited_while_its_server_does_not_answer_and_an_unknown_one_is_not(
    house: House, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    guard = MountGuard(house.inbox, house.state)
    assert guard.mark()
    assert not guard.is_awaited()

    def away(place: Path) -> bool:
        raise OSError(errno.EHOSTDOWN, "Host is down", str(place))

    monkeypatch.setattr(step, away)
    assert guard.is_awaited()
    assert not MountGuard(house.inbox, house.root / "other-state").is_awaited()


def test_a_marker_that_a_server_cannot_tell_of_is_taken_for_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = MountGuard(house.inbox, house.state)
    assert guard.mark()

    def away(place: Path) -> bool:
        raise OSError(errno.EHOSTDOWN, "Host is down", str(place))

    monkeypatch.setattr(Path, "is_file", away)
    monkeypatch.setattr(guard, "absence", str)  # it answered a moment ago
    assert not guard.lacks_marker()
    assert not guard.mark()


def test_a_marker_that_cannot_be_read_keeps_nothing_from_being_drawn(house: House) -> None:
    MountGuard(house.inbox, house.state).mark()
    marker = house.inbox / MARKER
    marker.rename(house.root / "elsewhere")
    marker.symlink_to(house.root / "elsewhere")
    house.drop("cat.yaml")
    assert house.drain().done == 1


def test_a_folder_whose_marker_was_deleted_is_not_awaited(house: House) -> None:
    guard = MountGuard(house.inbox, house.state)
    assert guard.mark()
    (house.inbox / MARKER).unlink()
    assert not guard.is_awaited()


def test_a_bare_mount_point_that_is_mounted_over_itself_is_away(house: House, mount: Mount) -> None:
    """As systemd mounts each of ReadWritePaths, where nothing else is mounted there yet."""
    disk = house.root / "disk"
    disk.mkdir()
    mount(house.inbox, "--bind", str(disk))
    assert MountGuard(house.inbox, house.state).mark()
    subprocess.run(["umount", str(house.inbox)], check=True)
    mount(house.inbox, "--bind", str(house.inbox))
    later = MountGuard(house.inbox, house.state)
    assert "lacks its marker" in later.absence()
    assert later.is_awaited()
    mount(house.inbox, "--bind", str(disk))  # the share comes, over both
    assert later.absence() == ""


def test_a_folder_made_anew_in_the_same_place_is_a_new_one(house: House) -> None:
    MountGuard(house.inbox, house.state).mark()
    shutil.rmtree(house.inbox)
    house.inbox.mkdir()
    again = MountGuard(house.inbox, house.state)
    assert again.absence() == ""
    assert again.lacks_marker()
    assert again.mark()
    assert not again.lacks_marker()


@pytest.mark.parametrize("shut", ["house", "house/inbox", "house/inbox/.aura"])
def test_a_folder_that_is_shut_is_away_until_it_is_opened(place_for_all: Path, shut: str) -> None:
    house = House(place_for_all / "house")
    guard = MountGuard(house.inbox, house.state)
    assert guard.mark()
    with as_a_plain_user(owning=house.root):
        (place_for_all / shut).chmod(0o600)
        for asked in (guard, MountGuard(house.inbox, house.root / "other-state")):
            assert asked.absence().startswith(str(house.inbox))
            assert " cannot be " in asked.absence()
            assert f"`chmod u+x {place_for_all / shut}`" in asked.absence()
            assert not asked.mark()
        with pytest.raises(FileNotFoundError):
            guard.require()
        (place_for_all / shut).chmod(0o700)
        assert guard.absence() == ""


def test_an_inbox_that_is_deleted_and_made_anew_under_the_daemon_goes_on(house: House) -> None:
    program = Program(house)
    program.start("run")
    try:
        house.drop("cat.yaml")
        program.until(lambda: "cat.json" in house.results())
        program.until(lambda: house.archived() == ["cat.yaml"])
        while house.inbox.exists():  # the daemon may mark the folder anew while it is being emptied
            shutil.rmtree(house.inbox, ignore_errors=True)
        house.inbox.mkdir()
        (house.inbox / "dog.yaml").write_bytes(b"prompt: a dog")
        program.until(lambda: "dog.json" in house.results())
        (house.inbox / "bird.yaml").write_bytes(b"prompt: a bird")
        program.until(lambda: "bird.json" in house.results())
        second = Program(house, AURA_STATE=str(house.root / "other-state")).call("once")
        assert second.returncode == 2
        assert "another aura-daemon" in second.stderr
        assert program.end() == 0
    finally:
        program.close()


def test_a_folder_that_cannot_be_written_to_is_not_marked(house: House, mount: Mount) -> None:
    mount(house.inbox, "-t", "tmpfs", "-o", "ro", "tmpfs")
    presence = MountGuard(house.inbox, house.state)
    presence.mark()
    assert everything(house.inbox) == []
    assert presence.absence() == ""


def test_an_odd_file_of_known_folders_is_taken_for_none(house: House) -> None:
    (house.state / "known-folders.json").write_bytes(b"[1]")
    MountGuard(house.inbox, house.state).mark()
    assert (house.inbox / MARKER).is_file()


@pytest.mark.parametrize("which", ["inbox", "outbox"])
def test_a_daemon_started_before_its_mount_waits_for_it_and_writes_nothing_meanwhile(
    house: House, mount: Mount, which: str
) -> None:
    disk, place = house.root / "disk", house.root / which
    disk.mkdir()
    mount(place, "--bind", str(disk))
    house.drop("cat.yaml")
    assert house.drain().done == 1
    house.drop("dog.yaml")
    subprocess.run(["umount", str(place)], check=True)
    if which == "outbox":
        assert house.waiting() == ["dog.yaml"]
    program = Program(house)
    program.start("run")
    try:
        program.until(lambda: program.health().get("status") == Status.PAUSED)
        assert everything(place) == []
        assert "lacks its marker" in program.log()
        mount(place, "--bind", str(disk))
        program.until(lambda: "dog.json" in house.results())
        program.until(lambda: program.health().get("status") == Status.OK)
        (house.inbox / "bird.yaml").write_bytes(b"prompt: a bird")
        program.until(lambda: "bird.json" in house.results())
        assert program.end() == 0
    finally:
        program.close()


@pytest.mark.parametrize("which", ["inbox", "outbox"])
def test_a_daemon_started_before_the_share_its_folders_lie_on_waits_for_it_and_makes_nothing(
    house: House, which: str
) -> None:
    house.drop("cat.yaml")
    assert house.drain().done == 1
    house.drop("dog.yaml")
    place, share = house.root / which, house.root / "share"
    place.rename(share)
    told = Program(house).call("once")
    assert told.returncode == 2
    assert f"{place} does not exist: make it, or mount what belongs there" in told.stderr
    program = Program(house)
    program.start("run")
    try:
        program.until(lambda: program.health().get("status") == Status.PAUSED)
        assert f"paused: {place} is away" in program.log()
        assert not place.exists()
        share.rename(place)
        program.until(lambda: "dog.json" in house.results())
        house.drop("bird.yaml")
        program.until(lambda: house.archived() == ["bird.yaml", "cat.yaml", "dog.yaml"])
        assert program.health()["status"] == Status.OK
        assert program.end() == 0
    finally:
        program.close()
    assert house.failed() == house.temporary() == []


def test_what_becomes_of_sources_is_chosen_when_the_inbox_is_there(house: House, mount: Mount) -> None:
    """On a bare mount point there is no mark of a two-way sync tool: files would be moved away on every device."""
    disk = house.root / "disk"
    disk.mkdir()
    mount(house.inbox, "--bind", str(disk))
    (disk / ".stfolder").mkdir()
    house.drain()
    subprocess.run(["umount", str(house.inbox)], check=True)
    program = Program(house)
    program.start("run")
    try:
        program.until(lambda: program.health().get("status") == Status.PAUSED)
        mount(house.inbox, "--bind", str(disk))
        house.drop("cat.yaml")
        program.until(lambda: "cat.json" in house.results())
        program.until(lambda: program.health()["sources"] == "keep")
        assert ".stfolder says that Syncthing keeps this inbox in step" in program.log()
        assert program.end() == 0
    finally:
        program.close()
    assert house.waiting() == ["cat.yaml"]
    assert house.archived() == []


@pytest.mark.parametrize("which", ["inbox", "outbox"])
def test_a_mount_that_goes_pauses_the_daemon_and_one_that_is_back_loses_nothing(
    house: House, mount: Mount, which: str
) -> None:
    disk, place = house.root / "disk", house.root / which
    disk.mkdir()
    mount(place, "--bind", str(disk))
    program = Program(house)
    program.start("run")
    try:
        house.drop("cat.yaml")
        program.until(lambda: house.archived() == ["cat.yaml"] and not house.temporary())  # it is put away as a whole
        subprocess.run(["umount", "-l", str(place)], check=True)
        program.until(lambda: program.health().get("status") == Status.PAUSED)
        assert everything(place) == []
        if which == "inbox":
            (disk / "dog.yaml").write_bytes(b"prompt: a dog")
        else:
            house.drop("dog.yaml", b"prompt: a dog")
        mount(place, "--bind", str(disk))
        program.until(lambda: "dog.json" in house.results())
        assert program.end() == 0
    finally:
        program.close()
    assert house.failed() == house.temporary() == []
