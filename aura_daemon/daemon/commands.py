"""What people ask of their jobs: cancel one, try a failed one again. In: an order. Out: what came of it, in words.

Both are carried out through the journal, by whoever holds its lock: the running daemon, or the command itself.
"""

from __future__ import annotations

from typing import assert_never

from loguru import logger

from aura_daemon import file_names
from aura_daemon.daemon.control_socket import Command, CommandAnswer, CommandVerb
from aura_daemon.daemon.receiver import Receiver
from aura_daemon.daemon.rooms import Rooms
from aura_daemon.dispatch.dispatcher import Dispatcher
from aura_daemon.jobs.lifecycle import OPEN, JobState
from aura_daemon.journal.records import Job, Source


class CommandHandler:
    """For the jobs of one inbox."""

    def __init__(self, rooms: Rooms, dispatching: Dispatcher, receiving: Receiver) -> None:
        self._rooms = rooms
        self._dispatching = dispatching
        self._receiving = receiving

    def carry_out(self, order: Command) -> CommandAnswer:
        """Does it as far as it can be done; raises OSError where a disk refuses."""
        logger.info("asked to {} {}", order.verb, file_names.escaped(order.name))
        source, jobs = self._meant(order)
        if source is None:
            message = f"{file_names.escaped(order.name)}: no job and no file of this name was ever claimed here"
            return CommandAnswer(done=False, said=(message,))
        match order.verb:
            case CommandVerb.CANCEL:
                said = self._cancel(source, jobs)
            case CommandVerb.RETRY:
                said = self._retry(source, jobs)
            case _:  # pragma: no cover
                assert_never(order.verb)
        self._rooms.heartbeat.change()
        return CommandAnswer(done=all(done for done, _ in said), said=tuple(line for _, line in said))

    def _meant(self, order: Command) -> tuple[Source | None, list[Job]]:
        """The file an order is about, and which of its jobs: one where a job was named, else all."""
        journal = self._rooms.journal
        job = journal.find_job(order.name)
        if job is not None and job.number is not None:
            return journal.source(job.source_id), [job]
        if journal.knows_source(order.name):
            return journal.source(order.name), journal.jobs_of(order.name)
        source = journal.latest_source(order.path) if order.path else None
        return source, journal.jobs_of(source.id) if source is not None else []

    def _cancel(self, source: Source, jobs: list[Job]) -> list[tuple[bool, str]]:
        wanted = [job for job in jobs if job.state in OPEN]
        if not wanted:
            return [(False, f"{file_names.escaped(source.path)}: nothing of it is left to cancel")]
        said = [self._dispatching.cancel(job, source) for job in wanted]
        self._receiving.dispose()
        return said

    def _retry(self, source: Source, jobs: list[Job]) -> list[tuple[bool, str]]:
        self._receiving.dispose()  # what failed just now goes to `failed/` first
        failed: list[Job | None] = [job for job in jobs if job.state is JobState.FAILED]
        if source.failure is not None:
            failed = [None]
        if not failed:
            return [(False, f"{file_names.escaped(source.path)}: nothing of it has failed")]
        return [self._again(source, job) for job in failed]

    def _again(self, source: Source, job: Job | None) -> tuple[bool, str]:
        """Takes one failed file, or one document of it, back from `failed/`, as a new claim."""
        path, file, report = self._rooms.disposal.failed_file(source, job)
        if file is None:
            mend = "put the file into the inbox again"
            return False, f"{file_names.escaped(path)}: it is not in `{file_names.FAILED_FOLDER}/` any more; {mend}"
        again = self._rooms.claims.reclaim(file, path, source.kind)
        report.unlink(missing_ok=True)
        self._receiving.admit(again)
        return True, f"{file_names.escaped(path)}: queued again as {again.id}"
