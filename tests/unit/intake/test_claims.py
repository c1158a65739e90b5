"""How a file becomes ours, and what a crash leaves of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.errors import JournalRefused
from aura_daemon.intake.triage import Leave, ReadyToClaim
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.system import durable_files
from tests.conftest import Mount
from tests.support.house import PNG, PROMPT, Door, House, sha256
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


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("swapped", ["link", "folder", "fifo"])
@pytest.mark.timeout(10)
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
    take = durable_files.take

    def then_another_comes(file: Path, target: Path, *, below: Path) -> None:
        take(file, target, below=below)
        file.write_bytes(PROMPT)

    monkeypatch.setattr(durable_files, "take", then_another_comes)
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
    sync = durable_files.sync_folder

    def fail_once(folder: Path) -> None:
        monkeypatch.setattr(durable_files, "sync_folder", sync)
        raise OSError(errno.EIO, "Input/output error", os.fspath(folder))

    durable_files.make_folder(door.claims.work)
    monkeypatch.setattr(durable_files, "make_folder", lambda folder: folder.mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(durable_files, "sync_folder", fail_once)
    with pytest.raises(OSError, match="Input/output"):
        claim(door, place.name)
    assert door.house.visible(door.house.inbox) == [place.name]
    assert list(door.claims.work.iterdir()) == []
    assert claim(door, place.name).path == place.name


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


# -- what a crash leaves -----------------------------------------------------------------------------------------------


def test_a_claimed_file_that_the_journal_does_not_know_is_adopted(house: House) -> None:
    door = Door(house)
    house.drop("a/caf\udce9.yaml")
    source = claim(door, "a/caf\udce9.yaml")
    door.close()
    for file in house.state.glob("journal*"):
        file.unlink()
    door = Door(house)
    (adopted,) = door.claims.adopt()
    assert (adopted.id, adopted.path) == (source.id, "a/caf\udce9.yaml")
    assert door.claims.adopt() == []
    (job,) = door.intake.admit(adopted)
    assert job.state is JobState.QUEUED
    door.close()


def test_folders_that_a_crash_left_empty_go(door: Door) -> None:
    (door.claims.work / "20260101T000000.000-abcdef" / "deep" / "er").mkdir(parents=True)
    assert door.claims.adopt() == []
    assert list(door.claims.work.iterdir()) == []


ID = "20260101T000000.000-abcdef"


def test_what_others_leave_in_the_work_folder_is_neither_adopted_nor_in_the_way(door: Door) -> None:
    work = door.claims.work
    for name in ("@eaDir/cat.png/thumb.png", "caf\udce9/cat.yaml", "notes/cat.yaml", f"{ID}/@eaDir/cat.png/thumb.png"):
        durable_files.make_folder((work / name).parent)
        (work / name).write_bytes(PNG)
    (work / "stray.yaml").write_bytes(PROMPT)
    before = door.house.visible(work)
    assert door.claims.adopt() == []
    assert door.house.visible(work) == before
    (work / ID / "2026").mkdir()
    (work / ID / "2026" / "cat.png").write_bytes(PNG)
    (adopted,) = door.claims.adopt()
    assert adopted.path == "2026/cat.png"


def test_a_link_or_a_folder_that_a_crash_left_claimed_goes_back(door: Door) -> None:
    link, folder = door.claims.work / ID / "sub", door.claims.work / "20260101T000000.000-fedcba" / "cat.yaml"
    link.mkdir(parents=True)
    (link / "link.yaml").symlink_to("/etc/passwd")
    folder.mkdir(parents=True)
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_bytes(PROMPT)
    assert door.claims.adopt() == []
    assert (door.house.inbox / "sub" / "link.yaml").is_symlink()
    assert door.house.visible(door.house.inbox) == ["cat.yaml/a.yaml", "cat.yaml/b.yaml", "sub/link.yaml"]
    assert list(door.claims.work.iterdir()) == []


def test_a_claim_that_cannot_be_taken_up_keeps_no_other_and_no_daemon_from_starting(
    door: Door, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    for number in (1, 2):
        folder = door.claims.work / f"20260101T000000.000-00000{number}"
        folder.mkdir(parents=True)
        (folder / f"{number}.yaml").write_bytes(PROMPT)
    lstat = Path.lstat

    def stale(file: Path) -> os.stat_result:
        if file.name == "1.yaml":
            raise OSError(errno.ESTALE, "Stale file handle", os.fspath(file))
        return lstat(file)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "lstat", stale)
        assert [source.path for source in door.claims.adopt()] == ["2.yaml"]
    assert any("cannot be taken up, and stays: Stale file handle" in line for line in log)
    assert [source.path for source in door.claims.adopt()] == ["1.yaml"]


def test_a_claim_whose_folder_cannot_be_read_is_spoken_of_and_stays(
    door: Door, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    closed = door.claims.work / "20260101T000000.000-000001" / "closed"
    closed.mkdir(parents=True)
    (closed / "cat.yaml").write_bytes(PROMPT)
    scandir = os.scandir

    def refused(folder: Path | str) -> object:
        if Path(folder) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(folder))
        return scandir(folder)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refused)
        assert door.claims.adopt() == []
    assert any("cannot be taken up, and stays: Permission denied" in line for line in log)
    assert [source.path for source in door.claims.adopt()] == ["closed/cat.yaml"]


def test_a_journal_that_refuses_leaves_no_claim_to_the_next_start(door: Door) -> None:
    folder = door.claims.work / "20260101T000000.000-000001"
    folder.mkdir(parents=True)
    (folder / "cat.yaml").write_bytes(PROMPT)
    door.journal._database._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalRefused):
        door.claims.adopt()
    door.journal._database._connection.execute("PRAGMA query_only = OFF")
    assert [source.path for source in door.claims.adopt()] == ["cat.yaml"]


def test_a_claim_that_neither_the_journal_nor_the_inbox_takes_is_told_apart_and_taken_up_later(
    door: Door, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    door.house.drop("cat.yaml")
    door.journal._database._connection.execute("PRAGMA query_only = ON")

    def refused(source: Path, target: Path, **_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", os.fspath(target))

    with monkeypatch.context() as patched:
        patched.setattr(durable_files, "move", refused)
        with pytest.raises(JournalRefused):
            claim(door, "cat.yaml")
    assert any("neither claimed nor back in the inbox (Read-only file system)" in line for line in log)
    assert door.claims.stranded is not None
    door.journal._database._connection.execute("PRAGMA query_only = OFF")
    assert [source.path for source in door.claims.adopt()] == ["cat.yaml"]


@pytest.mark.parametrize("place", ["temp", "work"])
def test_folders_of_ours_that_cannot_be_read_keep_no_daemon_from_starting(
    door: Door, monkeypatch: pytest.MonkeyPatch, log: list[str], place: str
) -> None:
    folder: Path = getattr(door.claims, place)
    iterdir = Path.iterdir

    def refused(listed: Path) -> Iterator[Path]:
        if listed == folder:
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(listed))
        return iterdir(listed)

    monkeypatch.setattr(Path, "iterdir", refused)
    assert door.claims.adopt() == []
    assert any("cannot be read: Permission denied" in line for line in log)


def test_a_folder_among_half_made_copies_is_no_reason_not_to_start(door: Door) -> None:
    (door.claims.temp / "folder").mkdir(parents=True)
    assert door.claims.adopt() == []


def test_a_crash_while_a_file_is_put_back_leaves_one_of_it(door: Door) -> None:
    place, work = door.house.drop("sub/cat.yaml"), door.claims.work / ID / "sub" / "cat.yaml"
    durable_files.make_folder(work.parent)
    os.link(place, work)
    assert door.claims.adopt() == []
    assert door.house.visible(door.house.inbox) == ["sub/cat.yaml"]
    assert list(door.claims.work.iterdir()) == []


def test_a_crash_while_a_file_that_was_written_to_is_put_back_leaves_one_of_it(door: Door) -> None:
    place = door.house.drop("cat.yaml")
    with place.open("ab") as writer:
        source, jobs = admit(door, "cat.yaml")
        writer.write(b"steps: 3\n")
    finish(door, jobs)
    os.link(door.claims.file_of(source), place)
    assert door.disposal().dispose(source)
    assert door.house.visible(door.house.inbox) == ["cat.yaml"]
    assert door.house.archived() == []
    assert door.house.temporary() == []


# -- keep --------------------------------------------------------------------------------------------------------------


def test_under_keep_a_crash_before_the_journal_neither_loses_nor_doubles(keeping: Door) -> None:
    keeping.house.drop("cat.yaml")
    durable_files.copy(
        keeping.house.inbox / "cat.yaml",
        keeping.claims.work / "20260101T000000.000-abcdef" / "cat.yaml",
        temp_folder=keeping.house.state / "copying",
    )
    (keeping.house.state / "copying" / "1-x.tmp").write_bytes(b"half a cop")
    assert keeping.claims.adopt() == []
    assert keeping.house.visible(keeping.claims.work) == []
    assert keeping.house.temporary() == []
    assert isinstance(judge(keeping, "cat.yaml"), ReadyToClaim)


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
    place, copy = keeping.house.drop("cat.yaml"), durable_files.copy

    def meanwhile(source: Path, target: Path, **options: Any) -> str:
        sha256 = copy(source, target, **options)
        if fate == "gone":
            place.unlink()
        else:
            place.write_bytes(b"prompt: another\n")
        return sha256

    monkeypatch.setattr(durable_files, "copy", meanwhile)
    if fate == "gone":
        assert keeping.claims.claim("cat.yaml", SourceKind.JOB_FILE, settled_s=2.0) is None
    else:
        with pytest.raises(OSError, match="changed while it was copied"):
            keeping.claims.claim("cat.yaml", SourceKind.JOB_FILE, settled_s=2.0)
    assert list(keeping.claims.work.iterdir()) == []
    assert keeping.claims.adopt() == []


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
