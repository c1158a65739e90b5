"""A journal of every released version is brought up to date with all that is in it; one of a later version is refused.

`journals/vNN.sql` were written by the daemon of that time (see `tests/support/journal_fixture.py`).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.errors import BrokenState, JournalRefused
from aura_daemon.jobs.lifecycle import JobState, SourceState
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.migrations import MIGRATIONS, VERSION
from tests.support.house import House
from tests.support.journal_fixture import FOLDER, fixture_of, written

VERSIONS = range(1, VERSION + 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


def restored(path: Path, version: int) -> dict[str, list[tuple[Any, ...]]]:
    """Makes the journal of a version; returns its sources and jobs as SQLite holds them."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(fixture_of(version).read_text(encoding="utf-8"))
        assert database.execute("PRAGMA user_version").fetchone() == (version,)
        return {
            "sources": database.execute("SELECT id, path, state, claimed_at FROM sources ORDER BY id").fetchall(),
            "jobs": database.execute("SELECT id, source_id, state, text, stem FROM jobs ORDER BY id").fetchall(),
        }


def shape(database: sqlite3.Connection) -> dict[str, list[Any]]:
    """The columns of every table and index."""
    query = "SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    return {
        name: [row[1:] for row in database.execute(f"PRAGMA {kind}_info({name})")]
        for name, kind in database.execute(query).fetchall()
    }


def test_every_version_has_a_journal() -> None:
    there = sorted(file.name for file in FOLDER.iterdir())
    mend = "a migration was added: `python -m tests.support.journal_fixture` writes the journal of its version"
    assert there == [fixture_of(version).name for version in VERSIONS], mend


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_in_an_earlier_journal_is_there_afterwards(path: Path, version: int) -> None:
    before = restored(path, version)
    assert before["sources"]
    assert before["jobs"]
    with closing(Journal(path)) as journal:
        for source_id, name, state, claimed_at in before["sources"]:
            source = journal.source(source_id)
            assert (os.fsencode(source.path), source.state, source.claimed_at) == (name, state, claimed_at)
        for job_id, source_id, state, text, stem in before["jobs"]:
            job = journal.job(job_id)
            assert (job.source_id, job.state, job.text) == (source_id, state, text)
            assert os.fsencode(job.stem) == stem
            assert job.request is not None
        states = [state for _, _, state, _, _ in before["jobs"]]
        assert journal.counts()[JobState.DONE] == states.count("done") > 0
        assert journal.counts()[JobState.QUEUED] == states.count("queued")
        assert len(journal.heads()) == len({"queued"} & set(states))
        assert journal.latest_source("cat.yaml") is not None
        assert any(job.state is JobState.DONE for job in journal.recent(10))
        assert all(source.state is not SourceState.CLOSED for source in journal.unfinished_sources())
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_published_migration_makes_the_tables_that_it_made_then(path: Path, version: int) -> None:
    restored(path, version)
    with closing(sqlite3.connect(path)) as then, closing(sqlite3.connect(":memory:")) as now:
        for name in ("last_name", "image_key", "demand_of"):
            now.create_function(name, 1, lambda value: value)
        now.executescript("".join(MIGRATIONS[:version]))
        assert shape(now) == shape(then)


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_reader_leaves_an_earlier_journal_to_the_daemon(path: Path, version: int) -> None:
    restored(path, version)
    with pytest.raises(JournalRefused, match="of an earlier release: run the daemon"):
        Journal(path, read_only=True)


def test_a_journal_of_a_later_release_is_refused_and_stays_as_it_is(path: Path) -> None:
    restored(path, VERSION)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(BrokenState, match=rf"is of version {VERSION + 1}, this program knows {VERSION}: update it"):
        Journal(path)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)


def test_the_journal_of_a_version_has_something_of_everything(house: House, path: Path) -> None:
    """What the next one will be written by."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(written(house))
    with closing(Journal(path)) as journal:
        assert all(journal.counts()[state] for state in (JobState.DONE, JobState.FAILED, JobState.QUEUED))
        assert journal.hook_events.is_gathering()
    with closing(sqlite3.connect(path)) as database:
        for table in ("named_images", "hook_events", "measured"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() > (0,)
