"""What the index shows beside the results: status, hold-ups, queue. In: journal, health document. Out: its content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aura_daemon.file_names import escaped
from aura_daemon.formats.readable import shortened
from aura_daemon.gallery.entries import clean
from aura_daemon.gallery.rendering import IndexContent, QueueRow, WorkerRow
from aura_daemon.health.document import Health, Holdup, Status, WorkerRecord
from aura_daemon.health.worker_table import device_text, is_fleet, job_text
from aura_daemon.jobs.lifecycle import OPEN
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, JobKind, UpscaleRequest
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job

MOST_QUEUED: Final = 6
MOST_HOLDUPS: Final = 8
LONGEST_TEXT: Final = 160
LONGEST_REASON: Final = 400

_WORDS: Final = {
    JobKind.GENERATE: "picture",
    JobKind.CAPTION: "caption",
    JobKind.GRID: "sheet",
    JobKind.BENCHMARK: "benchmark",
    JobKind.DATASET: "set of captions",
    JobKind.UPSCALE: "enlarged picture",
}


def overview(
    journal: Journal, health: Health | None, *, now: str, total: int, is_for_few: Callable[[Job], bool]
) -> IndexContent:
    """The content of the index but for the results; of jobs that are not for everybody only how many there are.

    `now`: UTC, ISO 8601.
    """
    current = health.current if health is not None and health.status is not Status.STOPPED else None
    running = journal.find_job(current.id) if current is not None else None
    if running is not None and is_for_few(running):
        running = None
    counts = journal.counts()
    return IndexContent(
        now=now,
        status=health.status if health is not None else "",
        holdups=[_told(holdup) for holdup in health.holdups[:MOST_HOLDUPS]] if health is not None else (),
        current=_row(journal, running) if running is not None and running.state in OPEN else None,
        workers=[_worker(one) for one in health.workers] if health is not None and _tells_of_workers(health) else (),
        queue=[_row(journal, job) for job in journal.next_queued(MOST_QUEUED) if not is_for_few(job)],
        depth=sum(counts[state] for state in OPEN),
        total=total,
    )


def is_other(before: Health | None, after: Health) -> bool:
    """Whether the index has something else to tell; the steps of a job are not worth another copy to sync."""
    return before is None or _key(before) != _key(after)


def _key(health: Health) -> tuple[object, ...]:
    current = health.current.id if health.current is not None else ""
    workers = [_worker(worker) for worker in health.workers] if _tells_of_workers(health) else []
    holdups = [(holdup.what, holdup.reason) for holdup in health.holdups]
    return health.status, current, health.queue_depth, holdups, workers


def _tells_of_workers(health: Health) -> bool:
    """Whether there is more to tell than the job that runs."""
    return is_fleet(health) and health.status is not Status.STOPPED


def _worker(worker: WorkerRecord) -> WorkerRow:
    place = (worker.node, device_text(worker), worker.rung or "", ", ".join(worker.models), worker.trouble)
    text = _cut(" · ".join(filter(None, place)), LONGEST_REASON)
    return WorkerRow(name=_cut(worker.name), what=_cut(job_text(worker)), place=text, jobs=len(worker.jobs))


def _row(journal: Journal, job: Job) -> QueueRow:
    source = escaped(journal.source(job.source_id).path)
    match job.request:
        case GenerateRequest(prompt=prompt):
            what = prompt
        case CaptionRequest(image=image) | UpscaleRequest(image=image):
            what = image or source
        case _:
            what = source
    return QueueRow(kind=_WORDS[JobKind(job.kind)], what=_cut(what), source=_cut(source))


def _told(holdup: Holdup) -> Holdup:
    what, reason, mend = (_cut(text, LONGEST_REASON) for text in (holdup.what, holdup.reason, holdup.mend))
    return holdup.model_copy(update={"what": what, "reason": reason, "mend": mend})


def _cut(text: str, most: int = LONGEST_TEXT) -> str:
    return shortened(clean(text), most)
