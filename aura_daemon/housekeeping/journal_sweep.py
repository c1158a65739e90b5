"""Forgets what the journal knows of files that are done, in small steps. In: what is kept. Out: how many went.

A file is known for as long as that is needed: while it lies in the inbox (it would run again) or in `failed/` (`retry`
finds it by its row), while a hook of it is to run, and the newest of all. What changes when a row is gone stands in
docs/housekeeping.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Final

from aura_daemon.config.housekeeping import KeptFor
from aura_daemon.jobs.lifecycle import OPEN, JobState
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.failed_files import failed_file
from aura_daemon.system.files import regular_files

AT_ONCE: Final = 5
"""Files that are looked at in one step, and forgotten in one transaction: failed ones take 3 ms each."""

_LAST: Final = "~"
"""Sorts behind every id."""


@dataclass(kw_only=True, slots=True, eq=False)
class JournalSweep:
    """One sweep of a journal."""

    journal: Journal
    inbox: Path
    outbox: Path
    kept: KeptFor
    now: float
    """Seconds since the epoch."""
    deleted: int = field(init=False, default=0)
    freed_bytes: int = field(init=False, default=0)

    def steps(self) -> Iterator[None]:
        """Does the sweep; raises JournalRefused, or OSError where the inbox cannot be asked."""
        used_bytes = self.journal.used_bytes()
        if self.kept.age is not None:
            yield from self._forget_before(self.now - self.kept.age, most_bytes=None)
            self.journal.hook_events.forget_before(self.now - self.kept.age)
        if self.kept.size is not None:
            yield from self._forget_before(inf, most_bytes=self.kept.size)  # the clock may be set back
        self.freed_bytes = used_bytes - self.journal.used_bytes()

    def told(self) -> str:
        """What went, in words."""
        files = "1 file" if self.deleted == 1 else f"{self.deleted:,} files"
        return f"{files} forgotten, {self.freed_bytes / 1e6:,.1f} MB freed"

    def _forget_before(self, time: float, *, most_bytes: int | None) -> Iterator[None]:
        """Forgets files that were done before a time; with `most_bytes` only until the journal is as small."""
        after = ""
        time = max(0.0, time)  # an age may reach back to before there were years
        before = f"{datetime.fromtimestamp(time, UTC):%Y%m%dT%H%M%S}" if most_bytes is None else _LAST
        while most_bytes is None or self.journal.used_bytes() > most_bytes:
            sources = self.journal.closed_sources(after=after, before=before, limit=AT_ONCE)
            if not sources:
                return
            after = sources[-1].id
            gone = [source.id for source in sources if self._may_go(source, time)]
            if gone:
                self.journal.forget(gone)
            self.deleted += len(gone)
            yield

    def _may_go(self, source: Source, time: float) -> bool:
        jobs = self.journal.jobs_of(source.id)
        if any(job.state in OPEN for job in jobs):
            return False
        ended = max((job.finished_at or 0.0 for job in jobs), default=0.0)
        if max(ended, source.claimed_at) > time or self.journal.hook_events.is_open_for(source.id):
            return False
        kept = (source.path, *(job.picture_beside for job in jobs if job.picture_beside))
        if any(regular_files.exists(self.inbox / path) for path in kept):
            return False
        return not any(self._lies_in_failed(source, job) for job in _failed(source, jobs))

    def _lies_in_failed(self, source: Source, job: Job | None) -> bool:
        return failed_file(self.outbox, source, job).file is not None


def _failed(source: Source, jobs: list[Job]) -> list[Job | None]:
    """What of a file may lie in `failed/`: None is the file itself."""
    return [None] if source.failure is not None else [job for job in jobs if job.state is JobState.FAILED]
