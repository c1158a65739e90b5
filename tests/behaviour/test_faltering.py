"""Passing faults of disk and journal: the daemon waits, reports them, and loses no file. The worker is scripted."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.cli.run import exit_code
from aura_daemon.daemon.loop import Daemon
from aura_daemon.errors import JournalRefused
from aura_daemon.health import heartbeat
from aura_daemon.health.document import Health
from aura_daemon.health.listener import Event, HealthWritten
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.results import FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from tests.support.deadline import DEADLINE_S
from tests.support.house import PNG, House, fail, make
from tests.support.sqlite_faults import disk_error, sqlite_faults


def refusing(error: int, words: str, *, times: int) -> Callable[[Path], None]:
    """Makes a function that raises an OSError for the first `times` files."""
    left = [times]

    def refuse(file: Path) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise OSError(error, words, str(file))

    return refuse


def test_an_image_that_cannot_be_read_for_now_waits_while_prompts_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    house.drop("a.png", PNG)
    house.drop("b.yaml")
    open_file, queued = os.open, []

    def note(sql: str, values: Any) -> None:
        if sql.startswith("INSERT INTO jobs") and "caption" in values:
            queued.append(sql)

    def stale(path: Any, *arguments: Any, **options: Any) -> int:
        if queued and Path(path).name == "a.png":
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return open_file(path, *arguments, **options)

    with monkeypatch.context() as patched, sqlite_faults() as faults:
        faults.before = note
        patched.setattr(os, "open", stale)
        summary = house.drain(retry_first=3600)
    assert (summary.done, summary.failed, summary.waiting, exit_code(summary)) == (1, 0, 1, 1)
    assert any("is not started: Stale file handle (" in line and "; tried again in 3600 s" in line for line in log)
    assert exit_code(house.drain()) == 0
    assert house.results() == ["a.json", "a.txt", "b.json", "b.png"]


def test_an_outbox_that_falters_at_the_start_is_waited_for(house: House, log: list[str]) -> None:
    house.drop("a.yaml")
    obstacle = house.outbox / ".aura" / "tmp" / "a folder"
    obstacle.mkdir(parents=True)  # it cannot be removed as a file that a killed daemon was writing
    assert exit_code(house.drain(retry_first=3600)) == 1
    assert [line for line in log if "what was under way cannot be taken up: Is a directory" in line][1:] == []
    obstacle.rmdir()
    assert exit_code(house.drain()) == 0


def test_a_drain_ends_where_the_journal_takes_no_claim(house: House) -> None:
    house.drop("a.yaml")
    with sqlite_faults() as faults:
        faults.refuse("INSERT INTO sources")
        assert exit_code(house.drain(retry_first=3600)) == 1
    assert house.waiting() == ["a.yaml"]
    assert exit_code(house.drain()) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "FROM jobs WHERE source_id = ? ORDER BY number",
        "FROM jobs WHERE state = 'queued' AND kind = ? AND model = ?",
        "SELECT sources.* FROM jobs JOIN sources",
        "SELECT * FROM sources WHERE id = ?",
        "SELECT DISTINCT stem FROM jobs",
        "UPDATE jobs SET begun",
    ],
    ids=["jobs_of", "heads", "oldest_queued", "source", "stems_like", "place"],
)
def test_a_journal_that_cannot_be_read_in_the_middle_of_something_costs_nothing(house: House, statement: str) -> None:
    for name in ("a.yaml", "b.yaml"):
        house.drop(name)
    house.drop("c.png", PNG)
    calls = [0]

    def falter(sql: str, values: object) -> None:
        calls[0] += statement in sql
        if statement in sql and calls[0] in (2, 3, 5):
            raise disk_error()

    with sqlite_faults() as faults:
        faults.before = falter
        deadline_s = time.monotonic() + DEADLINE_S
        while (len(house.results()) < 6 or house.temporary()) and time.monotonic() < deadline_s:
            house.drain(retry_first=0.1, retry_at_most=0.1)
    assert calls[0] >= 2
    assert house.results() == ["a.json", "a.png", "b.json", "b.png", "c.json", "c.txt"]
    assert house.failed() == []
    assert house.temporary() == []


def test_a_journal_that_cannot_be_asked_whether_a_kept_file_succeeded_has_nothing_made_twice(house: House) -> None:
    file = house.drop("a.yaml")
    house.drain(sources="keep")
    os.utime(file, ns=(1, 1))
    calls = [0]

    def falter(sql: str, values: object) -> None:
        calls[0] += "FROM jobs WHERE source_id = ? ORDER BY number" in sql
        if "FROM jobs WHERE source_id = ? ORDER BY number" in sql and calls[0] == 1:
            raise disk_error()

    with sqlite_faults() as faults:
        faults.before = falter
        for _ in range(3):
            house.drain(sources="keep", retry_first=0.1, retry_at_most=0.1)
    assert calls[0] >= 2
    assert house.results() == ["a.json", "a.png"]
    assert house.failed() == []


def test_a_clock_set_back_over_a_restart_does_not_mix_up_which_file_came_last(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("cat.yaml", b"prompt: first\n")
    house.drain()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    house.drop("cat.yaml", b"prompt: second\n")
    house.drain()
    journal = house.journal()
    latest = journal.latest_source("cat.yaml")
    assert latest is not None
    (job,) = journal.jobs_of(latest.id)
    journal.close()
    assert b"second" in job.text


def test_what_could_not_be_put_back_while_the_inbox_was_away_is_taken_up_when_it_is_back(house: House) -> None:
    away = Path(f"{house.inbox}.away")
    with house.daemon(drain=False, retry_first=0.1) as daemon:
        daemon.start()
        daemon.turn()
        daemon.turn()
        house.inbox.rename(away)
        daemon.turn()
        stranded = away / ".aura" / "work" / "20260101T000000.000-000001" / "cat.yaml"
        stranded.parent.mkdir(parents=True)  # a claim whose daemon could neither journal it nor put it back
        stranded.write_bytes(b"prompt: stranded\n")
        away.rename(house.inbox)
        for _ in range(300):
            daemon.turn()
            if len(house.results()) == 2:
                break
            time.sleep(0.01)
        daemon.shut_down()
    assert house.results() == ["cat.json", "cat.png"]
    assert house.waiting() == []


def test_a_claim_that_could_be_neither_journaled_nor_put_back_is_taken_up_by_the_same_daemon(
    house: House, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    house.drop("cat.yaml")
    link = os.link

    def stale(source: Path, target: Path, **options: Any) -> None:
        if target.name != "cat.yaml":  # other files get their names
            link(source, target, **options)
            return
        monkeypatch.setattr(os, "link", link)
        raise OSError(errno.ESTALE, "Stale file handle", str(target))

    monkeypatch.setattr(os, "link", stale)
    with sqlite_faults() as faults, house.daemon(drain=False, retry_first=0.1, retry_at_most=0.1) as daemon:
        faults.refuse("INSERT INTO sources", times=2)
        stop_when(daemon, lambda: bool(house.archived()))
        daemon.run()
    assert house.results() == ["cat.json", "cat.png"]
    assert any("it is taken up later" in line for line in log)
    assert house.temporary() == []


def test_a_claim_that_cannot_be_taken_up_is_said_in_health(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    stranded = house.inbox / ".aura" / "work" / "20260101T000000.000-000001" / "cat.yaml"
    stranded.parent.mkdir(parents=True)
    stranded.write_bytes(b"prompt: stranded\n")
    lstat = Path.lstat

    def stale(file: Path) -> os.stat_result:
        if file == stranded:
            raise OSError(errno.ESTALE, "Stale file handle", str(file))
        return lstat(file)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "lstat", stale)
        assert exit_code(house.drain(retry_first=3600)) == 1
    found = heartbeat.read(house.state)
    assert found is not None
    assert [(one.what, one.reason.partition(" (")[0]) for one in found.holdups] == [
        ("sources", "a claimed file cannot be taken up: Stale file handle")
    ]
    assert exit_code(house.drain()) == 0


def test_the_heart_beats_while_the_journal_cannot_be_read(house: House) -> None:
    beats: list[Health] = []

    class Reader:
        def on_event(self, event: Event) -> None:
            if isinstance(event, HealthWritten):
                beats.append(event.document)

    patient: dict[str, Any] = {"drain": False, "retry_first": 0.1, "retry_at_most": 0.1}
    with sqlite_faults() as faults, house.daemon(listeners=[Reader()], **patient) as daemon:
        faults.refuse("SELECT * FROM", "SELECT sources.* FROM", "SELECT model FROM")
        stop_when(daemon, lambda: any(document.holdups for document in beats))
        daemon.run()
    assert beats[0].status == "starting"
    assert any("cannot be read" in holdup.reason for document in beats for holdup in document.holdups)
    assert beats[-1].status == "stopped"


def test_a_result_that_the_outbox_refused_is_published_at_the_stop_where_there_is_room_by_then(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("cat.yaml")
    link, runs = os.link, []
    refuse = refusing(errno.ENOSPC, "No space left on device", times=1)

    def full(source: Path, target: Path, **options: Any) -> None:
        if target.name == "cat.png":
            refuse(target)
        link(source, target, **options)

    def play(task: Task) -> Outcome:
        runs.append(task)
        return make(task)

    monkeypatch.setattr(os, "link", full)
    with house.daemon(play, drain=False, retry_first=3600) as daemon:
        stop_when(daemon, lambda: bool(runs) and not daemon.pool.is_running)
        daemon.run()
    assert house.results() == ["cat.json", "cat.png"]
    assert house.archived() == ["cat.yaml"]
    assert len(runs) == 1


def test_no_other_daemon_takes_over_while_the_journal_refuses(house: House) -> None:
    tries: list[str] = []
    left: list[int] = []

    def refuse(sql: str, values: object) -> None:
        if sql.startswith("DELETE FROM companions"):  # the write that is tried
            tries.append(sql)
            if len(tries) <= 3:
                raise disk_error()

    with sqlite_faults() as faults, house.daemon(drain=False, retry_first=0.1, retry_at_most=0.1) as daemon:
        faults.before = refuse
        daemon.health.hold_up("journal", "nothing can be claimed", JournalRefused(errno.EIO, "the disk is full"))
        daemon.reload()
        stop_when(daemon, lambda: bool(left))
        daemon.run(reload=lambda: left.append(3 - min(3, len(tries))) is not None)
    assert left == [0]


def test_a_failure_whose_payload_cannot_be_taken_back_now_is_decided_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("bad.yaml")
    link, unlink = os.link, Path.unlink

    def full(source: Path, target: Path, **options: Any) -> None:
        if target.name == "bad.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        link(source, target, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", full)
        house.drain(retry_first=3600)
    assert house.results() == ["bad.png"]
    refuse, refused = refusing(errno.EROFS, "Read-only file system", times=2), []

    def read_only(file: Path, **options: Any) -> None:
        if file == house.outbox / "bad.png":
            refused.append(file)
            refuse(file)
        unlink(file, **options)

    monkeypatch.setattr(Path, "unlink", read_only)
    with house.daemon(fail(FailureKind.UNEXPECTED), drain=False, retry_first=0.1, retry_at_most=0.1) as daemon:
        stop_when(daemon, lambda: bool(house.failed()))
        summary = daemon.run()
    assert house.failed() == ["bad.yaml", "bad.yaml.json"]
    assert house.results() == []
    assert (summary.failed, summary.stuck, len(refused)) == (1, False, 3)


def test_jobs_drawn_together_of_which_one_cannot_be_read_now_are_all_drawn_later(house: House) -> None:
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        house.drop(name)
    started: list[str] = []
    refused: list[str] = []

    def falter(sql: str, values: Any) -> None:
        if sql.startswith("UPDATE jobs SET state") and JobState.RUNNING in values:
            started.append(sql)
        elif len(started) == 2 and not refused and sql.startswith("SELECT * FROM sources WHERE id"):
            refused.append(sql)
            raise disk_error()

    with (
        sqlite_faults() as faults,
        house.daemon(drain=False, batch=3, retry_first=0.1, retry_at_most=0.1) as daemon,
    ):
        faults.before = falter
        stop_when(daemon, lambda: len(house.archived()) == 3)
        summary = daemon.run()
    assert (summary.done, len(refused)) == (3, 1)


def test_a_result_is_kept_where_neither_outbox_nor_journal_say_how_far_it_came(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("a.yaml")
    house.drop("b.yaml")
    link, coming = os.link, ["the journal", "the outbox"]

    def full(source: Path, target: Path, **options: Any) -> None:
        if target.name.endswith(".json") and coming[-1:] == ["the outbox"]:
            coming.pop()
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        link(source, target, **options)

    def unreadable(sql: str, values: object) -> None:
        if sql.startswith("SELECT * FROM jobs WHERE id") and coming == ["the journal"]:
            coming.pop()
            raise disk_error()

    monkeypatch.setattr(os, "link", full)
    runs: list[Task] = []

    def play(task: Task) -> Outcome:
        runs.append(task)
        return make(task)

    with (
        sqlite_faults() as faults,
        house.daemon(play, drain=False, batch=2, retry_first=0.1, retry_at_most=0.1) as daemon,
    ):
        faults.before = unreadable
        stop_when(daemon, lambda: len(house.archived()) == 2)
        daemon.run()
    assert coming == []
    assert house.results() == ["a.json", "a.png", "b.json", "b.png"]
    assert len(runs) == 2


def stop_when(daemon: Daemon, is_it: Callable[[], bool]) -> None:
    """Makes the loop turn until a condition holds, or for a minute, then stops the daemon."""

    def watch() -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while not is_it() and time.monotonic() < deadline_s:
            daemon.wake()
            time.sleep(0.005)
        daemon.stop()

    threading.Thread(target=watch, daemon=True).start()
