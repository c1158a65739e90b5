"""The commands `cancel` and `retry`. In: a command. Out: its result in words.

Commands change the journal, so the process that holds the lock carries them out: the running daemon, or the command
line program itself. Transports (`control_socket`) pass commands in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, assert_never

from loguru import logger

from aura_daemon import file_names
from aura_daemon.jobs.lifecycle import OPEN, JobState

if TYPE_CHECKING:  # a program that only sends a command need not import the modules that carry it out
    from aura_daemon.daemon.receiver import Receiver
    from aura_daemon.dispatch.dispatcher import Dispatcher
    from aura_daemon.health.recorder import HealthRecorder
    from aura_daemon.intake.claims import Claims
    from aura_daemon.journal.journal import Journal
    from aura_daemon.journal.records import Job, Source
    from aura_daemon.outbox.failed_files import FailedFile
    from aura_daemon.outbox.source_disposal import SourceDisposal


class CommandVerb(StrEnum):
    """The kinds of commands."""

    CANCEL = "cancel"
    RETRY = "retry"


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A request to change jobs."""

    verb: CommandVerb
    name: str
    """Id of a job or of a file, as in the log."""
    path: str = ""
    """Path below the inbox, where `name` may be that of a file; else empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandAnswer:
    """The result of a command."""

    done: bool
    """Whether the command succeeded for every job."""
    lines: tuple[str, ...]
    """One line per job, or for several in a row to which the same happened."""


@dataclass(slots=True, eq=False)
class CommandHandler:
    """Carries out commands for the jobs of one inbox."""

    journal: Journal
    claims: Claims
    disposal: SourceDisposal
    dispatcher: Dispatcher
    receiver: Receiver
    health: HealthRecorder

    def carry_out(self, command: Command) -> CommandAnswer:
        """Carries out a command as far as possible; raises OSError where a disk refuses."""
        logger.info("asked to {} {}", command.verb, file_names.escaped(command.name))
        source, jobs = self._find(command)
        if source is None:
            message = f"{file_names.escaped(command.name)}: no job and no file of this name was ever claimed here"
            return CommandAnswer(done=False, lines=(message,))
        match command.verb:
            case CommandVerb.CANCEL:
                outcomes = self._cancel(source, jobs)
            case CommandVerb.RETRY:
                outcomes = self._retry(source, jobs)
            case _:  # pragma: no cover
                assert_never(command.verb)
        self.health.change()
        lines = tuple(_told_together(line for _, line in outcomes))
        return CommandAnswer(done=all(done for done, _ in outcomes), lines=lines)

    def _find(self, command: Command) -> tuple[Source | None, list[Job]]:
        """The file that a command names, and its jobs: only the named one where the command names a job."""
        journal = self.journal
        job = journal.find_job(command.name)
        if job is not None and job.number is not None:
            return journal.source(job.source_id), [job]
        if journal.knows_source(command.name):
            return journal.source(command.name), journal.jobs_of(command.name)
        source = journal.latest_source(command.path) if command.path else None
        return source, journal.jobs_of(source.id) if source is not None else []

    def _cancel(self, source: Source, jobs: list[Job]) -> list[tuple[bool, str]]:
        if not (open_jobs := [job for job in jobs if job.state in OPEN]):
            return [(False, f"{file_names.escaped(source.path)}: nothing of it is left to cancel")]
        outcomes = [self.dispatcher.cancel(job, source) for job in open_jobs]
        self.receiver.dispose()
        return outcomes

    def _retry(self, source: Source, jobs: list[Job]) -> list[tuple[bool, str]]:
        self.receiver.dispose()  # files that failed just now must be in `failed/` first
        failed: list[Job | None] = [job for job in jobs if job.state is JobState.FAILED]
        if source.failure is not None:
            failed = [None]
        if not failed:
            return [(False, f"{file_names.escaped(source.path)}: nothing of it has failed")]
        places = list(dict.fromkeys(self.disposal.failed_file(source, job) for job in failed))
        if len(jobs) == 1 and places[0].holds_others:
            path = file_names.escaped(source.path)
            message = f"it was cancelled together with others: `aura-daemon retry {path}` runs them all"
            return [(False, f"{jobs[0].id}: {message}")]
        return [self._retry_one(source, place) for place in places]

    def _retry_one(self, source: Source, place: FailedFile) -> tuple[bool, str]:
        """Claims one failed file, or the documents of failed jobs, from `failed/` again."""
        path = file_names.escaped(place.path)
        if place.file is None:
            mend = "put the file into the inbox again"
            return False, f"{path}: it is not in `{file_names.FAILED_FOLDER}/` any more; {mend}"
        reclaimed = self.claims.reclaim(place.file, place.path, source.kind)
        place.report.unlink(missing_ok=True)
        self.receiver.admit(reclaimed)
        if (failure := self.journal.source(reclaimed.id).failure) is not None:
            return False, f"{path}: refused again: {failure.message}"
        return True, f"{path}: queued again as {reclaimed.id}"


def _told_together(lines: Iterable[str]) -> Iterator[str]:
    """`ID: TEXT` lines, of which those in a row with one text become `ID to ID: TEXT`."""
    for text, alike in groupby((line.partition(": ") for line in lines), key=lambda parts: parts[2]):
        ids = [parts[0] for parts in alike]
        yield f"{ids[0]} to {ids[-1]}: {text}" if len(ids) > 1 else f"{ids[0]}: {text}"
