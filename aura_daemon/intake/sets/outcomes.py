"""What became of pictures that a file named: whether their jobs went well, and whether they stay where they lie.

What is known of a closed file does not change. It is remembered for the last few files, as ten thousand pictures of one
set ask about the same file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aura_daemon import file_names
from aura_daemon.jobs.lifecycle import JobState, SourceState
from aura_daemon.jobs.requests import CaptionRequest, DatasetRequest, GenerateRequest, Request
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source

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
    members: set[str] = field(default_factory=set)
    has_lone_failure: bool = False
    """Whether a job of the file that captions no picture of a set is not done."""
    drawn_on: set[str] = field(default_factory=set)
    """Names, as the eye sees them, of the images that such jobs name."""

    def went_well(self, picture: str) -> bool:
        """Whether a picture is needed no more; one that is a start image besides waits for what is drawn from it."""
        if picture in self.failed or _seen(picture) in self.drawn_on:
            return False
        return picture in self.members or picture in self.kept or not self.has_lone_failure


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
            return self._of_set(source.id).went_well(picture)
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
        outcome = _outcome_of(self._journal.jobs_of(source_id))
        self._known[source_id] = outcome
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return outcome


def _outcome_of(jobs: Sequence[Job]) -> _SetOutcome:
    """What became of the jobs of one file that names sets."""
    outcome = _SetOutcome()
    pictures: dict[str, str] = {}
    """By the id of the job that captions it."""
    for job in jobs:
        is_done = job.state is JobState.DONE
        if isinstance(job.request, CaptionRequest) and (picture := job.request.picture):
            outcome.failed.update(() if is_done else (picture,))
            outcome.beside.update((picture,) if job.picture_beside else ())
            if job.request.of_set:
                outcome.members.add(picture)
                pictures[job.id] = picture
                continue
        if isinstance(job.request, DatasetRequest):
            outcome.kept.update(job.request.kept)
            if not is_done:  # its job file comes back, and names its pictures again
                outcome.failed.update(pictures[member] for member in job.waits_for if member in pictures)
        if not is_done:
            outcome.has_lone_failure = True
            outcome.drawn_on.update(_images_of(job.request))
    return outcome


def _images_of(request: Request) -> set[str]:
    if not isinstance(request, GenerateRequest):
        return set()
    named = (request.image, request.described, request.mask, *request.further_images)
    return {_seen(name) for name in named if name}


def _seen(path: str) -> str:
    return file_names.as_seen(path.rpartition("/")[2])
