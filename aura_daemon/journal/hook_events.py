"""What hooks are still to be told, and what became of every hook; survives kill -9. In: ends of jobs. Out: events.

An event is written in the transaction that ends its job. That a hook starts is written before it starts: one that a
crash interrupted is known as such, and does not run twice.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aura_daemon.journal.database import Database

OUTCOME_CHARACTERS: Final = 500
"""Most characters that are kept of what became of a hook."""


HOOK_OK: Final = "ok"
"""The outcome of a hook that went well; any other is a sentence."""


class HookKind(StrEnum):
    """What has happened."""

    DONE = "done"
    """A job has its result in the outbox."""
    FAILED = "failed"
    """A job failed for good, or a file was refused."""
    IDLE = "idle"
    """Nothing is left to do."""


class HookState(StrEnum):
    """The state of an event."""

    GATHERING = "gathering"
    """Of `idle`: jobs have ended, and others have not."""
    DUE = "due"
    STARTED = "started"
    ENDED = "ended"
    """The hook has run, or could not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HookEvent:
    """An event that a hook is told of."""

    id: int
    kind: HookKind
    subject: str
    """Id of the job, or of the file where it has no jobs; empty for `idle`."""
    recorded_at: float
    """Seconds since the epoch; of `idle`: when the first job ended."""
    done: int
    """Of `idle`: number of jobs that are done since the last one."""
    failed: int
    """Of `idle`: number of jobs and files that failed since the last one."""


class HookEvents:
    """The events in a journal. Each method but `record` is one transaction, or raises JournalRefused."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.wanted: frozenset[HookKind] = frozenset()
        """The kinds for which a hook is configured: no other is recorded."""

    def record(self, database: sqlite3.Connection, kind: HookKind, subject: str, *, now: float) -> None:
        """Records an event within a transaction of the journal."""
        if kind in self.wanted:
            values = kind, subject, HookState.DUE, now
            database.execute("INSERT INTO hook_events (kind, subject, state, recorded_at) VALUES (?, ?, ?, ?)", values)
        if HookKind.IDLE in self.wanted:
            gathering = "kind = 'idle' AND state = 'gathering'"
            database.execute(
                "INSERT INTO hook_events (kind, subject, state, recorded_at) SELECT 'idle', '', 'gathering', ?"
                f" WHERE NOT EXISTS (SELECT 1 FROM hook_events WHERE {gathering})",
                (now,),
            )
            database.execute(f"UPDATE hook_events SET {kind} = {kind} + 1 WHERE {gathering}")

    def is_gathering(self) -> bool:
        """Whether jobs have ended since the last `idle`."""
        return self._database.row("SELECT 1 FROM hook_events WHERE state = 'gathering'") is not None

    def become_idle(self, *, now: float) -> None:
        """Makes `idle` due, behind all other events."""
        query = (
            "UPDATE hook_events SET id = (SELECT max(id) + 1 FROM hook_events), state = 'due', recorded_at = ?"
            " WHERE state = 'gathering'"
        )
        with self._database.transaction() as database:
            database.execute(query, (now,))

    def forget_idle(self) -> None:
        """Forgets which jobs have ended since the last `idle`, as no hook is told of it any more."""
        with self._database.transaction() as database:
            database.execute("DELETE FROM hook_events WHERE state = 'gathering'")

    def due(self, limit: int) -> list[HookEvent]:
        """The oldest events whose hooks have not started."""
        return self._events("SELECT * FROM hook_events WHERE state = 'due' ORDER BY id LIMIT ?", limit)

    def started(self) -> list[HookEvent]:
        """Events whose hooks have started and not ended; after a restart, those that were interrupted."""
        return self._events("SELECT * FROM hook_events WHERE state = 'started' ORDER BY id")

    def start(self, event: HookEvent, *, now: float) -> None:
        """Records, durably and before it happens, that a hook starts."""
        with self._database.transaction() as database:
            database.execute("UPDATE hook_events SET state = 'started', started_at = ? WHERE id = ?", (now, event.id))

    def give_back(self, event: HookEvent) -> None:
        """Makes an event due again whose hook was to start and has certainly not."""
        with self._database.transaction() as database:
            database.execute("UPDATE hook_events SET state = 'due', started_at = NULL WHERE id = ?", (event.id,))

    def end(self, event: HookEvent, outcome: str, *, now: float) -> None:
        """Records what became of a hook, in words."""
        query = "UPDATE hook_events SET state = 'ended', ended_at = ?, outcome = ? WHERE id = ?"
        with self._database.transaction() as database:
            database.execute(query, (now, outcome[:OUTCOME_CHARACTERS], event.id))

    def outcomes_of(self, subject: str) -> list[tuple[HookKind, str]]:
        """What became of the hooks of a job or a file: an empty text while one has not ended."""
        rows = self._database.rows("SELECT kind, outcome FROM hook_events WHERE subject = ? ORDER BY id", (subject,))
        return [(HookKind(kind), outcome) for kind, outcome in rows]

    def is_open_for(self, source_id: str) -> bool:
        """Whether a hook of a file or of one of its jobs is still to end."""
        query = (
            "SELECT 1 FROM hook_events WHERE state <> 'ended'"
            " AND subject IN (SELECT id FROM jobs WHERE source_id = ? UNION SELECT ?)"
        )
        return self._database.row(query, (source_id, source_id)) is not None

    def forget_before(self, time: float) -> None:
        """Forgets when nothing was left to do, long ago; the other events go with their files."""
        query = "DELETE FROM hook_events WHERE state = 'ended' AND kind = 'idle' AND ended_at < ?"
        with self._database.transaction() as database:
            database.execute(query, (time,))

    def _events(self, query: str, *values: object) -> list[HookEvent]:
        return [
            HookEvent(
                id=row["id"],
                kind=HookKind(row["kind"]),
                subject=row["subject"],
                recorded_at=row["recorded_at"],
                done=row["done"],
                failed=row["failed"],
            )
            for row in self._database.rows(query, values)
        ]
