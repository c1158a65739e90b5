"""What a crash leaves of the claims is adopted, or goes back into the inbox."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.errors import JournalRefused
from aura_daemon.intake import claim_recovery
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.triage import ReadyToClaim
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.journal.records import Source
from aura_daemon.system import durable_files
from tests.support.house import PNG, PROMPT, Door, House
from tests.support.steps import admit, claim, finish, judge

ID = "20260101T000000.000-abcdef"


def adopt(door: Door) -> list[Source]:
    return claim_recovery.adopt(door.claims, door.journal)


class FullJournal(Journal):
    """A journal that takes no claim while its disk is full."""

    is_full = True

    def claim(self, source: Source) -> None:
        if self.is_full:
            raise JournalRefused(errno.EIO, "the journal cannot be written: database or disk is full")
        super().claim(source)


@pytest.fixture
def full_journal(house: House) -> Iterator[FullJournal]:
    journal = FullJournal(house.state / FILE_NAME)
    yield journal
    journal.close()


def test_a_claimed_file_that_the_journal_does_not_know_is_adopted(house: House) -> None:
    door = Door(house)
    house.drop("a/caf\udce9.yaml")
    source = claim(door, "a/caf\udce9.yaml")
    door.close()
    for file in house.state.glob("journal*"):
        file.unlink()
    door = Door(house)
    (adopted,) = adopt(door)
    assert (adopted.id, adopted.path) == (source.id, "a/caf\udce9.yaml")
    assert adopt(door) == []
    (job,) = door.intake.admit(adopted)
    assert job.state is JobState.QUEUED
    door.close()


def test_folders_that_a_crash_left_empty_go(door: Door) -> None:
    (door.claims.work / "20260101T000000.000-abcdef" / "deep" / "er").mkdir(parents=True)
    assert adopt(door) == []
    assert list(door.claims.work.iterdir()) == []


def test_what_others_leave_in_the_work_folder_is_neither_adopted_nor_in_the_way(door: Door) -> None:
    work = door.claims.work
    for name in ("@eaDir/cat.png/thumb.png", "caf\udce9/cat.yaml", "notes/cat.yaml", f"{ID}/@eaDir/cat.png/thumb.png"):
        durable_files.make_folder((work / name).parent)
        (work / name).write_bytes(PNG)
    (work / "stray.yaml").write_bytes(PROMPT)
    before = door.house.visible(work)
    assert adopt(door) == []
    assert door.house.visible(work) == before
    (work / ID / "2026").mkdir()
    (work / ID / "2026" / "cat.png").write_bytes(PNG)
    (adopted,) = adopt(door)
    assert adopted.path == "2026/cat.png"


def test_a_link_or_a_folder_that_a_crash_left_claimed_goes_back(door: Door) -> None:
    link, folder = door.claims.work / ID / "sub", door.claims.work / "20260101T000000.000-fedcba" / "cat.yaml"
    link.mkdir(parents=True)
    (link / "link.yaml").symlink_to("/etc/passwd")
    folder.mkdir(parents=True)
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_bytes(PROMPT)
    assert adopt(door) == []
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
        assert [source.path for source in adopt(door)] == ["2.yaml"]
    assert any("cannot be taken up, and stays: Stale file handle" in line for line in log)
    assert [source.path for source in adopt(door)] == ["1.yaml"]


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
        assert adopt(door) == []
    assert any("cannot be taken up, and stays: Permission denied" in line for line in log)
    assert [source.path for source in adopt(door)] == ["closed/cat.yaml"]


def test_a_journal_that_refuses_leaves_no_claim_to_the_next_start(house: House, full_journal: FullJournal) -> None:
    claims = Claims(house.inbox, house.state, full_journal, keeps=False, now=time.time)
    folder = claims.work / "20260101T000000.000-000001"
    folder.mkdir(parents=True)
    (folder / "cat.yaml").write_bytes(PROMPT)
    with pytest.raises(JournalRefused):
        claim_recovery.adopt(claims, full_journal)
    full_journal.is_full = False
    assert [source.path for source in claim_recovery.adopt(claims, full_journal)] == ["cat.yaml"]


def test_a_claim_that_neither_the_journal_nor_the_inbox_takes_is_told_apart_and_taken_up_later(
    house: House, full_journal: FullJournal, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    claims = Claims(house.inbox, house.state, full_journal, keeps=False, now=time.time)
    house.drop("cat.yaml")

    def refused(source: Path, target: Path, **_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", os.fspath(target))

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", refused)
        with pytest.raises(JournalRefused):
            claims.claim("cat.yaml", SourceKind.JOB_FILE, settled_s=2.0)
    assert any("neither claimed nor back in the inbox (Read-only file system)" in line for line in log)
    assert claims.stranded is not None
    full_journal.is_full = False
    assert [source.path for source in claim_recovery.adopt(claims, full_journal)] == ["cat.yaml"]


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
    assert adopt(door) == []
    assert any("cannot be read: Permission denied" in line for line in log)


def test_a_folder_among_half_made_copies_is_no_reason_not_to_start(door: Door) -> None:
    (door.claims.temp / "folder").mkdir(parents=True)
    assert adopt(door) == []


def test_a_crash_while_a_file_is_put_back_leaves_one_of_it(door: Door) -> None:
    place, work = door.house.drop("sub/cat.yaml"), door.claims.work / ID / "sub" / "cat.yaml"
    durable_files.make_folder(work.parent)
    os.link(place, work)
    assert adopt(door) == []
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


def test_under_keep_a_crash_before_the_journal_neither_loses_nor_doubles(house: House) -> None:
    keeping = Door(house, keeps=True)
    keeping.house.drop("cat.yaml")
    durable_files.copy(
        keeping.house.inbox / "cat.yaml",
        keeping.claims.work / "20260101T000000.000-abcdef" / "cat.yaml",
        temp_folder=keeping.house.state / "copying",
    )
    (keeping.house.state / "copying" / "1-x.tmp").write_bytes(b"half a cop")
    assert adopt(keeping) == []
    assert keeping.house.visible(keeping.claims.work) == []
    assert keeping.house.temporary() == []
    assert isinstance(judge(keeping, "cat.yaml"), ReadyToClaim)
    keeping.close()
