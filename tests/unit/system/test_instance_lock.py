"""One daemon for each inbox, and one for each state folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aura_daemon.errors import StateRefused, UserError
from aura_daemon.system import instance_lock
from aura_daemon.system.instance_lock import InstanceLock
from tests.conftest import Mount
from tests.support.house import House
from tests.support.plain_user import as_a_plain_user

HOLD = """
import sys
from pathlib import Path
from aura_daemon.system.instance_lock import InstanceLock
InstanceLock(Path(sys.argv[1]), Path(sys.argv[2])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_one_is_refused_and_told_whose_it_is(house: House) -> None:
    first, second = InstanceLock(house.inbox, house.state), InstanceLock(house.inbox, house.root / "other")
    first.acquire()
    with pytest.raises(UserError, match=rf"process {os.getpid()}\) works on {house.inbox}"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_one_that_is_ending_is_told_and_keeps_nothing_open(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a killed daemon whose lock lies on NFS, until the server is back."""
    first, second = InstanceLock(house.inbox, house.state), InstanceLock(house.inbox, house.root / "other")
    first.acquire()
    monkeypatch.setattr(instance_lock, "is_ending", lambda pid: pid == os.getpid())
    before = sorted(Path("/proc/self/fd").iterdir())
    with pytest.raises(StateRefused, match=f"process {os.getpid()}, which is ending, works on {house.inbox} still"):
        second.acquire()
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    first.release()
    second.acquire()
    second.release()


def test_a_lock_is_given_back_where_its_server_tells_that_something_was_not_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, close = InstanceLock(house.inbox, house.state), os.close
    lock.acquire()

    def failing(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", failing)
        lock.release()
    lock.acquire()
    lock.release()


def test_two_inboxes_cannot_share_one_state_folder(house: House) -> None:
    other = house.root / "inbox2"
    other.mkdir()
    first, second = InstanceLock(house.inbox, house.state), InstanceLock(other, house.state)
    first.acquire()
    with pytest.raises(UserError, match=f"works on {house.state}") as refused:
        second.acquire()
    assert refused.value.problems[0].key == "state"
    first.release()
    second.acquire()  # and the refused one kept no lock of its own inbox
    second.release()


def test_a_lock_dies_with_its_process_however_that_ends(house: House) -> None:
    command = [sys.executable, "-c", HOLD, str(house.inbox), str(house.state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        lock = InstanceLock(house.inbox, house.state)
        with pytest.raises(UserError, match=f"process {holder.pid}"):
            lock.acquire()
        holder.kill()
        holder.wait()
    lock.acquire()
    lock.release()


def test_of_a_read_only_inbox_the_lock_is_in_the_state_folder(house: House, mount: Mount) -> None:
    mount(house.inbox, "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs")
    first, second = InstanceLock(house.inbox, house.state), InstanceLock(house.inbox, house.state)
    first.acquire()
    with pytest.raises(UserError, match="another aura-daemon"):
        second.acquire()
    assert list(house.inbox.iterdir()) == []
    assert (house.state / "lock").exists()
    first.release()


def test_a_link_where_the_lock_should_be_is_not_followed(house: House, tmp_path: Path) -> None:
    (house.inbox / ".aura").mkdir()
    (tmp_path / "precious").write_text("data")
    (house.inbox / ".aura" / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        InstanceLock(house.inbox, house.state).acquire()
    assert (tmp_path / "precious").read_text() == "data"


@pytest.mark.parametrize("key", ["inbox", "state"])
def test_a_lock_of_another_user_is_told_with_what_to_do(place_for_all: Path, key: str) -> None:
    house = House(place_for_all)
    lock = house.inbox / ".aura" / "lock" if key == "inbox" else house.state / "lock"
    lock.parent.mkdir(exist_ok=True)
    lock.touch(mode=0o400)
    with as_a_plain_user(owning=house.root), pytest.raises(UserError, match="chown all of") as refused:
        InstanceLock(house.inbox, house.state).acquire()
    assert refused.value.problems[0].key == key
