"""What became of pictures that a file named: whether their jobs went well, and whether they stay where they lie.

What is known of a closed file does not change. It is remembered for the last few files, as ten thousand pictures of one
set ask about the same file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aura_daemon.jobs.lifecycle import JobState, SourceState
from aura_daemon.jobs.requests import CaptionRequest, DatasetRequest
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Source

MOST_KNOWN: Final = 4
"""Closed files that are remembered."""


@dataclass(kw_only=True, slots=True)
class _SetOutcome:
    """What became of the pictures of a set."""

    failed: set[str] = field(default_factory=set)
    beside: set[str] = field(default_factory=set)
    """Those whose captions were meant for beside them."""
    kept: set[str] = field(default_factory=set)
    """Those that had their texts."""


class NamedOutcomes:
    """Answers for the images that files named in one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[str, _SetOutcome] = {}

    def went_well(self, source: Source, picture: str) -> bool:
        """Whether what a file asked for is done: of a set, for this picture, which may have had its text before."""
        if source.failure is not None:
            return False
        if source.state is SourceState.CLOSED and self._journal.names_set(source.id):
            outcome = self._of_set(source.id)
            return picture not in outcome.failed
        return all(job.state is JobState.DONE for job in self._journal.jobs_of(source.id))

    def stays(self, source_id: str, picture: str) -> bool:
        """Whether a picture stays where it is: its caption lies beside it, or its text did before."""
        if not self._journal.names_set(source_id):
            return self._journal.stays_with(picture, source_id)
        outcome = self._of_set(source_id)
        return picture in outcome.beside or picture in outcome.kept

    def _of_set(self, source_id: str) -> _SetOutcome:
        known = self._known.get(source_id)
        if known is not None:
            return known
        outcome = _SetOutcome()
        for job in self._journal.jobs_of(source_id):
            match job.request:
                case CaptionRequest(picture=picture) if picture:
                    if job.state is not JobState.DONE:
                        outcome.failed.add(picture)
                    if job.picture_beside:
                        outcome.beside.add(picture)
                case DatasetRequest(kept=kept):
                    outcome.kept.update(kept)
                case _:
                    pass
        self._known[source_id] = outcome
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return outcome
