"""Backs up the journal while the daemon runs, and puts a backup in its place. In: files. Out: what was done, in words.

The journal is all that cannot be made anew: what lies beside it in the state folder belongs to jobs that are under way.
A restore decides about those: a file that still lies in a work folder runs; one that has left it has ended since.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aura_daemon.config.settings import Settings
from aura_daemon.errors import BrokenState, JournalRefused, Problem, UserError
from aura_daemon.intake.claims import Claims
from aura_daemon.jobs.lifecycle import OPEN, JobState, SourceState
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.journal.database import Database
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.journal.migrations import VERSION
from aura_daemon.journal.queries import size_of
from aura_daemon.system import durable_files, private_state
from aura_daemon.system.files import regular_files, syncing
from aura_daemon.system.instance_lock import InstanceLock
from aura_daemon.system.mount_guard import MountGuard

KEPT_AS: Final = "before-restore"
"""Behind the name of the journal that a restore sets aside."""

ENDED_SINCE: Final = Failure(
    kind=FailureKind.INTERRUPTED,
    message="it was under way when the backup was made, and its file has left the work folder since",
    mend="Look for its result in the outbox; where there is none, put the file into the inbox again.",
)

MAY_HAVE_RUN: Final = "it may have run since the backup was made, and is not run again"


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """What a restore did."""

    files: int
    jobs: int
    resumed: int
    """Files under way that run again."""
    ended: int
    """Files under way that have ended since."""
    kept_as: Path | None
    """Where the former journal is; None where there was none."""


def back_up(settings: Settings, target: Path) -> tuple[int, int]:
    """Writes the journal to one file, which replaces an earlier backup; returns how many files and jobs it knows.

    Raises UserError where there is nothing to back up, or something else stands in the file's place.
    """
    journal = settings.state_folder() / FILE_NAME
    if target.parent.resolve() == journal.parent.resolve() and target.name.startswith(FILE_NAME):
        raise _problem(target, "is the journal itself: name a file outside the state folder")
    if not target.parent.is_dir():
        raise _problem(target, f"{target.parent} is no folder")
    if os.path.lexists(target) and not _is_journal(target):
        raise _problem(target, "exists and is no backup: name another file")
    if not regular_files.exists(journal):
        raise _problem(journal, "is not there: nothing has run here yet")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        database = Database(journal, read_only=True)
    except JournalRefused as error:
        raise _problem(journal, str(error.strerror)) from None
    try:
        with closing(database), _private(part):
            database.copy_into(part)
            counted = size_of(database)
            part.replace(target)
            syncing.sync_folder(target.parent)
    except OSError as error:
        raise _problem(target, f"cannot be written: {error.strerror or error}") from None
    return counted


def restore(settings: Settings, backup: Path) -> Restored:
    """Puts a backup in the place of the journal, and keeps that beside it; raises UserError while a daemon runs."""
    inbox, state = settings.inbox, settings.state_folder()
    private_state.make(state)
    lock = InstanceLock(inbox, state)
    lock.acquire(inbox_is_there=not MountGuard(inbox, state).absence())
    try:
        part = state / f"{FILE_NAME}.restoring"
        with _private(part):
            _copy_checked(backup, part)
            with closing(Journal(part)) as journal:
                resumed, ended = _settle(journal, Claims(inbox, state, journal, keeps=False, now=lambda: 0.0))
                files, jobs = journal.size()
            kept_as = _set_aside(state / FILE_NAME)
            part.replace(state / FILE_NAME)
            syncing.sync_folder(state)
    except OSError as error:
        raise _problem(state, f"cannot be written: {error.strerror or error}; the journal is as it was") from None
    finally:
        lock.release()
    return Restored(files=files, jobs=jobs, resumed=resumed, ended=ended, kept_as=kept_as)


def _copy_checked(backup: Path, part: Path) -> None:
    """Copies a backup; raises UserError for what is none, is damaged, or is of a later version."""
    if not backup.is_file():
        raise _problem(backup, "is no file")
    if not _is_journal(backup):
        raise _problem(backup, "is no backup of a journal")
    try:
        with closing(Database(backup, read_only=True)) as database:
            row = database.row("PRAGMA user_version")
            version = row[0] if row is not None else 0
            if version > VERSION:
                message = f"is of version {version}, this program knows {VERSION}: update it, then restore"
                raise _problem(backup, message)
            database.copy_into(part)
    except BrokenState:
        raise _problem(backup, "is damaged: take an earlier backup; the journal is as it was") from None
    except JournalRefused as error:
        raise _problem(backup, f"cannot be read: {error.strerror}") from None


def _settle(journal: Journal, claims: Claims) -> tuple[int, int]:
    """Decides about what was under way: how many files run again, and how many have ended since."""
    resumed = ended = 0
    for source in journal.unfinished_sources():
        if regular_files.exists(claims.file_of(source)):
            resumed += 1
            continue
        ended += 1
        if source.state is SourceState.CLAIMED:
            journal.admit(replace(source, failure=ENDED_SINCE), ())
        for job in journal.jobs_of(source.id):
            if job.state in OPEN:
                waiting = journal.give_back(job, count_attempt=False) if job.state is JobState.DELIVERING else job
                journal.fail(waiting, ENDED_SINCE, now=source.claimed_at)
        journal.close_source(source.id)
    events = journal.hook_events
    for event in (*events.started(), *events.due(1_000_000)):
        events.end(event, MAY_HAVE_RUN, now=event.recorded_at)
    events.forget_idle()
    return resumed, ended


def _set_aside(journal: Path) -> Path | None:
    """Gives the former journal a second name; the first stays until another file takes its place."""
    if not regular_files.exists(journal):
        return None
    with suppress(BrokenState, JournalRefused):  # a damaged one is kept as it is
        Database(journal, read_only=False).close()  # writes its log back into the file
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    kept = next(
        place
        for number in range(1, 10_000)
        if not os.path.lexists(place := journal.with_name(f"{journal.name}.{KEPT_AS}-{stamp}-{number}"))
    )
    for end in ("-wal", "-shm"):  # a log that is left must not be taken for the new journal's
        beside = journal.with_name(journal.name + end)
        if os.path.lexists(beside):
            beside.rename(kept.with_name(kept.name + end))
    try:
        os.link(journal, kept)
    except OSError:  # a file system without hard links
        durable_files.copy(journal, kept, temp_folder=journal.parent / "tmp", is_private=True)
    syncing.sync_folder(journal.parent)
    return kept


@contextmanager
def _private(part: Path) -> Iterator[None]:
    """An empty file for its owner alone, removed with what SQLite puts beside it unless it was renamed."""
    beside = [part.with_name(part.name + end) for end in ("", "-wal", "-shm", "-journal")]
    for place in beside:
        place.unlink(missing_ok=True)
    part.touch(mode=private_state.FILE_MODE, exist_ok=False)
    try:
        yield
    finally:
        for place in beside:
            place.unlink(missing_ok=True)


def _is_journal(file: Path) -> bool:
    try:
        with closing(Database(file, read_only=True)) as database:
            return database.row("SELECT 1 FROM sqlite_master WHERE name = 'sources'") is not None
    except (BrokenState, OSError):
        return False


def _problem(file: Path, message: str) -> UserError:
    return UserError([Problem(file=str(file), message=message)])
