"""The questions that the journal answers about sources and jobs. In: ids and names. Out: rows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from aura_daemon.errors import BrokenState
from aura_daemon.jobs.benchmarks import BenchmarkRun
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import CaptionRequest, JobKind
from aura_daemon.journal.database import Database
from aura_daemon.journal.overview import RecordedFailure, recent_failures
from aura_daemon.journal.records import (
    Job,
    Source,
    benchmark_of,
    job_of,
    measured_of,
    source_of,
    stem_key,
)
from aura_daemon.ladder.prediction import Measured

_READY: Final = (
    " AND (jobs.waits_for = '[]' OR (NOT EXISTS (SELECT 1 FROM jobs AS first WHERE first.id ="
    " substr(jobs.waits_for, 3, instr(substr(jobs.waits_for, 3, 100), '\"') - 1)"
    " AND first.state NOT IN ('done', 'failed'))"
    " AND NOT EXISTS (SELECT 1 FROM json_each(jobs.waits_for) AS awaited"
    " JOIN jobs AS other ON other.id = awaited.value WHERE other.state NOT IN ('done', 'failed'))))"
)
"""The condition that every job which a job waits for has ended.

The first of them is asked about first: there may be ten thousand, of which all names would be parsed each time.
"""

MOST_BENCHMARKS: Final = 100
"""Benchmarks of a model that are read: those that can be compared are among them."""


class JournalQueries:
    """The reading half of the journal. Its methods raise JournalRefused where the disk cannot be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def changes(self) -> int:
        """A number that stays the same while nothing is written."""
        return self._database.changes

    def source(self, source_id: str) -> Source:
        """The source with an id; raises BrokenState where there is none."""
        if (row := self._database.row("SELECT * FROM sources WHERE id = ?", (source_id,))) is None:
            raise BrokenState(f"the journal knows no source {source_id}")
        return source_of(row)

    def knows_source(self, source_id: str) -> bool:
        """Whether the journal has a source with this id; the name of any file or folder may be asked about."""
        if not source_id.isascii():  # SQLite takes no bytes that are no text, and no id has such
            return False
        return self._database.row("SELECT 1 FROM sources WHERE id = ?", (source_id,)) is not None

    def unfinished_sources(self) -> list[Source]:
        """Sources that are not closed, oldest first."""
        return self._sources("SELECT * FROM sources WHERE state <> 'closed' ORDER BY id")

    def latest_source(self, path: str) -> Source | None:
        """The last file that was claimed under a path."""
        query = "SELECT * FROM sources WHERE path = ? ORDER BY id DESC LIMIT 1"
        return next(iter(self._sources(query, os.fsencode(path))), None)

    def last_claim(self) -> float:
        """Time of the last claim, in seconds since the epoch; 0 where nothing was ever claimed."""
        row = self._database.row("SELECT claimed_at FROM sources ORDER BY id DESC LIMIT 1")
        return float(row[0] or 0.0) if row is not None else 0.0

    def sources_at(self, path: str) -> list[Source]:
        """Every file that was claimed under a path, in no order: the clock may have jumped between claims."""
        return self._sources("SELECT * FROM sources WHERE path = ?", os.fsencode(path))

    def succeeded(self, source: Source) -> bool:
        """Whether a source of the same path, content and modification time has succeeded: this one is a redelivery."""
        query = (
            "SELECT 1 FROM sources WHERE path = ? AND sha256 = ? AND modified_ns = ? AND id <> ? AND failure IS NULL"
            " AND EXISTS (SELECT 1 FROM jobs WHERE source_id = sources.id)"
            " AND NOT EXISTS (SELECT 1 FROM jobs WHERE source_id = sources.id AND state <> 'done')"
        )
        values = (os.fsencode(source.path), source.sha256, source.modified_ns, source.id)
        return self._database.row(query, values) is not None

    def closed_sources(self, *, after: str, before: str, limit: int) -> list[Source]:
        """Sources for which nothing is left to do, with ids between two, oldest first; never the newest of all.

        The newest tells which time it was at least, should the clock be set back.
        """
        query = (
            "SELECT * FROM sources WHERE id > ? AND id < ? AND id < (SELECT max(id) FROM sources) AND state = 'closed'"
            " ORDER BY id LIMIT ?"
        )
        return self._sources(query, after, before, limit)

    def size(self) -> tuple[int, int]:
        """How many files and how many jobs the journal knows."""
        return size_of(self._database)

    def used_bytes(self) -> int:
        """How much of the journal's file is in use; what was deleted leaves room in it, which is used again."""
        row = self._database.row(
            "SELECT (page_count - freelist_count) * page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )
        assert row is not None
        return int(row[0])

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def find_job(self, job_id: str) -> Job | None:
        """The job with an id; None where there is none, as for the name of any file."""
        if not job_id.isascii():
            return None
        return next(iter(self._jobs("SELECT * FROM jobs WHERE id = ?", job_id)), None)

    def job(self, job_id: str) -> Job:
        """The job with an id; raises BrokenState where there is none."""
        if (job := self.find_job(job_id)) is None:
            raise BrokenState(f"the journal knows no job {job_id}")
        return job

    def jobs_of(self, source_id: str) -> list[Job]:
        """All jobs of a source, in the order of its documents."""
        return self._jobs("SELECT * FROM jobs WHERE source_id = ? ORDER BY number, id", source_id)

    def is_awaited(self, job: Job) -> bool:
        """Whether another job of its file waits for this one."""
        return any(job.id in other.waits_for for other in self.jobs_of(job.source_id))

    def interrupted(self) -> list[Job]:
        """Jobs that are running or being delivered; after a restart, those that were interrupted."""
        return self._jobs("SELECT * FROM jobs WHERE state IN ('running', 'delivering') ORDER BY id")

    def heads(self, *, but: Sequence[str] = ()) -> list[Job]:
        """For each kind and model, the queued job to run first (by priority, then by age) among those that can start.

        `but`: demands whose jobs are left out.
        """
        return [job for kind in JobKind for model in self._queued_models(kind) for job in self._head(kind, model, but)]

    def _queued_models(self, kind: JobKind) -> Iterator[str]:
        """Each model that queued jobs name; each step is one search in the index, so most of the queue is not read."""
        query = "SELECT model FROM jobs WHERE state = 'queued' AND kind = ? AND model {} ? ORDER BY model LIMIT 1"
        row = self._database.row(query.format(">="), (kind, ""))
        while row is not None:
            yield str(row["model"])
            row = self._database.row(query.format(">"), (kind, row["model"]))

    def is_demanded(self, demand: str) -> bool:
        """Whether a job of a demand is queued."""
        query = "SELECT 1 FROM jobs WHERE state = 'queued' AND demand = ? LIMIT 1"
        return self._database.row(query, (demand,)) is not None

    def _head(self, kind: JobKind, model: str, but: Sequence[str]) -> list[Job]:
        """One job or none."""
        left_out = f" AND demand NOT IN ({', '.join('?' * len(but))})" if but else ""
        query = f"SELECT * FROM jobs WHERE state = 'queued' AND kind = ? AND model = ?{left_out}{_READY}"
        return self._jobs(f"{query} ORDER BY priority DESC, id LIMIT 1", kind, model, *but)

    def queued_like(self, job: Job, limit: int) -> list[Job]:
        """Queued jobs after this one, of its kind, model and priority, that can start; oldest first."""
        query = (
            "SELECT * FROM jobs WHERE state = 'queued' AND kind = ? AND model = ? AND priority = ? AND id > ?"
            f"{_READY} ORDER BY id LIMIT ?"
        )
        return self._jobs(query, job.kind, job.queue, job.priority, job.id, limit)

    def queued_before(self, job: Job) -> int:
        """How many queued jobs are before a queued one by priority and age; models that are loaded may change that."""
        query = (
            "SELECT count(*) FROM jobs WHERE state = 'queued' AND source_id <> ?"
            " AND (priority > ? OR (priority = ? AND id < ?))"
        )
        row = self._database.row(query, (job.source_id, job.priority, job.priority, job.id))
        return int(row[0]) if row is not None else 0

    def measured(self, model: str) -> list[Measured]:
        """All measurements of a model, of every device."""
        return [measured_of(row) for row in self._database.rows("SELECT * FROM measured WHERE model = ?", (model,))]

    def earlier_benchmarks(self, run: BenchmarkRun) -> tuple[BenchmarkRun, ...]:
        """The last benchmarks of the same model and kind but this one, of every device, the oldest first."""
        query = (
            "SELECT figures FROM benchmarks WHERE model = ? AND kind = ? AND job_id <> ? ORDER BY finished DESC LIMIT ?"
        )
        rows = self._database.rows(query, (run.model, run.of, run.id, MOST_BENCHMARKS))
        return tuple(benchmark_of(row) for row in reversed(rows))

    def oldest_queued(self) -> Source | None:
        """The source of the oldest queued job."""
        query = (
            "SELECT sources.* FROM jobs JOIN sources ON sources.id = jobs.source_id"
            " WHERE jobs.state = 'queued' ORDER BY jobs.id LIMIT 1"
        )
        return next(iter(self._sources(query)), None)

    def recent(self, limit: int) -> list[Job]:
        """The jobs that ended last, latest first."""
        query = "SELECT * FROM jobs WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT ?"
        return self._jobs(query, limit)

    def ended(
        self,
        *,
        before: tuple[float, str],
        most: int,
        since: float = 0.0,
        kind: str = "",
        state: str = "",
        likely: str = "",
    ) -> list[Job]:
        """The jobs that ended before a moment and an id of it, latest first.

        `likely`: leaves out jobs in whose columns this text certainly does not stand, nor, in the name of the result,
        what is before its last dot. What a caption says is no column, nor how a sheet or set is called.
        """
        query = (
            "SELECT jobs.* FROM jobs JOIN sources ON sources.id = jobs.source_id"
            " WHERE finished_at IS NOT NULL AND finished_at >= ? AND (finished_at, jobs.id) < (?, ?)"
        )
        values: list[object] = [since, *before]
        if state:
            # Nearly all jobs are done: to sort those would take longer than to walk along the times.
            query += " AND +jobs.state = ?" if state == JobState.DONE else " AND jobs.state = ?"
            values.append(state)
        if kind:
            query += " AND +jobs.kind = ?"
            values.append(kind)
        if likely:
            query += (
                " AND (jobs.kind IN ('caption', 'grid', 'dataset') OR jobs.id LIKE ? OR request LIKE ? OR chain LIKE ?"
                " OR jobs.failure LIKE ? OR CAST(path AS TEXT) LIKE ? OR CAST(stem AS TEXT) LIKE ?)"
            )
            values += [f"%{likely}%"] * 5 + [f"%{likely.rpartition('.')[0] or likely}%"]
        query += " ORDER BY finished_at DESC, jobs.id DESC LIMIT ?"
        return self._jobs(query, *values, most)

    def refused(self, *, before: tuple[float, str], most: int, since: float = 0.0) -> list[Source]:
        """The files that gave no jobs and were claimed before a moment and an id of it, latest first."""
        query = (
            "SELECT * FROM sources WHERE failure IS NOT NULL AND claimed_at >= ?"
            " AND (claimed_at, id) < (?, ?) ORDER BY claimed_at DESC, id DESC LIMIT ?"
        )
        return self._sources(query, since, *before, most)

    def latest_in(self, states: Sequence[str], most: int) -> list[tuple[str, str, str]]:
        """The jobs in some states that came last: id, path of the file, state."""
        query = (
            "SELECT jobs.id, sources.path, jobs.state FROM jobs JOIN sources ON sources.id = jobs.source_id"
            f" WHERE jobs.state IN ({', '.join('?' * len(states))}) ORDER BY jobs.id DESC LIMIT ?"
        )
        return [(row[0], os.fsdecode(row[1]), row[2]) for row in self._database.rows(query, (*states, most))]

    def recent_failures(self, most: int, *, among: int) -> list[RecordedFailure]:
        """The last failures, latest first: of the `among` jobs that ended last, and of the files that were refused."""
        return recent_failures(self._database, most, among=among)

    def all_done(self, source_id: str) -> bool:
        """Whether a source has jobs and every one of them succeeded."""
        jobs = self.jobs_of(source_id)
        return bool(jobs) and all(job.state is JobState.DONE for job in jobs)

    def has_open_jobs(self, source_id: str) -> bool:
        """Whether a job of a source has not ended; the one that was journaled last mostly ends last."""
        query = "SELECT 1 FROM jobs WHERE source_id = ? AND state NOT IN ('done', 'failed') ORDER BY id DESC LIMIT 1"
        return self._database.row(query, (source_id,)) is not None

    def names_set(self, source_id: str) -> bool:
        """Whether a source asks for the captions of a set: the job that puts them together is its last."""
        query = "SELECT kind FROM jobs WHERE source_id = ? ORDER BY id DESC LIMIT 1"
        row = self._database.row(query, (source_id,))
        return row is not None and row[0] == JobKind.DATASET

    def has_stayed(self, picture: str) -> bool:
        """Whether a picture of this path was captioned where it lies."""
        jobs = (job for source in self.sources_at(picture) for job in self.jobs_of(source.id))
        return any(job.picture_beside == picture for job in jobs)

    def stays_with(self, picture: str, source_id: str) -> bool:
        """Whether a picture that a file named stays where it is: its caption lies beside it, or its text did before."""
        jobs = self.jobs_of(source_id)
        captions = [(job, job.request) for job in jobs if isinstance(job.request, CaptionRequest)]
        own = [job for job, request in captions if request.picture == picture]
        if own:
            return all(job.picture_beside for job in own)
        return len(captions) == len(jobs) and all(request.picture for _, request in captions)

    def stems_like(self, folder: str, stem: str, *, but_not_of: str) -> list[str]:
        """Stems of other finished jobs that some file system takes for the same name (`Cat` and `cat`)."""
        query = "SELECT DISTINCT stem FROM jobs WHERE stem_key = ? AND folder = ? AND id <> ? AND state = 'done'"
        rows = self._database.rows(query, (stem_key(stem), os.fsencode(folder), but_not_of))
        return [os.fsdecode(row[0]) for row in rows]

    def stem_is_promised(self, folder: str, stem: str, *, but_not_to: str = "") -> bool:
        """Whether another job than `but_not_to` that is being delivered has this name."""
        query = "SELECT 1 FROM jobs WHERE stem_key = ? AND folder = ? AND id <> ? AND state = 'delivering' LIMIT 1"
        return self._database.row(query, (stem_key(stem), os.fsencode(folder), but_not_to)) is not None

    def wrote_for_set(self, sha256: str) -> bool:
        """Whether a file of this hash was delivered as part of a set of pictures."""
        query = "SELECT 1 FROM jobs WHERE state = 'done' AND kind = 'dataset' AND instr(payload_sha256, ?) LIMIT 1"
        return self._database.row(query, (sha256,)) is not None

    def stem_is_awaited(self, folder: str, stem: str) -> bool:
        """Whether a job that has not ended is to be delivered under a name, if that is free."""
        query = "SELECT 1 FROM jobs WHERE stem_key = ? AND folder = ? AND state NOT IN ('done', 'failed') LIMIT 1"
        return self._database.row(query, (stem_key(stem), os.fsencode(folder))) is not None

    def _sources(self, query: str, *values: object) -> list[Source]:
        return [source_of(row) for row in self._database.rows(query, values)]

    def _jobs(self, query: str, *values: object) -> list[Job]:
        return [job_of(row) for row in self._database.rows(query, values)]


def size_of(database: Database) -> tuple[int, int]:
    """How many files and how many jobs a journal of any version knows."""
    row = database.row("SELECT (SELECT count(*) FROM sources), (SELECT count(*) FROM jobs)")
    assert row is not None
    return row[0], row[1]
