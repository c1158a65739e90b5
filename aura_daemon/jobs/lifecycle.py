"""The states of a source file and of a job, and the one table of what may follow what. In: state, state. Out: legal?

A *source* is a file that was claimed; it holds one job, or several where a YAML file has several documents.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class SourceState(StrEnum):
    """What has become of a claimed file."""

    CLAIMED = "claimed"
    """It is ours, nothing of it is read yet."""
    ADMITTED = "admitted"
    """Its jobs, or the reason why it has none, are in the journal."""
    CLOSED = "closed"
    """Archived, deleted, kept or moved to `failed/`: nothing is left to do."""


class JobState(StrEnum):
    """What has become of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DELIVERING = "delivering"
    """The engine is done with it; its files may be half in the outbox."""
    DONE = "done"
    FAILED = "failed"


TRANSITIONS: Final[frozenset[tuple[JobState, JobState]]] = frozenset(
    {
        (JobState.QUEUED, JobState.RUNNING),
        (JobState.QUEUED, JobState.FAILED),  # what it needs is gone before it could start
        (JobState.RUNNING, JobState.DELIVERING),
        (JobState.RUNNING, JobState.QUEUED),  # tried again, or given back at shutdown
        (JobState.RUNNING, JobState.FAILED),
        (
            JobState.DELIVERING,
            JobState.DELIVERING,
        ),  # under another name, or once more after the disk was full
        (JobState.DELIVERING, JobState.DONE),
        (JobState.DELIVERING, JobState.QUEUED),  # the daemon died between the engine and the outbox
    }
)
"""Every step a job may take; the journal refuses any other."""

SOURCE_TRANSITIONS: Final[frozenset[tuple[SourceState, SourceState]]] = frozenset(
    {
        (SourceState.CLAIMED, SourceState.ADMITTED),
        (SourceState.ADMITTED, SourceState.CLOSED),
    }
)

OPEN: Final = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING})
"""States from which something is still to come."""


def is_legal(before: JobState, after: JobState) -> bool:
    """Whether a job may go from one state to the other."""
    return (before, after) in TRANSITIONS
