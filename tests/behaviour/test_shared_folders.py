"""Several users drop into one inbox: whose results, with which modes, and who sees what of whom."""

from __future__ import annotations

import codecs
import errno
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from aura_daemon.daemon.loop import Summary
from aura_daemon.system.durable_files import StagedFile
from aura_daemon.system.files import access_lists, unnamed_files
from aura_daemon.system.files.access_lists import Tag
from tests.support import users
from tests.support.house import PNG, House
from tests.support.users import User

ROOT = User(name="root", uid=0, gid=0, groups=(0,))

SECRET = PNG[:8] + b"what only alice may see" + PNG[-12:]


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """A machine with a service user, and three people who are with it in one group."""

    aura: User
    alice: User
    bob: User
    carol: User
    team: int

    @contextmanager
    def house(self, *, mode: int = 0o2770, owner: User | None = None) -> Iterator[House]:
        """An inbox and an outbox for the team, a state folder for the service."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            root.chmod(0o755)
            house = House(root)
            os.chown(house.state, self.aura.uid, self.aura.gid)
            house.state.chmod(0o700)
            for place in (house.inbox, house.outbox):
                os.chown(place, (owner or self.aura).uid if place == house.inbox else self.aura.uid, self.team)
                place.chmod(mode if place == house.inbox else 0o2770)
            yield house

    def drain(self, house: House, *, user: User | None = None, umask: int = 0o027, **settings: object) -> Summary:
        with (user or self.aura).acting(umask=umask):
            return house.drain(gallery={"outbox": True}, **settings)


def drop(user: User, place: Path, content: bytes = b"prompt: a cat\n", mode: int = 0o640) -> None:
    """A file of a user, with a mode of its own."""
    with user.acting():
        place.write_bytes(content)
        place.chmod(mode)


def own_folder(place: Path, owner: User, *, group: int, mode: int) -> Path:
    """A folder as an administrator makes it: `install -d -o OWNER -g GROUP -m MODE`."""
    place.mkdir()
    os.chown(place, owner.uid, group)
    place.chmod(mode)
    return place


def mode_of(place: Path) -> str:
    return oct(stat.S_IMODE(place.stat().st_mode))


def fill(machine: Machine, house: House) -> None:
    """A shared inbox in which alice has a folder for herself."""
    own = own_folder(house.inbox / "alice", machine.alice, group=machine.aura.gid, mode=0o2770)
    drop(machine.alice, own / "cat.yaml", b"prompt: alice's own cat\n", 0o644)
    drop(machine.alice, own / "bad.yaml", b"prompt: alice's bad cat\nsteps: 0\n", 0o640)
    drop(machine.alice, own / "secret.png", SECRET, 0o644)
    drop(machine.bob, house.inbox / "dog.yaml", b"prompt: a dog for all\n")
    drop(machine.bob, house.inbox / "spy.yaml", b"task: caption\nimage: alice/secret.png\n")
    drop(machine.bob, house.inbox / "spies.yaml", b'task: caption\nimages: "alice/*.png"\n')
    drop(machine.carol, house.inbox / "bad.yaml", b"prompt: a bad bird\nsteps: 0\n")


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    if users.MISSING:
        pytest.skip(users.MISSING)
    with users.made("aura", "alice", "bob", "carol", team="team") as (aura, alice, bob, carol):
        (team,) = set(aura.groups) & set(alice.groups)
        yield Machine(aura=aura, alice=alice, bob=bob, carol=carol, team=team)


@pytest.fixture(scope="module")
def done_by_root(machine: Machine) -> Iterator[House]:
    """After a daemon of root has run everything."""
    with machine.house() as house:
        fill(machine, house)
        machine.drain(house, user=ROOT, umask=0o022)
        yield house


@pytest.fixture(scope="module")
def done(machine: Machine, done_by_root: House) -> Iterator[House]:
    """After the daemon has run everything; root's came first: Python may lie where no other user reads modules."""
    for encoding in ("ascii", "unicode_escape"):
        codecs.lookup(encoding)
    with machine.house() as house:
        fill(machine, house)
        machine.drain(house)
        yield house


def test_a_result_has_the_group_of_its_folder_and_the_mode_of_the_umask(machine: Machine, done: House) -> None:
    for name in ("dog.png", "dog.json", "failed/bad.yaml", "failed/bad.yaml.json"):
        place = done.outbox / name
        assert (place.stat().st_gid, mode_of(place)) == (machine.team, "0o640"), name
        assert machine.carol.reads(place)


def test_what_comes_of_a_closed_folder_is_its_owners(machine: Machine, done: House) -> None:
    for name in ("alice/cat.png", "alice/cat.json", "failed/alice/bad.yaml", "failed/alice/bad.yaml.json"):
        assert machine.alice.reads(done.outbox / name), name
        assert not machine.bob.reads(done.outbox / name), name
        assert not machine.carol.reads(done.outbox / name), name
    with machine.alice.acting():
        (done.outbox / "alice" / "cat.png").unlink()


def test_the_archive_keeps_owners_and_closed_folders(machine: Machine, done: House) -> None:
    archived = done.inbox / ".aura" / "done" / "alice" / "cat.yaml"
    assert archived.stat().st_uid == machine.alice.uid
    assert machine.alice.reads(archived)
    assert not machine.bob.reads(archived)
    assert machine.bob.reads(archived.parents[1] / "dog.yaml")


def test_nobody_looks_into_what_is_under_way(machine: Machine, done: House) -> None:
    for place in (done.inbox / ".aura" / "work", done.outbox / ".aura" / "tmp"):
        assert not machine.alice.reads(place), place


def test_a_job_file_names_only_pictures_that_its_owner_may_read(machine: Machine, done: House) -> None:
    for name in ("spy.yaml", "spies.yaml"):
        report = (done.outbox / "failed" / f"{name}.json").read_text()
        assert "did not arrive" in report or "no picture matches" in report
        assert "did you mean" not in report
    assert (done.outbox / "alice" / "secret.txt").exists()


def test_the_gallery_shows_what_everybody_may_see(machine: Machine, done: House) -> None:
    text = (done.outbox / "index.html").read_text()
    assert machine.carol.reads(done.outbox / "index.html")
    assert "a dog for all" in text
    assert "alice&#39;s" not in text
    assert "own cat" not in text
    assert "bad cat" not in text


@pytest.mark.parametrize("durable_on", [unnamed_files.DURABLE_ON, frozenset[int]()], ids=["ext4", "btrfs"])
def test_a_folder_that_is_there_gives_group_and_access_list(
    machine: Machine, done: House, monkeypatch: pytest.MonkeyPatch, durable_on: frozenset[int]
) -> None:
    monkeypatch.setattr(unnamed_files, "DURABLE_ON", durable_on)
    with machine.house() as house:
        own_folder(house.outbox / "bob", machine.aura, group=machine.bob.gid, mode=0o2750)
        (house.inbox / "bob").mkdir()
        (house.inbox / "bob").chmod(0o777)
        listed = own_folder(house.outbox / "carol", machine.aura, group=machine.aura.gid, mode=0o700)
        access_lists.give(listed, access_lists.with_user(access_lists.of_mode(0o700), machine.carol.uid, 0o5))
        (house.inbox / "carol").mkdir()
        (house.inbox / "carol").chmod(0o777)
        drop(machine.bob, house.inbox / "bob" / "dog.yaml", mode=0o644)
        drop(machine.carol, house.inbox / "carol" / "bird.yaml", mode=0o644)
        machine.drain(house)
        result = house.outbox / "bob" / "dog.png"
        assert (result.stat().st_gid, mode_of(result)) == (machine.bob.gid, "0o640")
        assert machine.bob.reads(result)
        assert not machine.carol.reads(result)
        listed_result = house.outbox / "carol" / "bird.png"
        entries = access_lists.of(listed_result)
        assert entries is not None
        assert entries[Tag.USER, machine.carol.uid] & entries[Tag.MASK, -1] == access_lists.READ
        assert machine.carol.reads(listed_result)
        assert not machine.bob.reads(listed_result)


@pytest.mark.parametrize("existing", ["keep", "overwrite"])
def test_an_access_list_is_what_other_programs_read(machine: Machine, done: House, existing: str) -> None:
    if shutil.which("setfacl") is None:
        pytest.skip("setfacl is not installed (apt-get install acl)")
    with machine.house() as house:
        entries = f"u:{machine.carol.name}:rX"
        subprocess.run(["setfacl", "-m", entries, "-m", f"d:{entries}", house.outbox], check=True)
        drop(machine.bob, house.inbox / "dog.yaml")
        machine.drain(house, existing=existing)
        told = subprocess.run(["getfacl", "-c", house.outbox / "dog.png"], capture_output=True, text=True, check=True)
        assert f"user:{machine.carol.name}:r" in told.stdout


def test_in_a_sticky_inbox_the_files_of_others_stay(machine: Machine, done: House, log: list[str]) -> None:
    with machine.house(mode=0o3777, owner=ROOT) as house:
        drop(machine.bob, house.inbox / "dog.yaml", mode=0o644)
        assert machine.drain(house).done == 1
        assert machine.drain(house).done == 0
        assert house.waiting() == ["dog.yaml"]
        assert any("the inbox is sticky" in line for line in log)


def test_who_asks_for_an_archive_in_a_sticky_inbox_is_told_what_is_in_the_way(
    machine: Machine, done: House, log: list[str]
) -> None:
    with machine.house(mode=0o3777, owner=ROOT) as house:
        drop(machine.bob, house.inbox / "dog.yaml", mode=0o644)
        machine.drain(house, sources="archive")
        assert any("sticky folder: chmod -t that folder" in line for line in log)
        assert house.waiting() == ["dog.yaml"]


def test_a_file_that_the_daemon_may_not_read_waits_with_its_owner_named(
    machine: Machine, done: House, log: list[str]
) -> None:
    with machine.house() as house:
        drop(machine.carol, house.inbox / "bird.yaml", mode=0o600)
        assert machine.drain(house).done == 0
        told = next(line for line in log if "cannot be read" in line)
        assert f"it belongs to {machine.carol.name} with mode 0600" in told
        (house.inbox / "bird.yaml").chmod(0o640)
        assert machine.drain(house).done == 1


def test_a_link_to_a_file_of_somebody_else_is_left_alone(machine: Machine, done: House) -> None:
    with machine.house() as house:
        shared = own_folder(house.root / "elsewhere", machine.alice, group=machine.team, mode=0o2770)
        drop(machine.alice, shared / "hers.yaml", b"prompt: hers\n", 0o660)
        with machine.bob.acting():
            os.link(shared / "hers.yaml", house.inbox / "hard.yaml")
            (house.inbox / "soft.yaml").symlink_to(shared / "hers.yaml")
        assert machine.drain(house).done == 0
        assert house.waiting() == ["hard.yaml", "soft.yaml"]


def test_a_daemon_of_root_gives_everybody_what_is_theirs(machine: Machine, done_by_root: House) -> None:
    outbox = done_by_root.outbox
    for name in ("alice", "failed/alice", "failed/alice/bad.yaml"):
        assert (outbox / name).stat().st_uid == machine.alice.uid, name
    assert mode_of(outbox / "failed" / "alice" / "bad.yaml") == "0o640"
    for name in ("alice/cat.png", "alice/cat.json", "failed/alice/bad.yaml", "failed/alice/bad.yaml.json"):
        assert machine.alice.reads(outbox / name), name
        assert not machine.bob.reads(outbox / name), name
    assert not (outbox / "spy.txt").exists()


def test_a_result_may_be_meant_for_the_folder_of_another(machine: Machine, done: House) -> None:
    with machine.house() as house:
        own_folder(house.outbox / "carol", machine.aura, group=machine.carol.gid, mode=0o2750)
        drop(machine.carol, house.inbox / "bird.yaml", b"prompt: a bird\noutput: carol/bird\n")
        machine.drain(house)
        drop(machine.bob, house.inbox / "dog.yaml", b"prompt: a dog\noutput: carol/bird\n")
        machine.drain(house)
        assert {"carol/bird.png", "carol/bird.r2.png"} <= set(house.results())
        assert machine.carol.reads(house.outbox / "carol" / "bird.r2.png")


def test_without_access_lists_a_closed_folder_stays_closed(
    machine: Machine, done: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    with machine.house() as house:
        fill(machine, house)
        machine.drain(house)
        for name in ("alice/cat.png", "failed/alice/bad.yaml"):
            assert (house.outbox / name).exists()
            assert not machine.bob.reads(house.outbox / name), name


def test_a_quota_that_is_used_up_holds_all_up_and_loses_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    sync, told = StagedFile.sync, []

    def refuse(file: StagedFile) -> None:
        if len(told) < 2 and file._target.name == "dog.png":
            told.append(file)
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        sync(file)

    monkeypatch.setattr(StagedFile, "sync", refuse)
    house.drop("dog.yaml")
    with house.daemon(drain=False, retry_first=0.1, retry_at_most=0.1) as daemon:
        daemon.start()
        held: list[str] = []
        for _ in range(500):
            daemon.turn()
            held += [f"{one.reason} {one.mend}" for one in daemon.health.document().holdups]
            if house.archived():
                break
        daemon.shut_down()
    assert "Disk quota exceeded" in held[0]
    assert "have the quota of" in held[0]
    assert house.results() == ["dog.json", "dog.png"]
