"""How the daemon is. In: settings. Out: the health document and the journal's counts, never printed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from aura_daemon.errors import JournalRefused
from aura_daemon.health import heartbeat
from aura_daemon.health.document import Health, Holdup
from aura_daemon.journal.database import FILE_NAME
from aura_daemon.journal.overview import JournalOverview, RecordedFailure
from aura_daemon.system.files import regular_files

RECENT_JOBS: Final = 500
"""The last jobs among which failures are looked for: as many as one file may have."""

MOST_FAILURES: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class DaemonStatus:
    """The answer of `status`."""

    is_running: bool
    health: Health | None
    """The last health document; None where no daemon has written one."""
    job_counts: dict[str, int] | None
    """Jobs by state, refused files among those that failed; None where no journal can be read."""
    recent_failures: tuple[str, ...] = ()
    """`<id of the job or file>: <file>: <message>`, the latest first; jobs of a file that failed alike are one."""
    journal_error: str = ""
    """Why the journal cannot be read; empty where it can, and where it does not exist."""

    @property
    def absence(self) -> str:
        """What is said where it does not run: a process that stands still, for want of a share, may be there."""
        is_silent = self.health is not None and heartbeat.is_silent(self.health)
        return "no sign of life" if is_silent else "not running"

    def document(self) -> dict[str, Any]:
        """What `status --json` prints."""
        return {
            "running": self.is_running,
            "jobs": self.job_counts,
            "recent_failures": self.recent_failures,
            "health": self.health.model_dump(mode="json", by_alias=True) if self.health else None,
        }


def read_status(state: Path, *, with_failures: bool = True) -> DaemonStatus:
    """Reads the state folder; neither a daemon nor a model is needed."""
    health = heartbeat.read(state)
    is_running = health is not None and heartbeat.is_alive(health)
    with suppress(PermissionError):  # which the journal tells
        if not regular_files.exists(state / FILE_NAME):
            return DaemonStatus(is_running=is_running, health=health, job_counts=None)
    try:
        journal = JournalOverview(state / FILE_NAME)
    except JournalRefused as error:
        return DaemonStatus(is_running=is_running, health=health, job_counts=None, journal_error=str(error.strerror))
    with closing(journal):
        recent = journal.recent_failures(RECENT_JOBS, among=RECENT_JOBS) if with_failures else []
        failures = _told_together(recent)[:MOST_FAILURES]
        counts = {state.value: count for state, count in journal.counts().items()}
    return DaemonStatus(is_running=is_running, health=health, job_counts=counts, recent_failures=failures)


def _told_together(failures: Iterable[RecordedFailure]) -> tuple[str, ...]:
    """Failures as text; of several jobs of a file with one message the latest, and how many there are."""
    alike: dict[tuple[str, str], list[RecordedFailure]] = {}
    for failed in failures:
        alike.setdefault((failed.path, failed.message), []).append(failed)
    return tuple(f"{group[0]}{f' ({len(group)} jobs)' if len(group) > 1 else ''}" for group in alike.values())


def running_health(state: Path) -> Health | None:
    """The health document of the daemon that runs; None where none runs."""
    health = heartbeat.read(state)
    return health if health is not None and heartbeat.is_alive(health) else None


def models_text(health: Health) -> str:
    """The loaded models, each with the kind of job it serves: `generate: aura-mini, caption: aura-mini`."""
    kinds = (f"{kind}: " for kind in health.model_kinds)
    return ", ".join(kind + name for kind, name in zip_longest(kinds, health.models, fillvalue="")) or "none loaded"


def since_text(holdup: Holdup) -> str:
    """Since when something is held up; empty where that is not known."""
    return f" (since {holdup.since})" if holdup.since else ""
