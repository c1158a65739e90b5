"""Backups: whole while the daemon writes, put back only where none runs, and nothing is lost or done twice."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.cli.app import main
from aura_daemon.errors import UserError
from aura_daemon.housekeeping.backup import ENDED_SINCE, MAY_HAVE_RUN, Restored, back_up, restore
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.journal.hook_events import HookKind
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.journal.migrations import VERSION
from tests.support.house import PROMPT, House
from tests.support.plain_user import as_a_plain_user
from tests.unit.journal.test_journal import job, source


@pytest.fixture
def backup(house: House) -> Path:
    return house.root / "backups" / "aura.sqlite3"


@pytest.fixture
def worked(house: House, backup: Path) -> House:
    """A house in which one job is done."""
    backup.parent.mkdir()
    house.drop("cat.yaml")
    house.drain()
    return house


def put_back(house: House, backup: Path) -> Restored:
    return restore(house.settings(), backup)


def states(house: House) -> dict[str, list[str]]:
    """The states of the jobs of every file."""
    with closing(sqlite3.connect(house.state / FILE_NAME)) as database:
        query = "SELECT path, jobs.state FROM jobs JOIN sources ON sources.id = source_id ORDER BY jobs.id"
        found: dict[str, list[str]] = {}
        for path, state in database.execute(query):
            found.setdefault(os.fsdecode(path), []).append(state)
        return found


def test_a_backup_is_one_file_for_its_owner_alone_and_holds_everything(worked: House, backup: Path) -> None:
    assert back_up(worked.settings(), backup) == (1, 1)
    assert [place.name for place in backup.parent.iterdir()] == [backup.name]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with closing(sqlite3.connect(f"{backup.as_uri()}?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert database.execute("SELECT state FROM jobs").fetchall() == [("done",)]


def test_a_backup_while_the_daemon_writes_is_of_one_moment(worked: House, backup: Path) -> None:
    with closing(Journal(worked.state / FILE_NAME)) as journal:
        journal.close()
    is_over = threading.Event()

    def write() -> None:
        with closing(Journal(worked.state / FILE_NAME)) as writer:
            number = 100
            while not is_over.is_set():
                number += 1
                one = source(number, path=f"{number}.yaml")
                writer.claim(one)
                writer.admit(one, tuple(job(one.id, f"{one.id}-{part}", number=part) for part in range(20)))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(5):
            back_up(worked.settings(), backup)
            with closing(Journal(backup)) as copy:
                found = [len(copy.jobs_of(one.id)) for one in copy.unfinished_sources()]
            assert set(found) <= {0, 20}
    finally:
        is_over.set()
        thread.join()


def test_an_earlier_backup_is_replaced_and_nothing_else(worked: House, backup: Path) -> None:
    back_up(worked.settings(), backup)
    worked.drop("dog.yaml")
    worked.drain()
    assert back_up(worked.settings(), backup) == (2, 2)
    photo = backup.with_name("photo.jpg")
    photo.write_bytes(b"mine")
    with pytest.raises(UserError, match="exists and is no backup"):
        back_up(worked.settings(), photo)
    assert photo.read_bytes() == b"mine"
    for target, message in (
        (worked.state / FILE_NAME, "is the journal itself"),
        (backup.parent / "nowhere" / "x", "is no folder"),
    ):
        with pytest.raises(UserError, match=message):
            back_up(worked.settings(), target)


def test_where_nothing_has_run_there_is_nothing_to_back_up(house: House) -> None:
    with pytest.raises(UserError, match="nothing has run here yet"):
        back_up(house.settings(), house.root / "backup")


def test_a_full_disk_leaves_the_earlier_backup_and_no_part(worked: House, small_disk: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        back_up(worked.settings(), small_disk / "aura.sqlite3")
    assert list(small_disk.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's journal")
def test_a_journal_of_another_user_is_told_with_its_owner(house: House, place_for_all: Path) -> None:
    other = House(place_for_all)
    other.drop("cat.yaml")
    other.drain()
    place_for_all.chmod(0o777)
    other.state.chmod(0o755)
    with as_a_plain_user(), pytest.raises(UserError, match="is root's alone"):
        back_up(other.settings(), place_for_all / "backup")


def test_a_backup_is_put_back_and_the_journal_is_kept_beside(worked: House, backup: Path) -> None:
    back_up(worked.settings(), backup)
    worked.drop("dog.yaml")
    worked.drain()
    restored = put_back(worked, backup)
    assert (restored.files, restored.jobs, restored.resumed, restored.ended) == (1, 1, 0, 0)
    assert states(worked) == {"cat.yaml": ["done"]}
    assert restored.kept_as is not None
    with closing(Journal(restored.kept_as, read_only=True)) as before:
        assert before.size() == (2, 2)
    os.utime(worked.drop("cat.yaml"), ns=(0, _modified(worked)))
    worked.drain()
    assert worked.results() == ["cat.json", "cat.png", "dog.json", "dog.png"], "a redelivery is known again"


def _modified(house: House) -> int:
    with closing(house.journal()) as journal:
        found = journal.latest_source("cat.yaml")
        assert found is not None
        return found.modified_ns


def test_a_backup_starts_a_new_machine(worked: House, backup: Path, tmp_path: Path) -> None:
    back_up(worked.settings(), backup)
    other = House(tmp_path / "other")
    shutil.rmtree(other.state)
    restored = put_back(other, backup)
    assert (restored.files, restored.kept_as) == (1, None)
    assert states(other) == {"cat.yaml": ["done"]}


def test_it_is_refused_while_a_daemon_runs(worked: House, backup: Path) -> None:
    with worked.daemon():
        back_up(worked.settings(), backup)
        with pytest.raises(UserError, match=r"another aura-daemon .* works on"):
            put_back(worked, backup)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is no file"), (b"", "is no backup of a journal"), (b"no database at all", "is no backup of a journal")],
)
def test_what_is_no_backup_is_refused_and_the_journal_stays(
    worked: House, backup: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        backup.write_bytes(content)
    with pytest.raises(UserError, match=message):
        put_back(worked, backup)
    assert states(worked) == {"cat.yaml": ["done"]}
    assert sorted(place.name for place in worked.state.glob("*restor*")) == []


def test_a_damaged_backup_is_refused_and_the_journal_stays(worked: House, backup: Path) -> None:
    for number in range(40):
        worked.drop(f"{number}.yaml", b"prompt: " + b"x " * 500 + b"\n")
    worked.drain()
    back_up(worked.settings(), backup)
    with backup.open("r+b") as file:
        file.seek(4096 * 9)
        file.write(b"\xff" * 4096 * 6)
    with pytest.raises(UserError, match="is damaged: take an earlier backup"):
        put_back(worked, backup)
    assert len(states(worked)) == 41


def test_a_backup_of_a_later_release_is_refused_with_the_mend(worked: House, backup: Path) -> None:
    back_up(worked.settings(), backup)
    with closing(sqlite3.connect(backup)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(UserError, match=r"is of version \d+, this program knows \d+: update it"):
        put_back(worked, backup)
    assert states(worked) == {"cat.yaml": ["done"]}


def test_a_damaged_journal_is_replaced_and_kept_with_its_log(worked: House, backup: Path) -> None:
    back_up(worked.settings(), backup)
    journal = worked.state / FILE_NAME
    journal.write_bytes(b"damage" * 1000)
    journal.with_name(journal.name + "-wal").write_bytes(b"a log")
    restored = put_back(worked, backup)
    assert restored.kept_as is not None
    assert restored.kept_as.read_bytes().startswith(b"damage")
    assert states(worked) == {"cat.yaml": ["done"]}
    worked.drop("dog.yaml")
    assert worked.drain().done == 1


def interrupted(house: House, backup: Path, play: Any = lambda task: None) -> None:
    """Takes a backup while the first of two files runs, and kills the daemon."""
    house.drop("one.yaml", b"prompt: a\n---\nprompt: b\n")
    house.drop("two.yaml", PROMPT)
    with suppress(AssertionError), house.daemon(play, drain=False) as daemon:
        daemon.start()
        while daemon.journal.counts()[JobState.RUNNING] == 0 or daemon.journal.size()[0] < 3:
            daemon.turn()
        back_up(house.settings(), backup)
        daemon.watcher.stop()


def test_what_was_under_way_runs_again_where_its_file_is_still_there(worked: House, backup: Path) -> None:
    interrupted(worked, backup)
    restored = put_back(worked, backup)
    assert (restored.resumed, restored.ended) == (2, 0)
    assert worked.drain().done == 3
    assert set(worked.results()) >= {"one-1.png", "one-2.png", "two.png"}


def test_what_was_under_way_and_has_ended_since_does_not_run_again(worked: House, backup: Path) -> None:
    interrupted(worked, backup)
    assert worked.drain().done == 3
    before = worked.results()
    restored = put_back(worked, backup)
    assert (restored.resumed, restored.ended) == (0, 2)
    assert states(worked) == {"cat.yaml": ["done"], "one.yaml": ["failed"] * 2, "two.yaml": ["failed"]}
    assert worked.drain().done == 0
    assert worked.results() == before
    with closing(worked.journal()) as journal:
        failures = journal.recent_failures(5, among=10)
    assert {failed.message for failed in failures} == {ENDED_SINCE.message}


def test_a_claimed_file_that_the_backup_does_not_know_is_taken_up(worked: House, backup: Path) -> None:
    back_up(worked.settings(), backup)
    interrupted(worked, backup.with_name("later"))
    put_back(worked, backup)
    assert worked.drain().done == 3
    assert set(worked.results()) >= {"one-1.png", "one-2.png", "two.png"}


def test_what_was_done_since_and_stays_in_the_inbox_runs_again(house: House, backup: Path) -> None:
    backup.parent.mkdir()
    house.drop("cat.yaml")
    house.drain(sources="keep")
    back_up(house.settings(), backup)
    house.drop("dog.yaml")
    house.drain(sources="keep")
    put_back(house, backup)
    assert house.drain(sources="keep").done == 1
    assert "dog.r2.png" in house.results()


def test_hooks_that_were_due_then_do_not_run_once_more(worked: House, backup: Path) -> None:
    with closing(Journal(worked.state / FILE_NAME)) as journal:
        journal.hook_events.wanted = frozenset(HookKind)
        with journal._database.transaction() as database:
            journal.hook_events.record(database, HookKind.DONE, "x", now=1.0)
    back_up(worked.settings(), backup)
    put_back(worked, backup)
    with closing(worked.journal()) as journal:
        assert journal.hook_events.due(5) == []
        assert journal.hook_events.outcomes_of("x") == [(HookKind.DONE, MAY_HAVE_RUN)]
        assert not journal.hook_events.is_gathering()


def test_both_are_commands_that_say_what_they_did(
    worked: House, backup: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, folder in (("INBOX", worked.inbox), ("OUTBOX", worked.outbox), ("STATE", worked.state)):
        monkeypatch.setenv(f"AURA_{key}", str(folder))
    for command in ("backup", "restore"):
        monkeypatch.setattr("sys.argv", ["aura-daemon", command, str(backup)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{backup}: 1 file and 1 job, 0.")
    assert lines[1] == f"{worked.state}: 1 file and 1 job, from {backup}"
    assert lines[2].startswith(f"the journal until now is kept as {worked.state / FILE_NAME}.before-restore-")
    monkeypatch.setattr("sys.argv", ["aura-daemon", "restore", "/nowhere"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: /nowhere: is no file\n"
