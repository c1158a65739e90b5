"""The states of a source and of a job, and the tables of legal transitions. In: two states. Out: whether it is legal.

A *source* is a claimed file; it holds one job, or several where a YAML file has several documents.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class SourceState(StrEnum):
    """The state of a claimed file."""

    CLAIMED = "claimed"
    """The file is claimed, and nothing of it has been read."""
    ADMITTED = "admitted"
    """The jobs of the file, or the reason why it has none, are in the journal."""
    CLOSED = "closed"
    """The file was archived, deleted, kept or moved to `failed/`: nothing is left to do."""


class JobState(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DELIVERING = "delivering"
    """The engine has finished; some of the files may be in the outbox."""
    DONE = "done"
    FAILED = "failed"


TRANSITIONS: Final[frozenset[tuple[JobState, JobState]]] = frozenset(
    {
        (JobState.QUEUED, JobState.RUNNING),
        (JobState.QUEUED, JobState.FAILED),  # what the job needs is gone before it could start
        (JobState.RUNNING, JobState.DELIVERING),
        (JobState.RUNNING, JobState.QUEUED),  # tried again, or given back at shutdown
        (JobState.RUNNING, JobState.FAILED),
        (JobState.DELIVERING, JobState.DELIVERING),  # under another name, or again after the disk was full
        (JobState.DELIVERING, JobState.DONE),
        (JobState.DELIVERING, JobState.QUEUED),  # the daemon died between the engine and the outbox
    }
)
"""Every legal transition of a job; the journal refuses any other."""

SOURCE_TRANSITIONS: Final[frozenset[tuple[SourceState, SourceState]]] = frozenset(
    {
        (SourceState.CLAIMED, SourceState.ADMITTED),
        (SourceState.ADMITTED, SourceState.CLOSED),
    }
)
"""Every legal transition of a source."""

OPEN: Final = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING})
"""States of a job that has not ended."""


def is_legal(before: JobState, after: JobState) -> bool:
    """Whether a job may go from the one state to the other."""
    return (before, after) in TRANSITIONS
