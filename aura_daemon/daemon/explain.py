"""Why a file is where it is. In: a path, settings, health. Out: one line of text, never printed.

The answer comes from the journal, the inbox and the health document; neither a daemon nor a model is needed.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, assert_never

from aura_daemon.config.settings import Settings
from aura_daemon.daemon.status import since_text
from aura_daemon.errors import JournalRefused
from aura_daemon.file_names import escaped, is_out_of_bounds
from aura_daemon.health.document import Health, Status
from aura_daemon.health.holdups import JOURNAL, OUTBOX, WORKERS, memory_for
from aura_daemon.jobs.lifecycle import JobState, SourceState
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.hook_events import HOOK_OK
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.failed_files import failed_file
from aura_daemon.outbox.result_files import sidecar_path_of
from aura_daemon.outbox.source_policy import SourcePolicy, choose

MOST_TOLD: Final = 20
"""Jobs of a set of pictures that are told one by one."""

MOST_FAILED_TOLD: Final = 3
"""Failed jobs of a larger one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The answer of `why`."""

    text: str
    """The file and what is known of it, on one line, safe for a terminal."""
    is_known: bool
    """False where nothing is known of the file."""


def explain(path: Path, settings: Settings, health: Health | None) -> Explanation:
    """What the daemon thinks of a file. `health`: of the daemon that runs; None where none runs."""
    if (name := path_below(path, settings.inbox)) is None:
        return _unknown(str(path), f"not in the inbox, {escaped(str(settings.inbox))}")
    try:
        journal = Journal(settings.state_folder() / FILE_NAME, read_only=True)
    except JournalRefused as error:
        nothing_yet = "nothing has run here yet; run the daemon, or `aura-daemon check`"
        return _unknown(name, nothing_yet if error.is_missing else str(error.strerror))
    with closing(journal):
        answer = _Explainer(settings, journal, health).answer(name)
    if answer is None:
        return _unknown(name, "never seen, and not in the inbox now")
    return Explanation(text=f"{escaped(name)}: {answer}", is_known=True)


def path_below(path: Path, inbox: Path) -> str | None:
    """A path below the inbox, given from the current folder or from the inbox; None where the file lies elsewhere."""
    root = Path(os.path.realpath(inbox))
    for place in (Path.cwd() / path, inbox / path):
        full = Path(os.path.realpath(place.parent)) / place.name
        if full.is_relative_to(root) and full != root:
            return full.relative_to(root).as_posix()
    return None


def _unknown(name: str, text: str) -> Explanation:
    return Explanation(text=f"{escaped(name)}: {text}", is_known=False)


class _Explainer:
    def __init__(self, settings: Settings, journal: Journal, health: Health | None) -> None:
        self._settings = settings
        self._journal = journal
        self._health = health

    def answer(self, name: str) -> str | None:
        """None for a file that was never seen."""
        source = self._journal.latest_source(name)
        try:
            (self._settings.inbox / name).lstat()
        except PermissionError:
            pass  # a folder on the way denies the look, which is the answer
        except OSError:
            return self._claimed(source, self._health) if source is not None else None
        return self._file_in_inbox(name, source)

    def _file_in_inbox(self, name: str, source: Source | None) -> str:
        settings = self._settings
        keeps = choose(settings.sources, settings.inbox).disposition is SourcePolicy.KEEP
        if is_out_of_bounds(name):
            return (
                "left alone: hidden, or in `failed/` or `aura-gallery/`, where nothing is looked for;"
                " rename or move it to have it taken"
            )
        if (obstacle := _obstacle(name, settings, self._journal, keeps=keeps)) is None:
            return f"complete: {self._turn()}"
        if source is not None and obstacle.startswith("left alone: done already"):
            return self._claimed(source, None)
        return obstacle

    def _turn(self) -> str:
        if self._health is None:
            return "it is taken when the daemon runs"
        if self._health.status is Status.PAUSED:
            return f"it is taken when the daemon is no longer paused: {self._health.last_error}"
        reason = _holdup(self._health, JOURNAL)
        return f"it is taken when that is mended: {reason}" if reason else "it is taken now"

    def _claimed(self, source: Source, health: Health | None) -> str:
        if source.failure is not None:
            return f"failed: {source.failure.message}{self._see_report(source, None)}{self._hook(source.id)}"
        if not (jobs := self._journal.jobs_of(source.id)):
            is_open = source.state is SourceState.CLAIMED
            if is_open:
                return "claimed, not read yet"
            namers = self._journal.namers(source.path, source.size_bytes, source.modified_ns)
            if source.kind is SourceKind.IMAGE and namers:
                return f"put away with {escaped(namers[-1].path)}, to which it belongs"
            if self._journal.succeeded(source) or not self._journal.named_by(source.id):
                return "delivered before with the same content: not run again"
            return "every picture that it names has its text: nothing to run (`existing: skip`)"
        if len(jobs) == 1:
            return f"{self._job(source, jobs[0], health)} [{jobs[0].id}]"
        if jobs[-1].kind == JobKind.DATASET and len(jobs) > MOST_TOLD:
            return self._set(source, jobs, health)
        alike = groupby(jobs, key=lambda job: self._job(source, job, health))
        return "; ".join(_numbered(text, list(group)) for text, group in alike)

    def _set(self, source: Source, jobs: list[Job], health: Health | None) -> str:
        """How far a large set of pictures is: numbers, the first that failed, and the job that puts them together."""
        of_pictures = [job for job in jobs if job.kind != JobKind.DATASET]
        states = Counter(job.state for job in of_pictures)
        counts = ", ".join(f"{states[state]:,} {state}" for state in JobState if states[state])
        failed = [job for job in of_pictures if job.state is JobState.FAILED][:MOST_FAILED_TOLD]
        parts = [f"{len(of_pictures):,} pictures: {counts}"]
        parts += [f"{job.number}: {self._job(source, job, health)} [{job.id}]" for job in failed]
        parts += [f"the set: {self._job(source, job, health)} [{job.id}]" for job in jobs[len(of_pictures) :]]
        return "; ".join(parts)

    def _see_report(self, source: Source, job: Job | None) -> str:
        """Where the report of a failure lies; empty where it is not written yet, or gone."""
        report = failed_file(self._settings.outbox, source, job).report
        return f" (see {escaped(str(report))})" if report.exists() else ""

    def _hook(self, subject: str) -> str:
        """What became of the hook of a job or a refused file, unless it went well."""
        told = (
            f"; its hook on_{kind}: {outcome or 'it has not ended yet'}"
            for kind, outcome in self._journal.hook_events.outcomes_of(subject)
            if outcome != HOOK_OK
        )
        return "".join(told)

    def _job(self, source: Source, job: Job, health: Health | None) -> str:
        match job.state:
            case JobState.QUEUED:
                reason = _holdup(health, job.needs, memory_for(job.demand), OUTBOX, JOURNAL, WORKERS)
                return f"queued, held up: {reason}" if reason else f"queued, attempt {job.attempts + 1} to come"
            case JobState.RUNNING:
                return f"running{_running(health, job.id)} (attempt {job.attempts})"
            case JobState.DELIVERING:
                return f"being delivered as {escaped(str(self._settings.outbox / job.folder / job.stem))}"
            case JobState.DONE:
                sidecar = escaped(str(sidecar_path_of(job, self._settings.outbox)))
                return f"done, see {sidecar}{self._hook(job.id)}"
            case JobState.FAILED:
                message = job.failure.message if job.failure else "unknown"
                return f"failed: {message}{self._see_report(source, job)}{self._hook(job.id)}"
            case _:  # pragma: no cover
                assert_never(job.state)


def _running(health: Health | None, job_id: str) -> str:
    """Where a job runs, and how far it is, as far as that is known."""
    if health is None:
        return ""
    worker, current = health.worker_of(job_id), health.current_of(job_id)
    node = f" on {worker.node}" if worker is not None and worker.node else ""
    if current is None or current.id != job_id:
        return node
    rung = f" on rung {current.rung}" if current.rung else ""
    return f"{node}{rung}: {current.progress}"


def _numbered(text: str, jobs: list[Job]) -> str:
    """What is to be said of one job of several, or of some in a row of which the same is to be said."""
    first, last = jobs[0], jobs[-1]
    if first is last:
        return f"{first.number}: {text} [{first.id}]"
    return f"{first.number} to {last.number}: {text} [{first.id} to {last.id}]"


def _holdup(health: Health | None, *names: str) -> str:
    """Why one of these waits, and since when; empty where none does."""
    holdups = health.holdups if health is not None else ()
    return next((f"{holdup.reason}{since_text(holdup)}" for holdup in holdups if holdup.what in names), "")


def _obstacle(name: str, settings: Settings, journal: Journal, *, keeps: bool) -> str | None:
    """Why a file in the inbox is not taken; None where nothing speaks against it. `keeps`: sources stay there."""
    # Imported here, as what judges files is slow to import, and most questions are about files that were taken.
    from aura_daemon.intake.judging import assemble_judging
    from aura_daemon.system.clock import SteadyClock
    from aura_daemon.system.permissions import why_denied
    from aura_daemon.system.watching.open_writers import Writer, writer_of
    from aura_daemon.watch.decisions import Leave, Wait
    from aura_daemon.watch.file_stamp import FileStamp

    triage, file = assemble_judging(settings, journal, now=SteadyClock().now, keeps=keeps).triage, settings.inbox / name
    if (left_alone := triage.by_name(name)) is not None:
        return f"left alone: {left_alone}"
    try:
        status = file.lstat()
        unchanged_s = max(0.0, time.time() - max(status.st_ctime, status.st_mtime))
        writer = writer_of(file)
        decision = triage.judge(name, FileStamp.of(status), unchanged_s=unchanged_s)
    except OSError as error:
        return f"not taken yet: it cannot be read: {why_denied(error, file)}"
    if isinstance(decision, Leave):
        return f"left alone: {decision}"
    if writer is Writer.SOMEBODY:
        return "not taken yet: a writer has it open"
    if isinstance(decision, Wait):
        return f"not taken yet: {decision.reason}"
    if writer is Writer.UNKNOWN and unchanged_s < settings.settle:
        return f"not taken yet: it changed {unchanged_s:.1f} s ago, and may still grow"
    return None
