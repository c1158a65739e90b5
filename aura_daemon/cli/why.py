"""`why`: what the daemon thinks of a file, in one line. From the journal, the inbox and the health document."""

from __future__ import annotations

import os
import time
from pathlib import Path

from aura_daemon import file_names
from aura_daemon.cli.status import since
from aura_daemon.config.loading import load
from aura_daemon.config.settings import Settings
from aura_daemon.errors import JournalRefused
from aura_daemon.health import heartbeat
from aura_daemon.health.document import MEMORY_FOR, Health, Status
from aura_daemon.intake.assembly import assemble_intake
from aura_daemon.intake.triage import Leave, Triage, Wait
from aura_daemon.jobs.lifecycle import JobState, SourceState
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.source_policy import SourcePolicy, choose
from aura_daemon.system.clock import SteadyClock
from aura_daemon.watch import completeness
from aura_daemon.watch.completeness import Writer
from aura_daemon.watch.file_stamp import FileStamp

UNKNOWN = 1


def why(path: Path, config: Path | None) -> int:
    """Prints one line; 1 where nothing is known of the file."""
    settings = load(config).settings
    state = settings.state_folder()
    document = heartbeat.read(state)
    running = document is not None and heartbeat.is_alive(document)
    name = below(path, settings.inbox)
    if name is None:
        print(f"{file_names.escaped(str(path))}: not in the inbox, {file_names.escaped(str(settings.inbox))}")
        return UNKNOWN
    try:
        journal = Journal(state / FILE_NAME, read_only=True)
    except JournalRefused:
        print(f"{file_names.escaped(name)}: nothing has run here yet; run the daemon, or `aura-daemon check`")
        return UNKNOWN
    try:
        source = journal.latest_source(name)
        if os.path.lexists(settings.inbox / name):
            answer: str | None = _waiting(name, settings, journal, source, document if running else None)
        else:
            answer = _claimed(source, journal, settings, document if running else None) if source else None
    finally:
        journal.close()
    print(f"{file_names.escaped(name)}: {answer or 'never seen, and not in the inbox now'}")
    return 0 if answer else UNKNOWN


def below(path: Path, inbox: Path) -> str | None:
    """The path below the inbox: as given from here, or from the inbox."""
    root = Path(os.path.realpath(inbox))
    for place in (Path.cwd() / path, inbox / path):
        full = Path(os.path.realpath(place.parent)) / place.name
        if full.is_relative_to(root) and full != root:
            return full.relative_to(root).as_posix()
    return None


def _waiting(name: str, settings: Settings, journal: Journal, source: Source | None, document: Health | None) -> str:
    """Of a file in the inbox."""
    disposition = choose(settings.sources, settings.inbox).disposition
    if file_names.is_out_of_bounds(name):
        return "left alone: hidden, or in `failed/`, where nothing is looked for"
    keeps = disposition is SourcePolicy.KEEP
    triage = assemble_intake(settings, journal, now=SteadyClock().now, keeps=keeps).triage
    answer = _judged(settings.inbox / name, name, triage, settings.settle)
    if answer is None:
        return f"complete: {_taken(document)}"
    if keeps and source is not None and answer.startswith("left alone: done already"):
        return _claimed(source, journal, settings, None)
    return answer


def _taken(document: Health | None) -> str:
    """When a complete file is taken."""
    if document is None:
        return "it is taken when the daemon runs"
    if document.status is Status.PAUSED:
        return f"it is taken when the daemon is no longer paused: {document.last_error}"
    held = _held_up(document, "journal")
    return f"it is taken when that is mended: {held}" if held else "it is taken now"


def _held_up(document: Health | None, *what: str) -> str:
    """Why one of these waits, and since when; empty where none does."""
    holdups = document.holdups if document is not None else ()
    return next((f"{holdup.reason}{since(holdup)}" for holdup in holdups if holdup.what in what), "")


def _judged(file: Path, name: str, judging: Triage, settle_s: float) -> str | None:
    """Why a file is not taken; None where nothing speaks against it."""
    left = judging.by_name(name)
    if left is not None:
        return f"left alone: {left.reason}"
    try:
        status = file.lstat()
        unchanged_s = max(0.0, time.time() - max(status.st_ctime, status.st_mtime))
        writer = completeness.writer_of(file)
        judgement = judging.judge(name, FileStamp.of(status), unchanged_s=unchanged_s)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if isinstance(judgement, Leave):
        return f"left alone: {judgement.reason}"
    if writer is Writer.SOMEBODY:
        return "not taken yet: a writer has it open"
    if isinstance(judgement, Wait):
        return f"not taken yet: {judgement.reason}"
    if writer is Writer.UNKNOWN and unchanged_s < settle_s:
        return f"not taken yet: it changed {unchanged_s:.1f} s ago, and may still grow"
    return None


def _claimed(source: Source, journal: Journal, settings: Settings, document: Health | None) -> str:
    """Of a file that has been ours."""
    jobs = journal.jobs_of(source.id)
    if source.failure is not None:
        place = settings.outbox / file_names.FAILED_FOLDER / source.path
        return f"failed: {source.failure.message} (see {file_names.escaped(str(place))}.json)"
    if not jobs:
        is_open = source.state is SourceState.CLAIMED
        return "claimed, not read yet" if is_open else "delivered before with the same content: not run again"
    if len(jobs) == 1:
        return f"{_job(jobs[0], settings, document)} [{jobs[0].id}]"
    return "; ".join(f"{job.number}: {_job(job, settings, document)} [{job.id}]" for job in jobs)


def _job(job: Job, settings: Settings, document: Health | None) -> str:
    place = file_names.escaped(str(settings.outbox / job.folder / job.stem))
    match job.state:
        case JobState.QUEUED:
            held = _held_up(document, job.needs, MEMORY_FOR.format(job.demand), "outbox", "journal")
            return f"queued, held up: {held}" if held else f"queued, attempt {job.attempts + 1} to come"
        case JobState.RUNNING:
            current = document.current if document is not None else None
            if current is None or current.id != job.id:
                return f"running (attempt {job.attempts})"
            rung = f" on rung {document.rung}" if document is not None and document.rung else ""
            where = f"loading {current.loading}" if current.loading else f"step {current.step} of {current.steps}"
            return f"running{rung}: {where} (attempt {job.attempts})"
        case JobState.DELIVERING:
            return f"being delivered as {place}"
        case JobState.DONE:
            return f"done, see {place}.json"
        case JobState.FAILED:
            return f"failed: {job.failure.message if job.failure else 'unknown'}"
