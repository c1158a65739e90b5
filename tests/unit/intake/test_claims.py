"""How a file becomes ours, and what a crash leaves of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.intake import claim_recovery
from aura_daemon.intake.triage import ReadyToClaim
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.watch.decisions import Leave
from tests.conftest import Mount
from tests.support.house import PNG, PROMPT, Door, House, sha256
from tests.support.remembered_status import remember
from tests.support.steps import admit, claim, finish, judge


@pytest.fixture
def keeping(house: House) -> Iterator[Door]:
    opened = Door(house, keeps=True)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "name",
    [
        "cat.yaml",
        "a/b/cat.yaml",
        "caf\udce9.yaml",
        "new\nline.yaml",
        "-rf.yaml",
        "\u202elmay.tac.yaml",
        "x" * 250 + ".yaml",
        "猫" * 83 + ".yaml",
        "$(reboot).yaml",
        "%s{0}{}.yaml",
        "con:<b>[/b].yaml",
    ],
)
def test_any_name_is_claimed_by_rename_read_and_queued(door: Door, name: str, log: list[str]) -> None:
    inode = door.house.drop(name).stat().st_ino
    source, (job,) = admit(door, name)
    assert not (door.house.inbox / name).exists()
    assert door.claims.file_of(source).stat().st_ino == inode
    assert source.sha256 == sha256(PROMPT)
    assert isinstance(job.request, GenerateRequest)
    assert job.request.seed is not None
    assert len(os.fsencode(job.stem)) <= 215
    assert all(line.isprintable() for line in log)


@pytest.mark.parametrize("keeps", [False, True])
def test_a_file_that_is_gone_or_no_file_any_more_is_quietly_not_claimed(house: House, keeps: bool) -> None:
    door = Door(house, keeps=keeps)
    assert door.claims.claim("cat.yaml", SourceKind.JOB_FILE, settled_s=2.0) is None
    assert house.temporary() == []
    assert list(door.claims.work.iterdir()) == []
    door.close()


def test_a_file_that_is_rewritten_between_sight_and_claim_runs_as_it_was_claimed(door: Door) -> None:
    door.house.drop("cat.yaml")
    assert isinstance(judge(door, "cat.yaml"), ReadyToClaim)
    door.house.drop("cat.yaml", b"prompt: a blue square\n")
    source, (job,) = admit(door, "cat.yaml")
    assert source.sha256 == sha256(b"prompt: a blue square\n")
    assert isinstance(job.request, GenerateRequest)
    assert job.request.prompt == "a blue square"


def test_a_prompt_written_to_after_its_claim_goes_back_to_the_inbox_as_a_new_one(door: Door) -> None:
    place = door.house.drop("cat.yaml")
    with place.open("ab") as writer:
        source, jobs = admit(door, "cat.yaml")
        writer.write(b"steps: 3\n")
    finish(door, jobs)
    door.house.drop("cat.yaml", b"prompt: a third one\n")
    assert door.disposal().dispose(source)
    assert door.house.archived() == []
    assert (door.house.inbox / "cat.r2.yaml").read_bytes() == PROMPT + b"steps: 3\n"
    assert (door.house.inbox / "cat.yaml").read_bytes() == b"prompt: a third one\n"
    assert door.journal.unfinished_sources() == []


def test_whether_a_prompt_was_written_to_after_its_claim_its_server_is_asked(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = door.house.drop("cat.yaml")
    with place.open("ab") as writer:
        source, jobs = admit(door, "cat.yaml")
        claimed = door.claims.file_of(source)
        remember(claimed.parent, monkeypatch)
        claimed.lstat()
        writer.write(b"steps: 3\n")
    finish(door, jobs)
    assert door.disposal().dispose(source)
    assert (door.house.inbox / "cat.yaml").read_bytes() == PROMPT + b"steps: 3\n"


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("swapped", ["link", "folder", "fifo"])
@pytest.mark.timeout(60)
def test_what_is_no_file_any_more_when_it_is_claimed_stays_in_the_inbox(
    house: House, keeps: bool, swapped: str
) -> None:
    door, place = Door(house, keeps=keeps), house.inbox / "sub" / "cat.yaml"
    place.parent.mkdir()
    if swapped == "link":
        place.symlink_to("/etc/passwd")
    elif swapped == "folder":
        place.mkdir()
        (place / "inner.yaml").write_bytes(PROMPT)
    else:
        os.mkfifo(place)
    before = place.lstat()
    assert door.claims.claim("sub/cat.yaml", SourceKind.JOB_FILE, settled_s=2.0) is None
    assert (place.lstat().st_ino, place.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert list(door.claims.work.iterdir()) == []
    assert door.journal.unfinished_sources() == []
    door.close()


def test_what_was_taken_by_mistake_replaces_nothing_that_came_meanwhile(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = door.house.inbox / "cat.yaml"
    place.symlink_to("/etc/passwd")
    rename = os.rename

    def then_another_comes(name: str, target: Path, **options: int) -> None:
        rename(name, target, **options)
        place.write_bytes(PROMPT)

    monkeypatch.setattr(os, "rename", then_another_comes)
    assert door.claims.claim("cat.yaml", SourceKind.JOB_FILE, settled_s=2.0) is None
    assert place.read_bytes() == PROMPT
    assert (door.house.inbox / "cat.r2.yaml").is_symlink()


@pytest.mark.parametrize("keeps", [False, True])
def test_no_file_is_taken_out_of_a_folder_to_which_a_link_leads(house: House, keeps: bool) -> None:
    door, outside = Door(house, keeps=keeps), house.root / "outside"
    outside.mkdir()
    (outside / "cat.yaml").write_bytes(PROMPT)
    (house.inbox / "sub").symlink_to(outside)
    assert door.claims.claim("sub/cat.yaml", SourceKind.JOB_FILE, settled_s=2.0) is None
    assert isinstance(judge(door, "sub/cat.yaml"), Leave)
    assert (outside / "cat.yaml").read_bytes() == PROMPT
    assert door.journal.unfinished_sources() == []
    assert list(door.claims.work.iterdir()) == []
    door.close()


def test_nothing_is_put_back_through_a_link_that_came_meanwhile(door: Door) -> None:
    (door.house.root / "outside").mkdir()
    place = door.house.drop("sub/cat.yaml")
    with place.open("ab") as writer:
        source, jobs = admit(door, "sub/cat.yaml")
        writer.write(b"steps: 3\n")
    finish(door, jobs)
    place.parent.rmdir()
    place.parent.symlink_to(door.house.root / "outside")
    assert door.disposal().dispose(source)
    assert list((door.house.root / "outside").iterdir()) == []
    assert (door.house.inbox / "cat.yaml").read_bytes() == PROMPT + b"steps: 3\n"


@pytest.mark.parametrize("keeps", [False, True])
def test_a_hard_link_that_is_put_in_the_place_of_a_judged_file_is_not_claimed(house: House, keeps: bool) -> None:
    if os.geteuid() != 0:
        pytest.skip("takes root to make somebody else's file")
    door = Door(house, keeps=keeps)
    secret, place = house.root / "secret", house.inbox / "cat.yaml"
    secret.write_bytes(PROMPT)
    os.chown(secret, 12345, 12345)
    os.link(secret, place)
    assert door.claims.claim("cat.yaml", SourceKind.JOB_FILE, settled_s=2.0) is None
    assert place.samefile(secret)
    assert door.journal.unfinished_sources() == []
    assert list(door.claims.work.iterdir()) == []
    door.close()


def test_a_claim_that_is_not_known_to_last_goes_back_where_it_was(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    place = door.house.drop("x" * 250 + ".yaml")
    rename, fsync = os.rename, os.fsync

    def fail_once(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        raise OSError(errno.EIO, "Input/output error")

    def then_the_disk_fails(name: str, target: Path, **options: int) -> None:
        rename(name, target, **options)
        monkeypatch.setattr(os, "rename", rename)
        monkeypatch.setattr(os, "fsync", fail_once)

    monkeypatch.setattr(os, "rename", then_the_disk_fails)
    with pytest.raises(OSError, match="Input/output"):
        claim(door, place.name)
    assert door.house.visible(door.house.inbox) == [place.name]
    assert list(door.claims.work.iterdir()) == []
    assert claim(door, place.name).path == place.name


@pytest.mark.parametrize("keeps", [False, True])
def test_what_is_claimed_is_durable_even_if_whoever_wrote_it_did_not_see_to_that(
    house: House, monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    door = Door(house, keeps=keeps)
    house.drop("sub/cat.yaml")
    synced, fsync = set(), os.fsync

    def noting(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    file = door.claims.file_of(claim(door, "sub/cat.yaml"))
    folders = (file.parent, file.parent.parent, *(() if keeps else (house.inbox / "sub",)))
    assert {place.stat().st_ino for place in (file, *folders)} <= synced
    door.close()


@pytest.mark.parametrize("keeps", [False, True])
def test_a_file_dated_beyond_all_reason_is_a_file_like_any_other(house: House, keeps: bool) -> None:
    door = Door(house, keeps=keeps)
    place = house.drop("cat.yaml")
    os.utime(place, (10_000_000_001, 10_000_000_001))
    if place.stat().st_mtime_ns < 1 << 63:
        pytest.skip("no such times on this file system")
    source, (job,) = admit(door, "cat.yaml")
    assert door.journal.source(source.id) == source
    assert not door.claims.give_back(source)
    if keeps:
        assert isinstance(judge(door, "cat.yaml"), Leave)
    assert job.state is JobState.QUEUED
    door.close()


# -- keep --------------------------------------------------------------------------------------------------------------


def test_a_read_only_inbox_works_under_keep(house: House, mount: Mount) -> None:
    source_folder = house.root / "nas"
    source_folder.mkdir()
    (source_folder / "cat.yaml").write_bytes(PROMPT)
    mount(house.inbox, "--bind", str(source_folder))
    mount(house.inbox, "-o", "remount,ro,bind")
    door = Door(house, keeps=True)
    source, jobs = admit(door, "cat.yaml")
    finish(door, jobs)
    door.disposal().dispose(source)
    assert isinstance(judge(door, "cat.yaml"), Leave)
    door.close()
    assert [path.name for path in source_folder.iterdir()] == ["cat.yaml"]


def test_what_was_claimed_before_keep_was_set_is_finished_and_archived(house: House) -> None:
    door = Door(house)
    house.drop("cat.png", PNG)
    house.drop("lost.yaml")
    admit(door, "cat.png")
    claim(door, "lost.yaml")
    door.close()
    door = Door(house, keeps=True)
    sources = {source.path: source for source in door.journal.unfinished_sources()}
    (job,) = door.journal.jobs_of(sources["cat.png"].id)
    assert door.inputs.of(job, sources["cat.png"]).image is not None
    finish(door, (job,))
    door.disposal().dispose(sources["cat.png"])
    (job,) = door.intake.admit(sources["lost.yaml"])
    assert isinstance(job.request, GenerateRequest)
    assert house.archived() == ["cat.png"]
    door.close()


@pytest.mark.parametrize("fate", ["gone", "changed"])
def test_under_keep_no_copy_is_left_of_a_file_that_went_or_changed_while_it_was_copied(
    keeping: Door, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    place, link = keeping.house.drop("cat.yaml"), os.link

    def meanwhile(source: Path, target: Path, **options: bool) -> None:
        link(source, target, **options)
        if fate == "gone":
            place.unlink()
        else:
            place.write_bytes(b"prompt: another\n")

    monkeypatch.setattr(os, "link", meanwhile)
    if fate == "gone":
        assert keeping.claims.claim("cat.yaml", SourceKind.JOB_FILE, settled_s=2.0) is None
    else:
        with pytest.raises(OSError, match="changed while it was copied"):
            keeping.claims.claim("cat.yaml", SourceKind.JOB_FILE, settled_s=2.0)
    assert list(keeping.claims.work.iterdir()) == []
    assert claim_recovery.adopt(keeping.claims, keeping.journal) == []


def test_a_mount_that_falters_is_no_claim_that_is_gone(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.house.drop("cat.yaml")
    source = claim(door, "cat.yaml")
    lstat = Path.lstat

    def stale(path: Path) -> os.stat_result:
        if path.name == "cat.yaml":
            raise OSError(errno.ESTALE, "Stale file handle", os.fspath(path))
        return lstat(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "lstat", stale)
        with pytest.raises(OSError, match="Stale file handle"):
            door.claims.file_of(source)
    assert door.claims.file_of(source).read_bytes() == PROMPT
