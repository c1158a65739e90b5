"""Where failed files lie below `outbox/failed/`, and their reports. In: a source, one of its jobs. Out: paths.

A report that names the source or the job is its own, whatever number its name has: several files of one name may fail.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from aura_daemon import file_names
from aura_daemon.file_names import free_names
from aura_daemon.formats import file_types
from aura_daemon.jobs.results import FailureKind
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.records import Job, Source
from aura_daemon.system.files import regular_files

MOST_NAMESAKES: Final = 200
"""Failed files of one name that are searched for the report about a job."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedFile:
    """What lies in `failed/` for a source or one of its jobs."""

    path: str
    """Its path, as below the inbox."""
    file: Path | None
    """None where it is gone."""
    report: Path
    holds_others: bool
    """Other jobs lie in it too, which were cancelled together."""


def failed_file(outbox: Path, source: Source, job: Job | None) -> FailedFile:
    """Where a source that was refused, or one of its jobs that failed, lies."""
    for path, reported_id in _failed_as(source, job):
        holds_others = job is not None and reported_id != job.id
        as_it_was = unobstructed(outbox / file_names.FAILED_FOLDER, path)  # before names had to be fit for Windows
        places = dict.fromkeys((failed_place(outbox, path), as_it_was))
        for target in (target for place in places for target in islice(free_names(place), MOST_NAMESAKES)):
            report = report_beside(target)
            if is_report_of(report, reported_id):
                file = target if os.path.lexists(target) else None
                return FailedFile(path=path, file=file, report=report, holds_others=holds_others)
    path, _ = _failed_as(source, job)[0]
    return FailedFile(path=path, file=None, report=report_beside(failed_place(outbox, path)), holds_others=False)


def failed_place(outbox: Path, path: str) -> Path:
    """Where a failed file goes, under a name that Windows can hold too, short enough for the report's `.json`."""
    return unobstructed(outbox / file_names.FAILED_FOLDER, file_names.failed_path(path))


def is_cancelled(job: Job) -> bool:
    """Whether a job ended because the user cancelled it."""
    return job.failure is not None and job.failure.kind is FailureKind.CANCELLED


def _failed_as(source: Source, job: Job | None) -> list[tuple[str, str]]:
    """Under which paths something that failed may lie in `failed/`, each with the id in its report."""
    if job is None or job.number is None:
        return [(source.path, job.id if job is not None else source.id)]
    alone = (document_path(source, job), job.id)
    return [(source.path, source.id), (cancelled_path(source), source.id), alone] if is_cancelled(job) else [alone]


def document_path(source: Source, job: Job) -> str:
    """The path of one document of several as a file of its own."""
    path = PurePosixPath(source.path)
    return str(path.with_name(file_names.output_stem(path.stem, job.number) + _suffix_of_documents(source)))


def cancelled_path(source: Source) -> str:
    """The path of a file with some documents of a source, those that were cancelled together."""
    path = PurePosixPath(source.path)
    return str(path.with_name(file_names.output_stem(path.stem, "cancelled") + _suffix_of_documents(source)))


def _suffix_of_documents(source: Source) -> str:
    # See ParsedJob.
    is_list = source.kind in (SourceKind.PROMPT_TEXT, SourceKind.PROMPT_TABLE, SourceKind.IMAGE)
    return file_types.JOB_FILE_EXTENSIONS[0] if is_list else PurePosixPath(source.path).suffix


def report_beside(file: Path) -> Path:
    return file.with_name(file.name + ".json")


def unobstructed(root: Path, path: str) -> Path:
    """A path below a folder of ours; directly below it if a file or an outward link blocks the path's folders."""
    if "/" not in path:
        return root / path
    folders = [root / folder for folder in PurePosixPath(path).parents]
    blocked = any(os.path.lexists(folder) and not folder.is_dir() for folder in folders)
    astray = regular_files.leads_astray((root / path).parent, below=root)
    return root / PurePosixPath(path).name if blocked or astray else root / path


def is_report_of(report: Path, job_id: str) -> bool:
    try:
        fields = json.loads(regular_files.read(report, most_bytes=1 << 22).content)
    except (OSError, ValueError):
        return False
    return isinstance(fields, dict) and fields.get("job_id") == job_id


def is_stale(report: Path, file: Path) -> bool:
    """Whether a report of ours is about a file that is no longer there, because someone moved it back."""
    if os.path.lexists(file):
        return False
    try:
        return b'"schema": "aura-daemon/failure/' in regular_files.read(report, most_bytes=256).content
    except OSError:
        return False
