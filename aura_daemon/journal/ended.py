"""What has ended, in the order in which it ended, and what is next. In: numbers. Out: ids and jobs."""

from __future__ import annotations

from dataclasses import dataclass

from aura_daemon.journal.database import Database
from aura_daemon.journal.records import Job, job_of


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedRow:
    """A job that has ended, or a file that was refused."""

    number: int
    """From 1, in the order of the ends. A job that is retried and ends again gets another number."""
    id: str


class EndedQueries:
    """The part of the journal's reading half that the gallery asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_ended(self) -> int:
        """The highest number that was ever given; 0 where nothing has ended."""
        row = self._database.row("SELECT seq FROM sqlite_sequence WHERE name = 'ended'")
        return int(row[0]) if row is not None else 0

    def count_ended(self) -> int:
        """How many results and failures the journal remembers."""
        row = self._database.row("SELECT count(*) FROM ended")
        return int(row[0]) if row is not None else 0

    def ended_between(self, first: int, last: int) -> list[EndedRow]:
        """What has ended under the numbers from `first` to `last`, oldest first; some may be missing."""
        query = "SELECT number, id FROM ended WHERE number BETWEEN ? AND ? ORDER BY number"
        return [EndedRow(number=row["number"], id=row["id"]) for row in self._database.rows(query, (first, last))]

    def next_queued(self, most: int) -> list[Job]:
        """The jobs that wait, as they come to be run if nothing else happens: by priority, then by age."""
        first = "SELECT id FROM jobs WHERE state = 'queued' ORDER BY priority DESC, id LIMIT ?"  # read from an index
        query = f"SELECT * FROM jobs WHERE id IN ({first}) ORDER BY priority DESC, id"
        return [job_of(row) for row in self._database.rows(query, (most,))]
