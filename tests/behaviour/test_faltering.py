"""Faults that pass: what falters is waited for, said, and costs no file. The daemon with a scripted worker."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aura_daemon.cli.run import exit_code
from aura_daemon.daemon.loop import Daemon
from aura_daemon.errors import JournalRefused
from aura_daemon.health import heartbeat
from aura_daemon.health.document import Health
from aura_daemon.health.listener import Event, HealthWritten
from aura_daemon.intake.input_images import InputImages, JobImages
from aura_daemon.jobs.results import FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.ladder.attempts import StartedAttempt
from aura_daemon.outbox.delivery import Delivered, Delivery
from tests.support.house import PNG, House, fail, make


def failing(error: OSError, times: int) -> list[OSError]:
    """To be raised so many times."""
    return [error] * times


def test_an_image_that_cannot_be_read_for_now_waits_while_prompts_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    house.drop("a.png", PNG)
    house.drop("b.yaml")
    read = InputImages.of

    def stale(self: InputImages, job: Job, source: Source) -> JobImages:
        if job.kind == "caption":
            raise OSError(errno.ESTALE, "Stale file handle", "a.png")
        return read(self, job, source)

    with monkeypatch.context() as patched:
        patched.setattr(InputImages, "of", stale)
        summary = house.drain(retry_first=3600)
    assert (summary.done, summary.failed, summary.waiting, exit_code(summary)) == (1, 0, 1, 1)
    assert any("is not started: Stale file handle (a.png); tried again in 3600 s" in line for line in log)
    assert exit_code(house.drain()) == 0
    assert house.results() == ["a.json", "a.txt", "b.json", "b.png"]


def test_an_outbox_that_falters_at_the_start_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.drop("a.yaml")
    clear, refusals = Delivery.clear_temp, failing(OSError(errno.EIO, "Input/output error"), 2)

    def faltering(self: Delivery) -> None:
        if refusals:
            raise refusals.pop()
        clear(self)

    monkeypatch.setattr(Delivery, "clear_temp", faltering)
    summary = house.drain()
    assert exit_code(summary) == 1
    assert len(refusals) == 1
    refusals.clear()
    assert exit_code(house.drain()) == 0


def test_a_drain_ends_where_the_journal_takes_no_claim(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.drop("a.yaml")

    def full(self: Journal, source: Source) -> None:
        raise JournalRefused(errno.EIO, "the journal cannot be written: database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "claim", full)
        assert exit_code(house.drain(retry_first=3600)) == 1
    assert house.waiting() == ["a.yaml"]
    assert exit_code(house.drain()) == 0


@pytest.mark.parametrize("method", ["jobs_of", "heads", "oldest_queued", "source", "stems_like", "all_done", "place"])
def test_a_journal_that_cannot_be_read_in_the_middle_of_something_costs_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    for name in ("a.yaml", "b.yaml"):
        house.drop(name)
    house.drop("c.png", PNG)
    ask, calls = getattr(Journal, method), [0]

    def faltering(self: Journal, *arguments: object, **options: object) -> object:
        calls[0] += 1
        if calls[0] in (2, 3, 5):
            raise JournalRefused(errno.EIO, "the journal cannot be read: disk I/O error")
        return ask(self, *arguments, **options)

    monkeypatch.setattr(Journal, method, faltering)
    deadline_s = time.monotonic() + 60
    while len(house.results()) < 6 and time.monotonic() < deadline_s:
        house.drain(retry_first=0.1, retry_at_most=0.1)
    assert house.results() == ["a.json", "a.png", "b.json", "b.png", "c.json", "c.txt"]
    assert house.failed() == []
    assert house.temporary() == []


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
    claim, link = Journal.claim, os.link
    times = iter(range(10))

    def full(self: Journal, source: Source) -> None:
        if next(times) in (0, 1):
            raise JournalRefused(errno.EIO, "the journal cannot be written: database or disk is full")
        claim(self, source)

    def stale(source: Path, target: Path, **_: object) -> None:
        monkeypatch.setattr(os, "link", link)
        raise OSError(errno.ESTALE, "Stale file handle", str(target))

    monkeypatch.setattr(Journal, "claim", full)
    monkeypatch.setattr(os, "link", stale)
    with house.daemon(drain=False, retry_first=0.1, retry_at_most=0.1) as daemon:
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


def test_the_heart_beats_while_the_journal_cannot_be_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Journal, *_: object, **__: object) -> None:
        raise JournalRefused(errno.EIO, "the journal cannot be read: disk I/O error")

    for method in ("oldest_queued", "interrupted", "unfinished_sources", "heads"):
        monkeypatch.setattr(Journal, method, broken)
    beats: list[Health] = []

    class Reader:
        def hear(self, event: Event) -> None:
            if isinstance(event, HealthWritten):
                beats.append(event.document)

    with house.daemon(listeners=[Reader()], drain=False, retry_first=0.1, retry_at_most=0.1) as daemon:
        stop_when(daemon, lambda: any(document.holdups for document in beats))
        daemon.run()
    assert beats[0].status == "starting"
    assert any("cannot be read" in holdup.reason for document in beats for holdup in document.holdups)
    assert beats[-1].status == "stopped"


def test_a_result_that_the_outbox_refused_is_published_at_the_stop_where_there_is_room_by_then(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("cat.yaml")
    deliver, runs = Delivery.deliver, []

    def full(self: Delivery, *arguments: object) -> Delivered:
        monkeypatch.setattr(Delivery, "deliver", deliver)
        raise OSError(errno.ENOSPC, "No space left on device", "cat.png")

    def play(task: Task) -> Outcome:
        runs.append(task)
        return make(task)

    monkeypatch.setattr(Delivery, "deliver", full)
    with house.daemon(play, drain=False, retry_first=3600) as daemon:
        stop_when(daemon, lambda: bool(runs) and not daemon.dispatcher.is_running)
        daemon.run()
    assert house.results() == ["cat.json", "cat.png"]
    assert house.archived() == ["cat.yaml"]
    assert len(runs) == 1


def test_no_other_daemon_takes_over_while_the_journal_refuses(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    probe, refusals = Journal.probe, failing(JournalRefused(errno.EIO, "the disk is full"), 3)

    def refused(self: Journal) -> None:
        if refusals:
            raise refusals.pop()
        probe(self)

    monkeypatch.setattr(Journal, "probe", refused)
    left: list[int] = []
    with house.daemon(drain=False, retry_first=0.1, retry_at_most=0.1) as daemon:
        daemon.health.hold_up("journal", "nothing can be claimed", JournalRefused(errno.EIO, "the disk is full"))
        daemon.reload()
        stop_when(daemon, lambda: bool(left))
        daemon.run(reload=lambda: left.append(len(refusals)) is not None)
    assert left == [0]


def test_a_failure_whose_payload_cannot_be_taken_back_now_is_decided_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("bad.yaml")
    retract, refusals = Delivery.retract, failing(OSError(errno.EROFS, "Read-only file system", "bad.png"), 2)

    def refused(self: Delivery, job: Job) -> None:
        if refusals:
            raise refusals.pop()
        retract(self, job)

    monkeypatch.setattr(Delivery, "retract", refused)
    with house.daemon(fail(FailureKind.UNEXPECTED), drain=False, retry_first=0.1, retry_at_most=0.1) as daemon:
        stop_when(daemon, lambda: bool(house.failed()))
        summary = daemon.run()
    assert house.failed() == ["bad.yaml", "bad.yaml.json"]
    assert (summary.failed, summary.stuck, refusals) == (1, False, [])


def test_jobs_drawn_together_of_which_one_cannot_be_read_now_are_all_drawn_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        house.drop(name)
    begin, refused = Journal.start, []

    def faltering(self: Journal, job: Job, begun: StartedAttempt | None = None) -> Job:
        started = begin(self, job, begun)
        if job.stem == "b" and not refused:
            refused.append(job.id)
            monkeypatch.setattr(Journal, "source", unreadable)
        return started

    source = Journal.source

    def unreadable(self: Journal, source_id: str) -> Source:
        monkeypatch.setattr(Journal, "source", source)
        raise JournalRefused(errno.EIO, "the journal cannot be read: disk I/O error")

    monkeypatch.setattr(Journal, "start", faltering)
    with house.daemon(drain=False, batch=3, retry_first=0.1, retry_at_most=0.1) as daemon:
        stop_when(daemon, lambda: len(house.archived()) == 3)
        summary = daemon.run()
    assert (summary.done, len(refused)) == (3, 1)


def test_a_result_is_kept_where_neither_outbox_nor_journal_say_how_far_it_came(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("a.yaml")
    house.drop("b.yaml")
    publish, ask, faults = Delivery._publish, Journal.job, ["the journal", "the outbox"]

    def full(self: Delivery, target: Path, content: bytes) -> None:
        if target.name.endswith(".json") and faults[-1:] == ["the outbox"]:
            faults.pop()
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        publish(self, target, content)

    def unreadable(self: Journal, job_id: str) -> Job:
        if faults == ["the journal"]:
            faults.pop()
            raise JournalRefused(errno.EIO, "the journal cannot be read: disk I/O error")
        return ask(self, job_id)

    monkeypatch.setattr(Delivery, "_publish", full)
    monkeypatch.setattr(Journal, "job", unreadable)
    runs: list[Task] = []

    def play(task: Task) -> Outcome:
        runs.append(task)
        return make(task)

    with house.daemon(play, drain=False, batch=2, retry_first=0.1, retry_at_most=0.1) as daemon:
        stop_when(daemon, lambda: len(house.archived()) == 2)
        daemon.run()
    assert house.results() == ["a.json", "a.png", "b.json", "b.png"]
    assert len(runs) == 2


def stop_when(daemon: Daemon, is_it: Callable[[], bool]) -> None:
    """Has the loop turn until something is true, or for a minute."""

    def watch() -> None:
        deadline_s = time.monotonic() + 60
        while not is_it() and time.monotonic() < deadline_s:
            daemon.wake()
            time.sleep(0.005)
        daemon.stop()

    threading.Thread(target=watch, daemon=True).start()
