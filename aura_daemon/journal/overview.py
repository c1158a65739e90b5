"""How the journal stands, without what it takes to read whole jobs. In: a database. Out: counts, and the last failures.

`status` asks no more than this, and importing what reads jobs would take it most of its time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from aura_daemon.file_names import escaped
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.journal.database import Database
from aura_daemon.journal.migrations import prepare


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedFailure:
    """A job that failed for good, or a file that was refused."""

    id: str
    """Id of the job, or of the file where it has no jobs."""
    path: str
    """Path of the file below the inbox."""
    kind: str
    message: str
    failed_at: float
    """Seconds since the epoch."""

    def __str__(self) -> str:
        return f"{self.id}: {escaped(self.path)}: {self.message}"


class JournalOverview:
    """A journal, open for a reader who asks how it stands."""

    def __init__(self, path: Path) -> None:
        """Opens the journal; raises as `Journal` does for a reader."""
        self._database = Database(path, read_only=True)
        try:
            prepare(self._database, path, read_only=True)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def counts(self) -> dict[JobState, int]:
        """The number of jobs in each state; a file that gave no jobs because it was refused is one that failed."""
        return counts_of(self._database)

    def recent_failures(self, most: int, *, among: int) -> list[RecordedFailure]:
        """As the function below."""
        return recent_failures(self._database, most, among=among)


def counts_of(database: Database) -> Counter[JobState]:
    """The number of jobs in every state, refused files among those that failed."""
    counts: Counter[JobState] = Counter(dict.fromkeys(JobState, 0))
    for state, count in database.rows("SELECT state, count(*) FROM jobs GROUP BY state"):
        counts[JobState(state)] += count
    counts[JobState.FAILED] += database.rows("SELECT count(*) FROM sources WHERE failure IS NOT NULL")[0][0]
    return counts


def recent_failures(database: Database, most: int, *, among: int) -> list[RecordedFailure]:
    """The last failures, latest first: of the `among` jobs that ended last, and of the files that were refused."""
    jobs = (
        "SELECT jobs.id, sources.path, jobs.failure, jobs.finished_at FROM"
        " (SELECT * FROM jobs WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT ?) AS jobs"
        " JOIN sources ON sources.id = jobs.source_id WHERE jobs.failure IS NOT NULL ORDER BY jobs.finished_at DESC"
    )
    refused = (
        "SELECT id, path, failure, claimed_at FROM sources WHERE failure IS NOT NULL ORDER BY claimed_at DESC LIMIT ?"
    )
    rows = (*database.rows(jobs, (among,)), *database.rows(refused, (most,)))
    return sorted(map(_failure, rows), key=lambda failed: failed.failed_at, reverse=True)[:most]


def _failure(row: sqlite3.Row) -> RecordedFailure:
    job_or_file, path, failure, failed_at = row
    told = json.loads(failure)
    return RecordedFailure(
        id=job_or_file, path=os.fsdecode(path), kind=told["kind"], message=told["message"], failed_at=failed_at
    )
