"""What has happened to every source and every job, in SQLite; survives kill -9. In: transitions. Out: `queries`.

One process writes (the daemon holds the inbox's lock), others read. Counts by state are kept in memory, so that health
costs the same with ten jobs and with a hundred thousand.

Whatever is written survives kill -9 at once. Only what later steps rely on is also forced onto the disk at once: the
name of a result before it is written, ends that cannot be found out again. The rest is on the disk after the next such
step or `sync`; a power cut before leaves what a crash leaves, and recovery takes it up.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from aura_daemon.errors import BrokenState, JournalRefused, StateRefused
from aura_daemon.jobs.benchmarks import BenchmarkRun
from aura_daemon.jobs.lifecycle import OPEN, SOURCE_TRANSITIONS, JobState, SourceState, is_legal
from aura_daemon.jobs.parts import Chain
from aura_daemon.jobs.requests import kind_of
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.journal.database import FILE_NAME as FILE_NAME  # for all who open a journal
from aura_daemon.journal.database import Database
from aura_daemon.journal.ended import EndedQueries
from aura_daemon.journal.hook_events import HookEvents, HookKind
from aura_daemon.journal.image_queries import ImageQueries
from aura_daemon.journal.migrations import prepare
from aura_daemon.journal.overview import counts_of
from aura_daemon.journal.queries import JournalQueries
from aura_daemon.journal.records import (
    Job,
    NamedImage,
    Source,
    benchmark_row,
    columns,
    columns_of,
    image_key,
    in_64_bits,
    stem_key,
)
from aura_daemon.ladder.attempts import Attempt, RunConditions, StartedAttempt, with_attempt
from aura_daemon.ladder.measurements import after_refusal, after_success
from aura_daemon.ladder.prediction import Measured


class Journal(JournalQueries, ImageQueries, EndedQueries):
    """The record of all sources and jobs. Each method is one transaction, or raises JournalRefused."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Opens the journal, and creates it for a writer; raises BrokenState for one that this program cannot use.

        Raises JournalRefused for a reader where nothing has been written yet.
        """
        self.is_read_only = read_only
        super().__init__(Database(path, read_only=read_only))
        self.hook_events = HookEvents(self._database)
        try:
            prepare(self._database, path, read_only=read_only)
            self._counts = counts_of(self._database)
        except JournalRefused as error:
            self._database.close()
            if read_only:
                raise
            raise StateRefused(f"{path}: {error.strerror}: make room there, or mount it writable") from None
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Writes the write-ahead log back into the file and closes it."""
        self._database.close()

    def probe(self) -> None:
        """Tries a write that changes nothing; raises JournalRefused where the disk refuses it."""
        self._database.is_behind = True
        self.sync()

    @property
    def is_behind(self) -> bool:
        """Whether a power cut now would take something that was written."""
        return self._database.is_behind

    def sync(self) -> None:
        """Returns when everything that was written lies on the disk."""
        self._database.sync()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Makes one transaction of all steps within; where one of them is refused, JournalRefused takes all of them."""
        counts = self._counts.copy()
        try:
            with self._database.together():
                yield
        except BaseException:
            self._counts = counts
            raise

    def counts(self) -> dict[JobState, int]:
        """The number of jobs in each state; a file that gave no jobs because it was refused is one that failed."""
        return {state: self._counts[state] for state in JobState}

    # -- sources ---------------------------------------------------------------------------------------------------

    def claim(self, source: Source) -> None:
        """Records a file that was claimed."""
        row = {**columns_of(source), "state": SourceState.CLAIMED, "image_key": image_key(source.path)}
        with self._database.transaction(is_durable=False) as database:
            _insert(database, "sources", row)

    def admit(self, source: Source, jobs: tuple[Job, ...], named: Iterable[NamedImage] = ()) -> None:
        """Records the jobs of a claimed file and the images it names, or (`source.failure`) why it has no jobs."""
        read = {"sha256": source.sha256, "kind": source.kind, "failure": source.failure, "problems": source.problems}
        with self._database.transaction(is_durable=source.failure is not None) as database:
            self._move_source(database, source.id, SourceState.ADMITTED, **read)
            for job in jobs:
                derived = {"stem_key": stem_key(job.stem), **_queue_columns(job)}
                _insert(database, "jobs", {**columns_of(job), "state": JobState.QUEUED, **derived})
            for image in named:
                row = (os.fsencode(image.path), image.size_bytes, in_64_bits(image.modified_ns), source.id)
                database.execute("INSERT OR IGNORE INTO named_images VALUES (?, ?, ?, ?)", row)
            if source.failure is not None:
                self.hook_events.record(database, HookKind.FAILED, source.id, now=source.claimed_at)
        self._counts[JobState.QUEUED] += len(jobs)
        self._counts[JobState.FAILED] += source.failure is not None

    def withdraw(self, source_id: str) -> None:
        """Forgets the queued jobs of a file, as the file is no job after all."""
        with self._database.transaction() as database:
            query = "DELETE FROM jobs WHERE source_id = ? AND state = 'queued'"
            withdrawn = database.execute(query, (source_id,)).rowcount
        self._counts[JobState.QUEUED] -= withdrawn

    def correct(self, source: Source) -> None:
        """Records the bytes that run, where the file was still written to after the claim."""
        changes = {"sha256": source.sha256, "size_bytes": source.size_bytes, "modified_ns": source.modified_ns}
        with self._database.transaction(is_durable=False) as database:
            _update(database, "sources", source.id, changes)

    def close_source(self, source_id: str) -> None:
        """Records that nothing is left to do for a file."""
        with self._database.transaction(is_durable=False) as database:
            self._move_source(database, source_id, SourceState.CLOSED)

    def forget(self, source_ids: Iterable[str]) -> None:
        """Forgets closed files, with their jobs and all that is known of them."""
        gone: Counter[JobState] = Counter()
        with self._database.transaction() as database:
            for source_id in source_ids:
                refused = "SELECT 1 FROM sources WHERE id = ? AND failure IS NOT NULL"
                gone[JobState.FAILED] += database.execute(refused, (source_id,)).fetchone() is not None
                states = database.execute("SELECT state FROM jobs WHERE source_id = ?", (source_id,)).fetchall()
                gone.update(JobState(row[0]) for row in states)
                for query in _FORGET:
                    database.execute(query, {"id": source_id})
        self._counts.subtract(gone)

    # -- companions ------------------------------------------------------------------------------------------------

    def add_companion(self, path: str, size_bytes: int, modified_ns: int) -> None:
        """Records that exactly this file belongs to an image and is no job, even after the image is gone."""
        row = (os.fsencode(path), size_bytes, in_64_bits(modified_ns))
        with self._database.transaction() as database:
            database.execute("INSERT OR REPLACE INTO companions VALUES (?, ?, ?)", row)

    # -- jobs ------------------------------------------------------------------------------------------------------

    def start(self, job: Job, begun: StartedAttempt | None = None) -> Job:
        """Counts an attempt before it is made; `begun` is for a daemon that finds the job interrupted.

        A power cut counts for no job: whether it finds the job started or queued is the same.
        """
        return self._move(job, JobState.RUNNING, is_durable=False, attempts=job.attempts + 1, begun=begun)

    def place(self, job_ids: Iterable[str], begun: StartedAttempt | None) -> None:
        """Records the rung and device of running jobs: of use to whoever starts before the machine does."""
        with self._database.transaction(is_durable=False) as database:
            for job_id in job_ids:
                _update(database, "jobs", job_id, columns({"begun": begun}))

    def give_back(self, job: Job, *, count_attempt: bool, tried: Attempt | None = None) -> Job:
        """Queues a job again; `tried`: the failed attempt, where it should be kept."""
        attempts = job.attempts if count_attempt else job.attempts - 1
        return self._move(job, JobState.QUEUED, attempts=attempts, tried=with_attempt(job.tried, tried))

    def go_on(self, job: Job, chain: Chain) -> None:
        """Queues a job again, for another part; what failed before concerned the part that is done."""
        fresh: dict[str, Any] = {"chain": chain, "attempts": 0, "tried": (), "begun": None}
        self._move(job, JobState.QUEUED, is_durable=False, **fresh, **_queue_columns(replace(job, chain=chain)))

    def begin_anew(self, job: Job, chain: Chain | None) -> None:
        """Has a queued job begin with its first part again."""
        changes = {"chain": chain, **_queue_columns(replace(job, chain=chain))}
        with self._database.transaction(is_durable=False) as database:
            _update(database, "jobs", job.id, columns(changes))

    def deliver(self, job: Job, *, stem: str, payload_sha256: str) -> Job:
        """Records the name of the outputs; `sync` comes before any of them is written."""
        key = stem_key(stem)
        return self._move(
            job, JobState.DELIVERING, is_durable=False, stem=stem, stem_key=key, payload_sha256=payload_sha256
        )

    def finish(self, job: Job, *, now: float, total_s: float) -> Job:
        """Records that the sidecar is in the outbox, which tells it too until `sync` has come."""
        return self._move(job, JobState.DONE, HookKind.DONE, is_durable=False, finished_at=now, total_s=total_s)

    def fail(self, job: Job, failure: Failure, *, now: float, tried: Attempt | None = None) -> Job:
        """Records a failure after which the job is not tried again."""
        # Whoever cancels a job knows of it.
        told = None if failure.kind is FailureKind.CANCELLED else HookKind.FAILED
        tries = with_attempt(job.tried, tried)
        return self._move(job, JobState.FAILED, told, failure=failure, finished_at=now, tried=tries)

    # -- what was measured -------------------------------------------------------------------------------------------

    def learn(self, model: str, conditions: RunConditions, *, step_s: float) -> None:
        """Records the memory and time that a successful job took."""
        self._keep(model, after_success(self.measured(model), conditions, step_s=step_s))

    def learn_refusal(self, model: str, conditions: RunConditions) -> None:
        """Records that memory ran out."""
        self._keep(model, after_refusal(self.measured(model), conditions))

    def keep_benchmark(self, run: BenchmarkRun) -> None:
        """Records what a benchmark measured, once a job: a repetition replaces it."""
        with self._database.transaction() as database:
            _insert(database, "benchmarks", benchmark_row(run), verb="INSERT OR REPLACE")

    # -- below -----------------------------------------------------------------------------------------------------

    def _move(
        self, job: Job, after: JobState, hook: HookKind | None = None, *, is_durable: bool = True, **changes: object
    ) -> Job:
        """Makes one legal transition and changes further fields; raises BrokenState for an illegal one.

        `hook`: what hooks are told of it.
        """
        if after not in OPEN:
            changes["kind"] = kind_of(job.request)  # not that of its last part
        with self._database.transaction(is_durable=is_durable) as database:
            before = JobState(database.execute("SELECT state FROM jobs WHERE id = ?", (job.id,)).fetchone()[0])
            if not is_legal(before, after):
                raise BrokenState(f"job {job.id} cannot go from {before} to {after}")
            _update(database, "jobs", job.id, columns({"state": after, **changes}))
            if hook is not None:
                self.hook_events.record(database, hook, job.id, now=cast(float, changes["finished_at"]))
        self._counts[before] -= 1
        self._counts[after] += 1
        stored = {name: value for name, value in changes.items() if name not in _COLUMNS_ALONE}
        return replace(job, state=after, **stored)  # type: ignore[arg-type]

    def _keep(self, model: str, measured: Iterable[Measured]) -> None:
        with self._database.transaction(is_durable=False) as database:
            for one in measured:
                _insert(database, "measured", {"model": model, **columns_of(one)}, verb="INSERT OR REPLACE")

    def _move_source(self, database: sqlite3.Connection, source_id: str, after: SourceState, **changes: object) -> None:
        before = SourceState(database.execute("SELECT state FROM sources WHERE id = ?", (source_id,)).fetchone()[0])
        if (before, after) not in SOURCE_TRANSITIONS:
            raise BrokenState(f"source {source_id} cannot go from {before} to {after}")
        _update(database, "sources", source_id, columns({"state": after, **changes}))


_COLUMNS_ALONE: Final = frozenset({"stem_key", "model", "demand"})
"""Columns by which jobs are found, and which follow from their fields."""

_FORGET: Final = (
    "DELETE FROM hook_events WHERE subject IN (SELECT id FROM jobs WHERE source_id = :id UNION SELECT :id)",
    "DELETE FROM named_images WHERE source_id = :id",
    "DELETE FROM jobs WHERE source_id = :id",
    "DELETE FROM sources WHERE id = :id AND state = 'closed'",
)
"""Removes a source with all that is known of it."""


def _queue_columns(job: Job) -> dict[str, Any]:
    """Where a job waits, by what it runs next."""
    return {"kind": kind_of(job.runs), "model": job.queue, "demand": job.demand}


def _insert(database: sqlite3.Connection, table: str, row: Mapping[str, object], *, verb: str = "INSERT") -> None:
    marks = ", ".join("?" * len(row))
    database.execute(f"{verb} INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def _update(database: sqlite3.Connection, table: str, row_id: str, changes: Mapping[str, object]) -> None:
    names = ", ".join(f"{name} = ?" for name in changes)
    database.execute(f"UPDATE {table} SET {names} WHERE id = ?", (*changes.values(), row_id))
