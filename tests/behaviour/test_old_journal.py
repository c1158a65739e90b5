"""The journal of an earlier release that was killed in the middle of its work: nothing is lost or run twice.

In `be4a76f/` (the commit whose code wrote all of it): `journal.sql` is the text of the journal, `files.json` holds the
files that belong to it, and `rows.py` holds the rows as that commit read them.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from aura_daemon.cli.run import exit_code
from aura_daemon.daemon.explain import explain
from aura_daemon.errors import JournalRefused
from aura_daemon.jobs.lifecycle import JobState, SourceState
from aura_daemon.jobs.requests import GridRequest
from aura_daemon.jobs.results import Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import FILE_NAME, Journal
from tests.behaviour.be4a76f import rows
from tests.support.house import House, make
from tests.support.programs import REAL, Program

HERE = Path(__file__).parent / "be4a76f"
SQL = (HERE / "journal.sql").read_text(encoding="utf-8")
FILES = json.loads((HERE / "files.json").read_text(encoding="utf-8"))

RESULTS = [
    "alone.json", "alone.txt",
    "claimed.json", "claimed.png",
    "deep/lost.json", "deep/lost.png",
    "ended.json", "ended.png",
    "from.json", "from.png",
    "half.json", "half.png",
    "lower.json", "lower.png",
    "named.png", "named.r2.json", "named.r2.png",
    "placed.json", "placed.png",
    "plain.json", "plain.png",
    "postcards/deep/full-18.json", "postcards/deep/full-18.webp",
    "published.json", "published.png",
    "regenerate.json", "regenerate.png",
    "resaid.json", "resaid.png",
    "running.json", "running.png",
    "several-1.json", "several-1.png", "several-3.json", "several-3.png",
    "sheet-1.json", "sheet-1.png", "sheet-2.json", "sheet-2.png", "sheet-grid.json", "sheet-grid.png",
    "sub/caf\udce9.json", "sub/caf\udce9.png",
    "waits.json", "waits.png",
    "words.json", "words.txt",
]  # fmt: skip

FAILED_BEFORE = [name.removeprefix("outbox/failed/") for name in FILES if name.startswith("outbox/failed/")]
FAILED_NOW = ["fell.yaml", "refused.yaml", "several-2.yaml"]

ARCHIVED = [
    "again/plain.yaml", "alone.png", "claimed.yaml", "deep/lost.yaml", "ended.yaml", "failures.yaml", "from.yaml",
    "half.yaml", "lower.yaml", "named.yaml", "old.png", "photo.png", "placed.yaml", "plain.yaml", "postcards/full.yaml",
    "published.yaml", "regenerate.yaml", "resaid.json", "running.yaml", "several.yaml", "sheet.yaml",
    "sub/caf\udce9.txt", "waits.yaml", "words.yaml",
]  # fmt: skip

LEFT_ALONE = ["assets/mask.png", "assets/start.png", "beside.txt", "postcards/_defaults.yaml"]

RUN = {
    "20260105T115959.999-10510a": "deep/lost.yaml",
    **{
        source.id: source.path
        for source in rows.SOURCES
        if source.state is not SourceState.CLOSED
        and source.path not in ("refused.yaml", "ended.yaml", "fell.yaml", "again/plain.yaml", "published.yaml")
    },
}
"""Ids of the unfinished sources -> the paths of their files."""


@pytest.fixture
def old(house: House) -> House:
    """The folders as the old daemon left them."""
    database = sqlite3.connect(house.state / FILE_NAME)
    database.executescript(SQL)
    database.close()
    for name, held in FILES.items():
        place = house.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(held["text"].encode() if "text" in held else base64.b64decode(held["base64"]))
        if "modified_ns" in held:  # the journal knows it by its time
            os.utime(place, ns=(held["modified_ns"], held["modified_ns"]))
    return house


def test_every_old_row_still_reads(old: House) -> None:
    path = old.state / FILE_NAME
    with pytest.raises(JournalRefused, match="of an earlier release: run the daemon"):
        Journal(path, read_only=True)
    journal = Journal(path)
    try:
        assert tuple(journal.source(source.id) for source in rows.SOURCES) == rows.SOURCES
        assert tuple(job for source in rows.SOURCES for job in journal.jobs_of(source.id)) == rows.JOBS
        assert {model: tuple(journal.measured(model)) for model in rows.MEASURED} == rows.MEASURED
        assert {source: tuple(journal.named_by(source)) for source in rows.NAMED} == rows.NAMED
        assert all(journal.is_companion(*companion) for companion in rows.COMPANIONS)
        counts = {**rows.COUNTS, JobState.FAILED: rows.COUNTS[JobState.FAILED] + rows.REFUSED}
        assert {state: count for state, count in journal.counts().items() if count} == counts
    finally:
        journal.close()


def test_every_state_kind_and_field_is_among_the_rows() -> None:
    assert {source.state for source in rows.SOURCES} == set(SourceState)
    assert {job.state for job in rows.JOBS} == set(JobState)
    assert {job.kind for job in rows.JOBS} == {"generate", "caption", "grid"}
    (everything,) = [job.request for job in rows.JOBS if job.folder == "every/2026-01-05"]
    unset = [name for name in everything.__slots__ if getattr(everything, name) in (None, "", (), 0)]
    later = ["speed", "variant", "described", "follows", "check", "control", "like", "regions", "upscale"]
    assert unset == later


def test_what_is_asked_of_it_finds_the_same(old: House) -> None:
    journal = Journal(old.state / FILE_NAME)
    try:
        assert {job.id: job.needs for job in journal.heads()} == rows.HEADS
        assert [job.id for job in journal.interrupted()] == rows.INTERRUPTED
        assert [source.id for source in journal.unfinished_sources()] == rows.UNFINISHED
        assert [job.id for job in journal.recent(100)] == rows.RECENT
        assert all(journal.is_demanded(demand) for demand in rows.DEMANDS)
        assert not journal.is_demanded("generate sd-1.4 912x512 from start.png then 1.5 times as large guided")
        photo = FILES["inbox/photo.png"]
        (namer,) = journal.namers("photo.png", len(base64.b64decode(photo["base64"])), photo["modified_ns"])
        assert namer.path == "words.yaml"
        (namer,) = journal.namers("every/start.png", 70, 2**64 - 5)
        assert namer.path == "every/field.yaml"
        assert journal.images_like("beach") == ["a/b/beach.png"]
        assert journal.stems_like("", "PLAIN", but_not_of="") == ["plain"]
        assert journal.stem_is_promised("", "Named.r2")
        plain = journal.source("20260105T120000.001-000001")
        assert journal.succeeded(replace(plain, id="another"))
        odd = journal.latest_source("new\nline/\u202eodd\udcff.yaml")
        assert odd is not None
        assert len(odd.problems) == 2
        assert journal.last_claim() == odd.claimed_at  # its id is the last one
    finally:
        journal.close()


def test_a_journal_of_an_earlier_release_with_jobs_in_every_state_opens_and_drains(old: House) -> None:
    tasks: list[Task] = []

    def play(task: Task) -> Outcome:
        tasks.append(task)
        return make(task)

    published = (old.outbox / "published.json").read_bytes()
    summary = old.drain(play, pair_wait=0.1)
    assert exit_code(summary) == 1
    assert (summary.done, summary.failed, summary.waiting, summary.stuck) == (18, 1, 0, False)
    assert sorted({task.job_id[:26] for task in tasks}) == sorted(RUN)
    assert len(tasks) == len({task.job_id for task in tasks}) == len(RUN) + 1  # a picture and its sheet
    assert _of_scripted(old.results()) == _of_scripted(RESULTS)
    _all_is_put_away(old)
    assert (old.outbox / "published.json").read_bytes() == published
    assert (old.outbox / "named.png").read_bytes() == b"somebody else's"
    requests = {task.job_id: task.request for task in tasks}
    assert all(requests[job.id] == job.request for job in rows.JOBS if job.id in requests)
    assert isinstance(requests["20260105T120000.056-000010-003"], GridRequest)
    images = {RUN[task.job_id]: task for task in tasks if task.image is not None}
    assert sorted(images) == ["alone.png", "from.yaml", "words.yaml"]
    assert images["from.yaml"].mask is not None
    # The job that had run out of memory on the CPU's first rung goes on with the second, and says so.
    before, last = old.sidecar("lower.json")["tried"]
    assert (before["outcome"], before["rung"], last["outcome"]) == ("out_of_memory", "cpu", "done")
    assert [one["outcome"] for one in old.sidecar("placed.json")["tried"]] == ["crashed", "done"]


def test_the_embedded_model_drains_it(old: House) -> None:
    program = Program(old, REAL, AURA_SETTLE="0.1", AURA_PAIR_WAIT="0.2", AURA_REFERENCE_WAIT="1")
    ran = program.call("once")
    assert ran.returncode == 1, ran.stderr  # `refused.yaml` had failed before it could be put away
    assert set(old.results()) == set(RESULTS), ran.stderr
    _all_is_put_away(old)
    assert old.sidecar("lower.json")["rung"] == "cpu_tiled_decode"
    assert old.sidecar("resaid.json")["request"]["seed"] == 1
    assert any("other versions" in one or "torch" in one for one in old.sidecar("resaid.json")["warnings"])
    assert old.sidecar("regenerate.json")["regenerated_from"] == "old.png"
    assert old.sidecar("sheet-grid.json")["request"]["cells"] == [
        "20260105T120000.056-000010-001",
        "20260105T120000.056-000010-002",
    ]
    full = old.sidecar("postcards/deep/full-18.json")
    assert (full["request"]["hires"], full["request"]["quality"]) == ({"scale": 1.5, "strength": 0.5}, 80)
    assert full["defaults"][0]["name"] == "postcards/_defaults.yaml"
    explained = program.call("why", str(old.inbox / "several.yaml"))
    assert "it was cancelled" in explained.stdout


def test_what_had_failed_before_can_be_tried_again(old: House) -> None:
    program = Program(old, REAL, AURA_SETTLE="0.1", AURA_PAIR_WAIT="0.2")
    retried = program.call("retry", "20260105T120000.008-000003-004", str(old.inbox / "refused.yaml"))
    assert retried.returncode == 1, retried.stderr  # what was refused is still wrong
    assert "failures-4.yaml: queued again as" in retried.stdout
    assert "refused.yaml: refused again: " in retried.stdout
    assert not (old.outbox / "failed" / "failures-4.yaml").exists()


def _of_scripted(names: list[str]) -> list[str]:
    """The scripted worker makes a PNG of everything."""
    return sorted(name.replace(".webp", ".png") for name in names)


def _all_is_put_away(old: House) -> None:
    assert old.failed() == sorted([*FAILED_BEFORE, *FAILED_NOW, *(f"{name}.json" for name in FAILED_NOW)])
    assert old.archived() == sorted(ARCHIVED)
    assert old.waiting() == LEFT_ALONE
    assert old.temporary() == []
    assert not any((old.inbox / ".aura" / "work").iterdir())
    journal = old.journal()
    try:
        counts = journal.counts()
        assert (counts[JobState.QUEUED], counts[JobState.RUNNING], counts[JobState.DELIVERING]) == (0, 0, 0)
        assert journal.unfinished_sources() == []
        assert {job.id: job.failure for job in rows.JOBS if job.state is JobState.FAILED} == {
            job.id: journal.job(job.id).failure for job in rows.JOBS if job.state is JobState.FAILED
        }
    finally:
        journal.close()


def test_before_the_daemon_has_run_why_says_that_the_journal_is_of_an_earlier_release(old: House) -> None:
    explanation = explain(old.inbox / "plain.yaml", old.settings(), None)
    assert explanation.text == "plain.yaml: the journal is of an earlier release: run the daemon"
    assert not explanation.is_known
