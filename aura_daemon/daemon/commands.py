"""What people ask of their jobs: cancel one, try a failed one again. In: a command. Out: what came of it, in words.

Commands are carried out through the journal, by whoever holds its lock: the running daemon, or the program itself.
Transports (`control_socket`) hand commands in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from loguru import logger

from aura_daemon import file_names
from aura_daemon.jobs.lifecycle import OPEN, JobState

if TYPE_CHECKING:  # whoever only sends a command need not import what carries it out
    from aura_daemon.daemon.receiver import Receiver
    from aura_daemon.dispatch.dispatcher import Dispatcher
    from aura_daemon.health.recorder import HealthRecorder
    from aura_daemon.intake.claims import Claims
    from aura_daemon.journal.journal import Journal
    from aura_daemon.journal.records import Job, Source
    from aura_daemon.outbox.source_disposal import SourceDisposal


class CommandVerb(StrEnum):
    """What can be asked for."""

    CANCEL = "cancel"
    RETRY = "retry"


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """Something to be done with jobs."""

    verb: CommandVerb
    name: str
    """The id of a job or of a file, as they stand in the log."""
    path: str = ""
    """Below the inbox, where `name` may mean a file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandAnswer:
    """What came of a command."""

    done: bool
    """Whether everything could be done that was asked for."""
    lines: tuple[str, ...]
    """A line a job."""


class CommandHandler:
    """Carries out commands for the jobs of one inbox."""

    def __init__(
        self,
        *,
        journal: Journal,
        claims: Claims,
        disposal: SourceDisposal,
        dispatcher: Dispatcher,
        receiver: Receiver,
        health: HealthRecorder,
    ) -> None:
        self._journal = journal
        self._claims = claims
        self._disposal = disposal
        self._dispatcher = dispatcher
        self._receiver = receiver
        self._health = health

    def carry_out(self, command: Command) -> CommandAnswer:
        """Does it as far as it can be done; raises OSError where a disk refuses."""
        logger.info("asked to {} {}", command.verb, file_names.escaped(command.name))
        source, jobs = self._meant(command)
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
        self._health.change()
        return CommandAnswer(done=all(done for done, _ in outcomes), lines=tuple(line for _, line in outcomes))

    def _meant(self, command: Command) -> tuple[Source | None, list[Job]]:
        """The file that a command is about, and which of its jobs: one where a job was named, else all."""
        journal = self._journal
        job = journal.find_job(command.name)
        if job is not None and job.number is not None:
            return journal.source(job.source_id), [job]
        if journal.knows_source(command.name):
            return journal.source(command.name), journal.jobs_of(command.name)
        source = journal.latest_source(command.path) if command.path else None
        return source, journal.jobs_of(source.id) if source is not None else []

    def _cancel(self, source: Source, jobs: list[Job]) -> list[tuple[bool, str]]:
        wanted = [job for job in jobs if job.state in OPEN]
        if not wanted:
            return [(False, f"{file_names.escaped(source.path)}: nothing of it is left to cancel")]
        outcomes = [self._dispatcher.cancel(job, source) for job in wanted]
        self._receiver.dispose()
        return outcomes

    def _retry(self, source: Source, jobs: list[Job]) -> list[tuple[bool, str]]:
        self._receiver.dispose()  # what failed just now goes to `failed/` first
        failed: list[Job | None] = [job for job in jobs if job.state is JobState.FAILED]
        if source.failure is not None:
            failed = [None]
        if not failed:
            return [(False, f"{file_names.escaped(source.path)}: nothing of it has failed")]
        return [self._again(source, job) for job in failed]

    def _again(self, source: Source, job: Job | None) -> tuple[bool, str]:
        """Takes one failed file, or one document of it, back from `failed/`, as a new claim."""
        path, file, report = self._disposal.failed_file(source, job)
        if file is None:
            mend = "put the file into the inbox again"
            return False, f"{file_names.escaped(path)}: it is not in `{file_names.FAILED_FOLDER}/` any more; {mend}"
        again = self._claims.reclaim(file, path, source.kind)
        report.unlink(missing_ok=True)
        self._receiver.admit(again)
        return True, f"{file_names.escaped(path)}: queued again as {again.id}"
