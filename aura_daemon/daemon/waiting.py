"""How far a file of the inbox is, and what came of it. In: its path, settings. Out: an outlook, never printed.

The answer comes from the journal, the inbox and the health document, as that of `why`; whoever waits looks again and
again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from aura_daemon.config.settings import Settings
from aura_daemon.daemon.explain import explain
from aura_daemon.daemon.status import running_health
from aura_daemon.errors import JournalRefused, with_mend
from aura_daemon.file_names import escaped
from aura_daemon.health.document import CurrentJob, Health, Holdup, Status
from aura_daemon.health.holdups import JOURNAL, OUTBOX, WORKERS, memory_for
from aura_daemon.jobs.lifecycle import OPEN, JobState, SourceState
from aura_daemon.jobs.results import Failure
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.failed_files import failed_file
from aura_daemon.outbox.result_files import output_of, sidecar_path_of

LOOK_INTERVAL_S: Final = 0.25
"""How often `outlooks` looks: the health document is written at most twice a second."""

PATIENCE_S: Final = 10.0
"""For so long nothing may be done about a file before its wait counts as stuck: daemons restart, memory is freed."""

START_IT: Final = "no daemon runs: start `aura-daemon run`, or `aura-daemon once`"


class Stage(StrEnum):
    """Where a file is on its way."""

    ARRIVING = "arriving"
    """It lies in the inbox."""
    QUEUED = "queued"
    HELD_UP = "held_up"
    """Its jobs wait for a model, for memory, or for something that is to be mended."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Some of its jobs failed, or it was refused."""
    GONE = "gone"
    """Nothing is known of it: somebody took it out of the inbox."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedPart:
    """A job that failed, or a file that was refused."""

    id: str
    failure: Failure
    report: Path
    """Where its report lies, or will lie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """How far a file is."""

    stage: Stage
    text: str
    """The same in words, on one line."""
    jobs: int = 0
    """How many jobs it asks for; 0 where it has not been read."""
    ended: int = 0
    before: int | None = None
    """Queued jobs that run before its next one; None where none of its jobs is the next to run."""
    current: CurrentJob | None = None
    """Its running job."""
    outputs: tuple[Path, ...] = ()
    """Its results so far."""
    sidecars: tuple[Path, ...] = ()
    """Those of its results."""
    failures: tuple[FailedPart, ...] = ()
    is_daemon_running: bool = True
    is_stuck: bool = False
    """Nothing has been done about it for `PATIENCE_S`, as no daemon runs or something is held up; `text` says what."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of the file."""
        return self.stage in (Stage.DONE, Stage.FAILED, Stage.GONE)


def outlook(path: str, settings: Settings, health: Health | None) -> Outlook:
    """How far a file is now. `path`: below the inbox, as `submission` returns it.

    `health`: of the daemon that runs; None where none runs.
    """
    try:
        journal = Journal(settings.state_folder() / FILE_NAME, read_only=True)
    except JournalRefused as error:
        if error.is_missing:
            return _unclaimed(path, settings, health)
        return Outlook(stage=Stage.ARRIVING, text=str(error.strerror), is_daemon_running=False)
    with closing(journal):
        if (source := journal.latest_source(path)) is None:
            return _unclaimed(path, settings, health)
        if source.failure is not None:
            report = failed_file(settings.outbox, source, None).report
            part = FailedPart(id=source.id, failure=source.failure, report=report)
            return Outlook(stage=Stage.FAILED, text=source.failure.told, failures=(part,))
        return _claimed(source, journal, settings, health)


def outlooks(
    paths: Sequence[str],
    settings: Settings,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Outlook]]:
    """The outlooks of some files, again and again, until all are over or stuck."""
    waits = {path: Patience(monotonic) for path in paths}
    while True:
        health = running_health(settings.state_folder())
        found = {path: wait.judge(outlook(path, settings, health)) for path, wait in waits.items()}
        yield found
        if all(one.is_over or one.is_stuck for one in found.values()):
            return
        sleep(LOOK_INTERVAL_S)


class Patience:
    """Tells of the outlooks of one file, seen one after the other, which are final."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since_s: float | None = None

    def judge(self, seen: Outlook) -> Outlook:
        """The outlook; it is stuck or gone only where that has been so for `PATIENCE_S`."""
        is_idle = seen.stage in (Stage.HELD_UP, Stage.GONE) or not (seen.is_daemon_running or seen.is_over)
        if not is_idle:
            self._since_s = None
            return seen
        now_s = self._monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        is_final = now_s - self._since_s >= PATIENCE_S
        if seen.stage is not Stage.GONE:
            return replace(seen, is_stuck=is_final)
        # Between the claim, a rename, and its record in the journal a file is nowhere.
        return seen if is_final else replace(seen, stage=Stage.ARRIVING, text="being taken")


def _unclaimed(path: str, settings: Settings, health: Health | None) -> Outlook:
    """The outlook of a file that the journal does not know."""
    if not os.path.lexists(settings.inbox / path):
        return Outlook(stage=Stage.GONE, text="somebody took it out of the inbox", is_daemon_running=health is not None)
    if health is None:
        return Outlook(stage=Stage.ARRIVING, text=START_IT, is_daemon_running=False)
    answer = explain(settings.inbox / path, settings, health).text.removeprefix(f"{escaped(path)}: ")
    is_held = health.status is Status.PAUSED or answer.startswith("left alone") or _holdup(health, JOURNAL) is not None
    return Outlook(stage=Stage.HELD_UP if is_held else Stage.ARRIVING, text=answer)


def _claimed(source: Source, journal: Journal, settings: Settings, health: Health | None) -> Outlook:
    jobs = journal.jobs_of(source.id)
    done = [job for job in jobs if job.state is JobState.DONE]
    failures = tuple(
        FailedPart(id=job.id, failure=job.failure, report=failed_file(settings.outbox, source, job).report)
        for job in jobs
        if job.failure is not None
    )
    seen = Outlook(
        stage=Stage.QUEUED,
        text="claimed, not read yet",
        jobs=len(jobs),
        ended=sum(job.state not in OPEN for job in jobs),
        outputs=tuple(output_of(job, settings.outbox, settings.inbox) for job in done),
        sidecars=tuple(sidecar_path_of(job, settings.outbox) for job in done),
        failures=failures,
        is_daemon_running=health is not None,
    )
    if source.state is SourceState.CLAIMED:
        return seen
    open_jobs = [job for job in jobs if job.state in OPEN]
    if not open_jobs:
        stage, text = (Stage.FAILED, failures[0].failure.told) if failures else (Stage.DONE, "done")
        return replace(seen, stage=stage, text=text)
    if health is None:
        return replace(seen, text=f"queued; {START_IT}")
    if (running := next((job for job in open_jobs if job.state is not JobState.QUEUED), None)) is not None:
        return _running(seen, running, health)
    first = max(open_jobs, key=lambda job: job.priority)
    holdup = _holdup(health, first.needs, memory_for(first.demand), OUTBOX, JOURNAL, WORKERS)
    if holdup is not None:
        return replace(seen, stage=Stage.HELD_UP, text=with_mend(holdup.reason, holdup.mend))
    before = journal.queued_before(first)
    return replace(seen, before=before, text=f"queued, {before} before it" if before else "queued, next to run")


def _running(seen: Outlook, job: Job, health: Health) -> Outlook:
    current = health.current_of(job.id)
    if current is None:
        return replace(seen, stage=Stage.RUNNING, text="running")
    eta = f", {current.eta_s:.0f} s to go" if current.eta_s is not None else ""
    return replace(seen, stage=Stage.RUNNING, current=current, text=current.progress + eta)


def _holdup(health: Health, *names: str) -> Holdup | None:
    return next((holdup for holdup in health.holdups if holdup.what in names), None)
