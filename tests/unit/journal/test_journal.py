"""What has happened to every job: legal, counted, durable, readable by others."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.errors import BrokenState, JournalRefused, Problem
from aura_daemon.jobs.lifecycle import JobState, SourceState, is_legal
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, GridRequest, Request
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.speed import Speed
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.migrations import MIGRATIONS, VERSION
from aura_daemon.journal.queries import MOST_BENCHMARKS
from aura_daemon.journal.records import Job, Source, in_64_bits
from aura_daemon.ladder.attempts import Attempt, StartedAttempt
from aura_daemon.ladder.rungs import Rung
from tests.conftest import Mount
from tests.support.benchmark_runs import run, size
from tests.unit.ladder.test_measurements import row as measured
from tests.unit.ladder.test_measurements import tried

FAILURE = Failure(kind=FailureKind.BAD_INPUT, message="it is blue", mend="paint it red")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = Journal(path)
    yield opened
    opened.close()


def source(number: int = 1, **changes: object) -> Source:
    row = Source(
        id=f"source-{number}",
        path="cat.yaml",
        kind=SourceKind.JOB_FILE,
        size_bytes=10,
        modified_ns=5,
        inode=7,
        settled_s=2.0,
        claimed_at=100.0,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def job(source_id: str = "source-1", job_id: str = "job-1", **changes: object) -> Job:
    row = Job(
        id=job_id,
        source_id=source_id,
        number=None,
        kind="generate",
        request=GenerateRequest(prompt="a red circle", seed=1),
        text=b"prompt: a red circle",
        folder="",
        stem="cat",
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def admitted(journal: Journal, *jobs: Job, **changes: object) -> Source:
    """A source in the journal with its jobs."""
    claimed = source(**changes)
    journal.claim(claimed)
    journal.admit(replace(claimed, sha256="abc"), jobs or (job(),))
    return journal.source(claimed.id)


def bring(journal: Journal, state: JobState) -> Job:
    """A job in some state, by legal steps."""
    admitted(journal)
    row = journal.job("job-1")
    if state is JobState.QUEUED:
        return row
    row = journal.start(row)
    if state is JobState.RUNNING:
        return row
    if state is JobState.FAILED:
        return journal.fail(row, FAILURE, now=1.0)
    row = journal.deliver(row, stem="cat", payload_sha256="x")
    return row if state is JobState.DELIVERING else journal.finish(row, now=1.0, total_s=2.0)


def move(journal: Journal, row: Job, state: JobState) -> Job:
    match state:
        case JobState.QUEUED:
            return journal.give_back(row, count_attempt=True)
        case JobState.RUNNING:
            return journal.start(row)
        case JobState.DELIVERING:
            return journal.deliver(row, stem="dog", payload_sha256="y")
        case JobState.DONE:
            return journal.finish(row, now=2.0, total_s=1.0)
        case JobState.FAILED:
            return journal.fail(row, FAILURE, now=2.0)


@pytest.mark.parametrize(("before", "after"), [*itertools.product(JobState, JobState)])
def test_a_job_takes_legal_steps_and_no_others(journal: Journal, before: JobState, after: JobState) -> None:
    row = bring(journal, before)
    if is_legal(before, after):
        assert move(journal, row, after).state is after
    else:
        with pytest.raises(BrokenState, match=f"cannot go from {before} to {after}"):
            move(journal, row, after)
        assert journal.job(row.id) == row
    assert sum(journal.counts().values()) == 1
    assert journal.counts()[journal.job(row.id).state] == 1


def test_a_source_is_admitted_once_and_closed_once(journal: Journal) -> None:
    journal.claim(source())
    with pytest.raises(BrokenState):
        journal.close_source("source-1")
    journal.admit(source(), (job(),))
    with pytest.raises(BrokenState):
        journal.admit(source(), (job(job_id="job-2"),))
    assert [row.id for row in journal.jobs_of("source-1")] == ["job-1"]
    journal.close_source("source-1")
    with pytest.raises(BrokenState):
        journal.close_source("source-1")
    assert journal.unfinished_sources() == []


def test_everything_survives_reopening(path: Path) -> None:
    first = Journal(path)
    problems = (Problem(message="must be red", file="cat.yaml", line=3, key="colour", given="'blue'"),)
    claimed = source()
    first.claim(claimed)
    first.admit(replace(claimed, sha256="abc", failure=FAILURE, problems=problems), ())
    admitted(first, job("source-2", number=2, folder="sub/deeper"), number=2)
    row = first.deliver(first.start(first.job("job-1")), stem="cat.r2", payload_sha256="x")
    first.close()
    second = Journal(path)
    try:
        assert second.job("job-1") == row
        assert second.counts()[JobState.DELIVERING] == 1
        again = second.source("source-1")
        assert (again.state, again.failure, again.problems) == (SourceState.ADMITTED, FAILURE, problems)
    finally:
        second.close()


def test_an_attempt_counts_when_it_starts_and_not_when_it_is_given_back(journal: Journal) -> None:
    admitted(journal)
    started = journal.start(journal.job("job-1"))
    assert journal.job("job-1").attempts == 1
    assert journal.give_back(started, count_attempt=True).attempts == 1
    started = journal.start(journal.job("job-1"))
    assert started.attempts == 2
    assert journal.give_back(started, count_attempt=False).attempts == 1


def test_what_a_dead_daemon_was_doing_is_queued_again_and_not_held_against_the_job(journal: Journal) -> None:
    admitted(journal, *(job(job_id=f"job-{number}") for number in range(3)))
    journal.start(journal.job("job-0"))
    journal.deliver(journal.start(journal.job("job-1")), stem="cat", payload_sha256="x")
    given_back = [journal.give_back(row, count_attempt=False) for row in journal.interrupted()]
    assert [(row.id, row.state, row.attempts) for row in given_back] == [("job-0", "queued", 0), ("job-1", "queued", 0)]
    assert journal.job("job-1").payload_sha256 == "x"  # what may lie in the outbox is still known


def test_where_an_attempt_stands_is_remembered_until_the_next_one_begins(path: Path) -> None:
    first = Journal(path)
    admitted(first, *(job(job_id=f"job-{number}") for number in range(3)))
    begun = StartedAttempt(boot="0-1", kills=7)
    for number in range(2):
        assert first.start(first.job(f"job-{number}"), begun).begun == begun
    placed = replace(begun, tried=tried())
    first.place(["job-1"], placed)
    first.close()
    second = Journal(path)
    try:
        assert [row.begun for row in second.interrupted()] == [begun, placed]
        assert second.job("job-2").begun is None
        row = second.give_back(second.job("job-1"), count_attempt=False)
        assert second.start(row).begun is None
    finally:
        second.close()


def test_of_every_kind_and_model_the_oldest_queued_job_stands_first(journal: Journal) -> None:
    caption = {"kind": "caption", "request": CaptionRequest(image="a.png")}
    other = {"request": GenerateRequest(prompt="x", model="sd-1.4")}
    third = {"request": GenerateRequest(prompt="x", model="a/b")}
    rows = [job(job_id="a", **caption), job(job_id="b"), job(job_id="c", **caption), job(job_id="d", **other)]
    admitted(journal, *rows, job(job_id="e"), job(job_id="f", **third), job(job_id="g", priority=1, **other))
    assert {row.id: row.needs for row in journal.heads()} == {
        "a": "caption",
        "b": "generate",
        "f": "generate a/b",
        "g": "generate sd-1.4",
    }
    oldest = journal.oldest_queued()
    assert oldest is not None
    assert oldest.id == "source-1"


def test_jobs_at_turbo_queue_apart_since_they_take_other_files(journal: Journal) -> None:
    turbo = GenerateRequest(prompt="x", speed=Speed.TURBO)
    named = GenerateRequest(prompt="x", speed=Speed.TURBO, model="sd-1.4")
    rows = [
        job(job_id="a", request=turbo),
        job(job_id="b"),
        job(job_id="c", request=named),
        job(job_id="d", request=turbo),
    ]
    admitted(journal, *rows)
    heads = {row.id: row for row in journal.heads()}
    assert {row.id: row.needs for row in heads.values()} == {
        "a": "generate at turbo",
        "b": "generate",
        "c": "generate sd-1.4 at turbo",
    }
    assert [row.id for row in journal.queued_like(heads["a"], 8)] == ["d"]


@pytest.mark.parametrize("kind", ["generate", "caption", "grid"])
def test_a_job_is_offered_once_every_job_that_it_waits_for_has_ended(journal: Journal, kind: str) -> None:
    request: Request = {
        "generate": GenerateRequest(prompt="x", model="sd-1.4"),
        "caption": CaptionRequest(image="a.png"),
        "grid": GridRequest(cells=("a", "b"), columns=2),
    }[kind]
    drawn = {"request": GenerateRequest(prompt="x", model="aura-mini")}
    waiting = {"kind": kind, "request": request, "waits_for": ("a", "unknown", "b")}
    rows = [job(job_id="a", **drawn), job(job_id="b", **drawn), job(job_id="c", **waiting), job(job_id="d", **waiting)]
    admitted(journal, *rows)
    assert [row.id for row in journal.heads()] == ["a"]
    done = journal.deliver(journal.start(journal.job("a")), stem="a", payload_sha256="x")
    assert [row.id for row in journal.heads()] == ["b"]  # `a` may still be drawn again
    journal.finish(done, now=1.0, total_s=1.0)
    started = journal.start(journal.job("b"))
    assert journal.heads() == journal.queued_like(rows[2], 8) == []
    journal.fail(started, FAILURE, now=2.0)
    (head,) = journal.heads()
    assert (head.id, head.waits_for) == ("c", ("a", "unknown", "b"))
    assert [row.id for row in journal.queued_like(head, 8)] == ["d"]


def test_a_sheet_of_an_earlier_release_waits_for_its_cells(path: Path) -> None:
    path.parent.mkdir()
    old = sqlite3.connect(path)
    old.create_function("last_name", 1, lambda name: name)
    old.create_function("demand_of", 1, lambda request: "")
    old.executescript("".join(MIGRATIONS[:7]) + "PRAGMA user_version = 7;")
    old.execute(
        "INSERT INTO sources (id, path, kind, state, size_bytes, modified_ns, inode, settled_s, claimed_at)"
        " VALUES ('source-1', x'6361742e79616d6c', 'job_file', 'admitted', 10, 5, 7, 2.0, 100.0)"
    )
    sheet = '{"task": "grid", "cells": ["a", "b"], "columns": 2, "column_labels": [], "row_labels": []}'
    drawn = '{"task": "generate", "prompt": "x", "seed": 1}'
    for job_id, kind, request in (("a", "generate", drawn), ("b", "generate", drawn), ("c", "grid", sheet)):
        old.execute(
            "INSERT INTO jobs (id, source_id, state, kind, request, text, folder, stem, stem_key)"
            " VALUES (?, 'source-1', 'queued', ?, ?, x'', x'', x'636174', 'cat')",
            (job_id, kind, request),
        )
    old.commit()
    old.close()
    journal = Journal(path)
    try:
        assert [row.waits_for for row in journal.jobs_of("source-1")] == [(), (), ("a", "b")]
        assert [row.id for row in journal.heads()] == ["a"]
        for job_id in ("a", "b"):
            journal.fail(journal.job(job_id), FAILURE, now=1.0)
        assert [row.id for row in journal.heads()] == ["c"]
    finally:
        journal.close()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What connections that are opened from now on are asked, in SQL."""
    connect, heard = sqlite3.connect, list[str]()

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(heard.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    return heard


def plan_of(path: Path, statement: str) -> str:
    """How SQLite would answer a statement."""
    connection = sqlite3.connect(path)
    connection.create_function("last_name", 1, lambda name: name, deterministic=True)
    plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
    connection.close()
    return plan


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda journal: journal.heads(), "jobs_next"),
        (lambda journal: journal.heads(but=["generate 16:9"]), "jobs_next"),
        (lambda journal: journal.queued_like(job(), 8), "jobs_next"),
        (lambda journal: journal.is_demanded("generate"), "jobs_demand"),
        (lambda journal: journal.interrupted(), "jobs_"),
        (lambda journal: journal.oldest_queued(), "jobs_oldest"),
    ],
    ids=["heads", "heads_but", "queued_like", "is_demanded", "interrupted", "oldest_queued"],
)
def test_choosing_the_next_job_costs_the_same_however_many_are_done(
    statements: list[str], journal: Journal, path: Path, ask: Callable[[Journal], object], index: str
) -> None:
    cells = {"kind": "grid", "request": GridRequest(cells=("job-1",), columns=1), "waits_for": ("job-1",)}
    admitted(journal, job(), job(job_id="job-2", **cells))
    statements.clear()
    ask(journal)
    plans = [plan_of(path, statement) for statement in tuple(statements)]
    assert plans
    for plan in plans:
        assert f"SEARCH jobs USING INDEX {index}" in plan or f"SEARCH jobs USING COVERING INDEX {index}" in plan, plan
        # The ids that one job waits for are no table: each leads to its job by the index of ids.
        ids = "SCAN awaited VIRTUAL TABLE INDEX 1: SEARCH other USING INDEX sqlite_autoindex_jobs_1 (id=?)"
        assert "SCAN" not in plan.replace(ids, ""), plan
        assert "TEMP B-TREE" not in plan or index == "jobs_", plan  # the few that were under way may be sorted


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"path": "dog.yaml"}, False),
        ({"sha256": "another"}, False),
        ({"modified_ns": 6}, False),
        ({"inode": 8}, True),
    ],
    ids=str,
)
def test_same_path_content_and_time_is_a_redelivery(
    journal: Journal, changes: dict[str, object], expected: bool
) -> None:
    row = bring(journal, JobState.DONE)
    assert row.state is JobState.DONE
    assert journal.succeeded(source(2, **{"sha256": "abc", **changes})) is expected


def test_what_failed_or_is_still_open_or_is_itself_is_no_redelivery(journal: Journal) -> None:
    admitted(journal, job(job_id="a"), job(job_id="b"))
    for name in ("a", "b"):
        journal.deliver(journal.start(journal.job(name)), stem=name, payload_sha256="x")
    journal.finish(journal.job("a"), now=1.0, total_s=1.0)
    assert not journal.succeeded(source(2, sha256="abc"))
    journal.finish(journal.job("b"), now=1.0, total_s=1.0)
    assert journal.succeeded(source(2, sha256="abc"))
    assert not journal.succeeded(source(1, sha256="abc"))


@pytest.mark.parametrize("stem", ["Cat", "CAT", "cat"])
def test_names_that_some_file_system_takes_for_the_same_are_known_as_such(journal: Journal, stem: str) -> None:
    bring(journal, JobState.DONE)
    assert journal.stems_like("", stem, but_not_of="another") == ["cat"]
    assert journal.stems_like("", stem, but_not_of="job-1") == []
    assert journal.stems_like("sub", stem, but_not_of="another") == []


def test_composed_and_decomposed_characters_are_the_same_name(journal: Journal) -> None:
    admitted(journal, job(stem="caf\u00e9"))
    journal.deliver(journal.start(journal.job("job-1")), stem="caf\u00e9", payload_sha256="x")
    assert journal.stem_is_promised("", "cafe\u0301")
    assert not journal.stem_is_promised("", "cafe\u0301", but_not_to="job-1")


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 10**19])
def test_times_and_inodes_larger_than_a_column_are_held_and_stay_equal_to_themselves(
    journal: Journal, number: int
) -> None:
    held = in_64_bits(number)
    journal.claim(source(modified_ns=held, inode=held))
    row = journal.source("source-1")
    assert row.modified_ns == row.inode == held == in_64_bits(held)
    assert (held == number) is (-(2**63) <= number < 2**63)


@pytest.mark.parametrize("name", ["caf\udce9.yaml", "\udcff\udcfe", "new\nline.yaml", "\u202efig.yaml", "猫.yaml"])
def test_any_name_goes_in_and_comes_out_the_same(journal: Journal, name: str) -> None:
    admitted(journal, job(folder=name, stem=name), path=f"{name}/{name}")
    assert journal.source("source-1").path == f"{name}/{name}"
    assert (journal.job("job-1").folder, journal.job("job-1").stem) == (name, name)
    latest = journal.latest_source(f"{name}/{name}")
    assert latest is not None
    assert [row.id for row in journal.sources_at(f"{name}/{name}")] == [latest.id]
    journal.add_companion(name, 1, 2)
    assert journal.is_companion(name, 1, 2)
    assert not journal.is_companion(name, 1, 3)


def test_others_read_while_one_writes(path: Path, journal: Journal) -> None:
    admitted(journal)
    reader = Journal(path, read_only=True)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE jobs SET state = 'running'")
    assert reader.job("job-1").state is JobState.QUEUED
    writer.execute("ROLLBACK")
    writer.close()
    started = journal.start(journal.job("job-1"))
    assert reader.job("job-1") == started
    with pytest.raises(JournalRefused):
        reader.claim(source(2))
    reader.close()


def test_a_journal_of_a_newer_version_is_refused_in_words(path: Path) -> None:
    Journal(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    for read_only in (False, True):
        with pytest.raises(BrokenState, match=r"of version \d+, this program knows"):
            Journal(path, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("damage", ["no journal at all", "its first page", "its second page"])
def test_a_damaged_journal_is_refused_in_words(path: Path, read_only: bool, damage: str) -> None:
    Journal(path).close()
    content = bytearray(path.read_bytes())
    if damage == "no journal at all":
        content[:] = b"holiday notes\n" * 1000
    else:
        begin = 100 if damage == "its first page" else 4096
        content[begin:] = b"\xff" * (len(content) - begin)
    path.write_bytes(content)
    with pytest.raises(BrokenState, match=r"damaged or no journal .*: move it away"):
        Journal(path, read_only=read_only)


def test_a_journal_in_which_nothing_was_written_yet_is_for_its_reader_to_try_later(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(JournalRefused):
        Journal(path, read_only=True)
    Journal(path).close()
    Journal(path, read_only=True).close()


def test_a_transaction_that_fails_changes_nothing_and_the_next_one_works(journal: Journal) -> None:
    journal.claim(source())
    with pytest.raises(sqlite3.IntegrityError):
        journal.claim(source())
    journal.claim(source(2))
    assert [row.id for row in journal.unfinished_sources()] == ["source-1", "source-2"]


def test_a_full_disk_fails_one_transaction_whole_and_the_journal_goes_on_when_there_is_room(
    mount: Mount, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount(disk, "-t", "tmpfs", "-o", "size=512k", "tmpfs")
    journal = Journal(disk / "journal.sqlite3")
    try:
        journal.claim(source(1))
        with pytest.raises(OSError, match="No space"):
            (disk / "filler").write_bytes(b"x" * 1_000_000)
        for number in (2, 3):
            with pytest.raises(JournalRefused, match="full"):
                journal.claim(source(number, path="x" * 50_000))
        assert [row.id for row in journal.unfinished_sources()] == ["source-1"]
        (disk / "filler").unlink()
        journal.claim(source(3, path="x" * 50_000))
        assert [row.id for row in journal.unfinished_sources()] == ["source-1", "source-3"]
    finally:
        journal.close()


def test_the_jobs_that_ended_last_come_first(journal: Journal) -> None:
    admitted(journal, *(job(job_id=f"job-{number}") for number in range(3)))
    for moment, name in enumerate(("job-2", "job-0")):
        journal.fail(journal.job(name), FAILURE, now=float(moment))
    assert [(row.id, row.failure) for row in journal.recent(5)] == [("job-0", FAILURE), ("job-2", FAILURE)]
    assert [row.id for row in journal.recent(1)] == ["job-0"]


@pytest.mark.parametrize("ask", [lambda journal: journal.job("x"), lambda journal: journal.source("x")])
def test_asking_for_what_is_not_there_is_a_broken_state(journal: Journal, ask: object) -> None:
    assert callable(ask)
    with pytest.raises(BrokenState, match="knows no"):
        ask(journal)
    assert not journal.knows_source("x")
    assert not journal.knows_source("\udcff.yaml")  # a name of bytes that are no text
    assert journal.find_job("\udcff.yaml") is None
    assert journal.latest_source("x") is None


def test_images_are_found_by_their_names_without_a_look_at_everything_else(
    statements: list[str], journal: Journal, path: Path
) -> None:
    for number, name in enumerate(("a/cat.png", "b/a/Cat.JPG", "cat.png", "a/bobcat.png", "a/cat.yaml")):
        kind = SourceKind.JOB_FILE if name.endswith(".yaml") else SourceKind.IMAGE
        journal.claim(source(number, path=name, kind=kind))
    statements.clear()
    assert sorted(journal.images_like("cat")) == ["a/cat.png", "b/a/Cat.JPG", "cat.png"]
    assert journal.images_beside("a/cat.txt", "cat") == [("cat.png", 100.0)]
    assert journal.images_beside("cat.txt", "cat") == [("cat.png", 100.0)]
    assert "sources_images (image_key=?)" in plan_of(path, statements[0])
    assert "sources_images (image_key=? AND path>? AND path<?)" in plan_of(path, statements[1])


def test_of_a_folder_it_is_known_when_an_image_was_last_taken_from_it(journal: Journal) -> None:
    journal.claim(source(1, path="x/cat.png", kind=SourceKind.IMAGE))
    journal.claim(source(2, path="x/y/cat.png", kind=SourceKind.IMAGE, claimed_at=200.0))
    journal.claim(source(3, path="x/cat.txt", claimed_at=300.0))
    assert journal.latest_image_in("x") == 100.0
    assert journal.latest_image_in("x/y") == 200.0
    assert journal.latest_image_in("") is None


def test_companions_are_listed_by_their_folder(journal: Journal) -> None:
    for name in ("a.txt", "x/b.txt", "x/caf\udce9.txt", "x/y/c.txt", "x0/d.txt", "x-/e.txt"):
        journal.add_companion(name, 1, 1)
    assert journal.companions_in("") == ["a.txt"]
    assert sorted(journal.companions_in("x")) == ["b.txt", "caf\udce9.txt"]


FULL = Attempt(
    kind=FailureKind.OUT_OF_MEMORY,
    reason="it is \udcff full",
    device="cuda:0",
    rung=Rung.RESIDENT,
    batch=4,
    alone=False,
    peak_bytes=7,
    seconds=1.5,
)
FELL = Attempt(kind=FailureKind.CRASHED, reason="it fell", seconds=0.5)


def test_every_attempt_that_failed_is_kept_in_order_to_the_end_and_beyond(path: Path) -> None:
    first = Journal(path)
    admitted(first)
    row = first.give_back(first.start(first.job("job-1")), count_attempt=False, tried=FULL)
    assert (row.attempts, row.tried) == (0, (FULL,))
    row = first.give_back(first.start(row), count_attempt=False)  # a stop in between
    row = first.give_back(first.start(row), count_attempt=True, tried=FELL)
    assert (row.attempts, row.tried) == (1, (FULL, FELL))
    first.start(row)
    first.close()
    second = Journal(path)
    try:
        (row,) = second.interrupted()
        row = second.give_back(row, count_attempt=False)
        assert row.tried == (FULL, FELL)
        row = second.fail(second.start(row), FAILURE, now=1.0, tried=FULL)
        assert row.tried == second.job("job-1").tried == (FULL, FELL, FULL)
    finally:
        second.close()


def test_what_was_tried_is_told_of_a_job_that_worked_and_of_one_that_failed_without_another_attempt(
    journal: Journal,
) -> None:
    admitted(journal, job(job_id="a"), job(job_id="b"))
    for name in ("a", "b"):
        journal.give_back(journal.start(journal.job(name)), count_attempt=False, tried=FULL)
    journal.fail(journal.job("a"), FAILURE, now=1.0)
    row = journal.deliver(journal.start(journal.job("b")), stem="b", payload_sha256="x")
    journal.finish(row, now=1.0, total_s=1.0)
    assert journal.job("a").tried == journal.job("b").tried == (FULL,)


def test_what_a_model_took_is_remembered_and_a_smaller_figure_counts_little_by_little(path: Path) -> None:
    first = Journal(path)
    first.learn("sd-1.4", tried(), step_s=0.5)
    assert first.measured("sd-1.4") == [measured(peak_bytes=800, step_s=0.5)]
    assert first.measured("another") == []
    first.learn("sd-1.4", tried(peak_bytes=400), step_s=0.25)
    first.close()
    second = Journal(path)
    assert second.measured("sd-1.4") == [measured(peak_bytes=700, step_s=0.25)]
    second.learn("sd-1.4", tried(peak_bytes=900), step_s=0.25)
    assert second.measured("sd-1.4") == [measured(peak_bytes=900, step_s=0.25)]
    second.close()


def test_memory_that_ran_out_is_remembered_until_it_is_enough(journal: Journal) -> None:
    journal.learn("sd-1.4", tried(), step_s=0.5)
    journal.learn_refusal("sd-1.4", tried())
    known = measured(peak_bytes=800, step_s=0.5)
    refused = replace(known, refused_bytes=1000, refusals=1)
    assert journal.measured("sd-1.4") == [refused]
    journal.learn("sd-1.4", tried(rung=Rung.TILED_DECODE), step_s=0.5)
    journal.learn("another", tried(), step_s=0.5)
    lower = replace(known, rung=Rung.TILED_DECODE)
    assert set(journal.measured("sd-1.4")) == {replace(refused, good_since=1, size_good_since=1), lower}
    journal.learn_refusal("sd-1.4", tried(rung=Rung.TILED_DECODE))
    assert set(journal.measured("sd-1.4")) == {
        refused,
        replace(lower, refused_bytes=1000, refusals=1),
    }
    journal.learn("sd-1.4", tried(), step_s=0.5)
    assert set(journal.measured("sd-1.4")) == {
        known,
        replace(lower, refused_bytes=1000, refusals=1, good_since=1, size_good_since=1),
    }


def test_a_job_that_found_no_room_teaches_nothing(journal: Journal) -> None:
    journal.learn_refusal("sd-1.4", tried(expected_bytes=1001))
    assert journal.measured("sd-1.4") == []


def test_sizes_rungs_number_formats_and_variants_are_measured_apart(journal: Journal) -> None:
    changes: list[dict[str, object]] = [
        {},
        {"width": 912},
        {"height": 912},
        {"batch": 2},
        {"guided": False},
        {"rung": Rung.CPU},
        {"dtype": "bfloat16"},
        {"variant": "compiled"},
    ]
    for number, change in enumerate(changes):
        journal.learn("sd-1.4", tried(peak_bytes=100 + number, **change), step_s=0.5)
    journal.learn("sd-1.4", tried(device_name="another GPU", peak_bytes=99), step_s=0.5)
    assert sorted(one.peak_bytes for one in journal.measured("sd-1.4")) == [99, *range(100, 108)]


def test_a_journal_from_before_the_ladder_is_taken_over_with_all_that_is_in_it(path: Path) -> None:
    path.parent.mkdir()
    old = sqlite3.connect(path)
    old.executescript("".join(MIGRATIONS[:3]) + "PRAGMA user_version = 3;")
    old.execute(
        "INSERT INTO sources (id, path, kind, state, size_bytes, modified_ns, inode, settled_s, claimed_at)"
        " VALUES ('source-1', x'6361742e79616d6c', 'job_file', 'admitted', 10, 5, 7, 2.0, 100.0)"
    )
    columns = "id, source_id, state, kind, request, text, folder, stem, stem_key, attempts, priority, model"
    request = '{"task": "generate", "prompt": "a red circle", "seed": 1}'
    for name, state, attempts in (("job-1", "queued", 2), ("job-2", "running", 1)):
        old.execute(
            f"INSERT INTO jobs ({columns}) VALUES (?, 'source-1', ?, 'generate', ?, x'', x'', x'636174', 'cat', ?, 1,"
            " 'sd-1.4')",
            (name, state, request, attempts),
        )
    old.commit()
    old.close()
    with pytest.raises(JournalRefused, match="of an earlier release: run the daemon"):
        Journal(path, read_only=True)
    journal = Journal(path)
    try:
        row = journal.job("job-1")
        assert (row.state, row.attempts, row.priority, row.tried) == (JobState.QUEUED, 2, 1, ())
        assert row.request == GenerateRequest(prompt="a red circle", seed=1)
        assert journal.counts()[JobState.RUNNING] == 1
        assert journal.is_demanded("generate")
        assert [one.id for one in journal.interrupted()] == ["job-2"]
        row = journal.give_back(journal.start(row), count_attempt=False, tried=FULL)
        assert row.tried == (FULL,)
        assert journal.measured("sd-1.4") == []
        journal.learn("sd-1.4", tried(), step_s=0.5)
        assert len(journal.measured("sd-1.4")) == 1
    finally:
        journal.close()
    Journal(path, read_only=True).close()


def test_what_was_measured_before_guidance_and_refusals_were_told_is_taken_over(path: Path) -> None:
    path.parent.mkdir()
    old = sqlite3.connect(path)
    old.create_function("last_name", 1, lambda name: name)
    old.executescript("".join(MIGRATIONS[:5]) + "PRAGMA user_version = 5;")
    for rung, width, refused in (("resident", 512, 1000), ("tiled_decode", 512, 0), ("cpu", 0, 0)):
        values = ("sd-1.4", "a GPU", "float16", rung, width, width, 1, 800, 0.5, refused, 7)
        old.execute("INSERT INTO measured VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    old.commit()
    old.close()
    journal = Journal(path)
    known = measured(peak_bytes=800, step_s=0.5, good_since=7)
    assert set(journal.measured("sd-1.4")) == {
        replace(known, refused_bytes=1000, refusals=1),
        replace(known, rung=Rung.TILED_DECODE),
        replace(known, rung=Rung.CPU, width=0, height=0, guided=False),
    }
    journal.close()


def test_a_step_reads_nothing_that_could_hide_that_it_was_taken(journal: Journal, path: Path) -> None:
    admitted(journal)
    row = journal.job("job-1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE jobs SET defaults = '[damaged'")
        started = journal.start(row)
        other.execute("UPDATE jobs SET defaults = '[]'")
    assert journal.job("job-1") == started
    assert journal.counts()[JobState.RUNNING] == 1


def test_of_steps_that_are_taken_together_others_see_all_or_none(journal: Journal, path: Path) -> None:
    admitted(journal, job(), job(job_id="job-2"))
    with closing(Journal(path, read_only=True)) as other:
        with journal.together():
            for name in ("job-1", "job-2"):
                journal.start(journal.job(name))
                assert other.job(name).state is JobState.QUEUED
        assert [other.job(name).state for name in ("job-1", "job-2")] == [JobState.RUNNING] * 2
    assert journal.counts()[JobState.RUNNING] == 2
    assert journal.is_behind


def test_of_steps_that_are_taken_together_a_refused_one_takes_back_the_others(journal: Journal) -> None:
    before = admitted(journal), journal.job("job-1"), journal.counts()
    with pytest.raises(JournalRefused, match="a step before this one"), journal.together():
        started = journal.start(journal.job("job-1"))
        with pytest.raises(BrokenState, match="cannot go from running to done"):
            journal.finish(started, now=1.0, total_s=1.0)
        with pytest.raises(JournalRefused, match="a step before this one"):
            journal.close_source("source-1")
    assert (journal.source("source-1"), journal.job("job-1"), journal.counts()) == before


def test_steps_that_are_taken_together_are_on_the_disk_where_one_of_them_has_to_be(journal: Journal) -> None:
    admitted(journal)
    with journal.together():
        journal.add_companion("cat.txt", 1, 1)
        journal.start(journal.job("job-1"))
    assert not journal.is_behind


def test_where_nothing_is_written_together_nobody_waits_for_the_disk(journal: Journal) -> None:
    with journal.together():
        pass
    assert not journal.is_behind


def test_benchmarks_of_a_model_are_found_whatever_became_of_their_jobs_the_oldest_first(journal: Journal) -> None:
    runs = [run(id=f"job-{number}", finished=f"2026-11-2{number}T08:00:00+00:00") for number in range(3)]
    for one in (runs[2], runs[0], runs[1], run(id="other", model="other"), run(id="captions", of="caption")):
        journal.keep_benchmark(one)
    assert journal.earlier_benchmarks(run(id="now")) == tuple(runs)
    assert journal.earlier_benchmarks(runs[1]) == (runs[0], runs[2])


def test_a_benchmark_that_is_run_again_replaces_what_an_interrupted_attempt_measured(journal: Journal) -> None:
    journal.keep_benchmark(run(size(512, 512, 9.0), id="a"))
    journal.keep_benchmark(run(size(512, 512, 1.0), id="a"))
    assert journal.earlier_benchmarks(run(id="b")) == (run(size(512, 512, 1.0), id="a"),)


def test_of_many_benchmarks_the_last_are_read(journal: Journal) -> None:
    for number in range(MOST_BENCHMARKS + 5):
        journal.keep_benchmark(run(id=f"{number:03}", finished=f"{number:04}"))
    found = journal.earlier_benchmarks(run(id="now"))
    assert [one.id for one in found] == [f"{number:03}" for number in range(5, MOST_BENCHMARKS + 5)]
