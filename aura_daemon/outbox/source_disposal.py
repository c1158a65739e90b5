"""Disposes of a source file whose jobs have ended: archives, deletes or keeps it, or moves it to `outbox/failed/`.

Every step can be repeated after a crash: a file that has left the work folder is done with, and a report that names our
source is our own.
"""

from __future__ import annotations

import hashlib
import json
import os
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.formats import file_types
from aura_daemon.intake.claims import Claims, free_names
from aura_daemon.intake.input_images import InputImages
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.results import Failure
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox import sidecar_writer
from aura_daemon.outbox.delivery import Delivery, source_record
from aura_daemon.outbox.source_policy import SourcePolicy
from aura_daemon.system import durable_files
from aura_daemon.system.clock import utc_now

MOST_NAMESAKES: Final = 200
"""Failed files of one name that are searched for the report about a job."""


class SourceDisposal:
    """Puts ended sources in their places and closes them in the journal. Raises OSError; can then be repeated."""

    def __init__(
        self, policy: SourcePolicy, claims: Claims, inputs: InputImages, delivery: Delivery, journal: Journal
    ) -> None:
        self.policy = policy
        self._claims = claims
        self._inputs = inputs
        self._delivery = delivery
        self._journal = journal
        archived = claims.done.rglob("*") if claims.done.is_dir() else ()
        self.archive_bytes = sum(file.lstat().st_size for file in archived if file.is_file())

    def dispose(self, source: Source) -> bool:
        """Disposes of a source; False, and nothing is done, if some of its jobs have not ended."""
        jobs = self._journal.jobs_of(source.id)
        if any(job.state not in (JobState.DONE, JobState.FAILED) for job in jobs):
            return False
        file = self._claims.file_of(source)
        failed = [job for job in jobs if job.state is JobState.FAILED]
        if self._claims.give_back(source):
            pass  # it was changed meanwhile, and its new content has not run yet
        elif source.failure is not None:
            self._fail_whole(file, source, None, source.failure)
        elif len(failed) == len(jobs) == 1 and failed[0].failure is not None:
            self._fail_whole(file, source, failed[0], failed[0].failure)
        else:
            for job in failed:
                self._fail_document(source, job)
            self._put_away(file, source)
        file.unlink(missing_ok=True)
        self._claims.forget(source.id, source.path)
        for job in jobs:
            self._inputs.forget(job)
        self._journal.close_source(source.id)
        return True

    def failed_file(self, source: Source, job: Job | None) -> tuple[str, Path | None, Path]:
        """What failed: its path below the inbox, the file in `failed/` (None if it is gone), the report beside it."""
        path = _document_path(source, job) if job is not None and job.number is not None else source.path
        for target in islice(free_names(self._failed_place(path)), MOST_NAMESAKES):
            report = _report_beside(target)
            if _is_report_of(report, job.id if job is not None else source.id):
                return path, target if os.path.lexists(target) else None, report
        return path, None, _report_beside(self._failed_place(path))

    def _put_away(self, file: Path, source: Source) -> None:
        """Archives or deletes a source that is done; one claimed by rename before `keep` was set is archived."""
        if self.policy is SourcePolicy.DELETE or self._claims.is_copy(file) or not os.path.lexists(file):
            return
        for target in free_names(_unobstructed(self._claims.done, source.path)):
            if os.path.lexists(target) and _same_content(target, source.sha256):
                return  # a redelivery: the archive holds the same bytes
            try:
                durable_files.move(file, target, temp_folder=self._claims.done / ".tmp")
            except FileExistsError:
                continue
            self.archive_bytes += source.size_bytes
            return

    def _fail_whole(self, file: Path, source: Source, job: Job | None, failure: Failure) -> None:
        """Copies a source whose jobs all failed to `failed/`, with a report beside it."""
        for target in free_names(self._failed_place(source.path)):
            report = _report_beside(target)
            if _is_report_of(report, source.id):
                return  # a crash came after the report was written
            is_ours = os.path.lexists(target) and _same_content(target, source.sha256)
            if (os.path.lexists(target) and not is_ours) or (os.path.lexists(report) and not _is_stale(report, target)):
                continue
            if not is_ours and os.path.lexists(file):
                if self._claims.is_copy(file):
                    os.utime(file)  # if moved back, its time tells it from the one that stays in the inbox
                durable_files.copy(file, target, temp_folder=self._delivery.temp_folder)
            self._write_report(report, source, job, failure)
            logger.info("{} failed: {} (see {})", source.id, failure.message, file_names.escaped(os.fspath(report)))
            return

    def _fail_document(self, source: Source, job: Job) -> None:
        """Writes one document of several to `failed/`, as a file that can be moved back."""
        for target in free_names(self._failed_place(_document_path(source, job))):
            report = _report_beside(target)
            if _is_report_of(report, job.id):
                return  # a crash came after the report was written
            is_ours = os.path.lexists(target) and _same_content(target, hashlib.sha256(job.text).hexdigest())
            if (os.path.lexists(target) and not is_ours) or (os.path.lexists(report) and not _is_stale(report, target)):
                continue
            if not is_ours:
                durable_files.write(target, job.text, temp_folder=self._delivery.temp_folder)
            if job.failure is not None:
                self._write_report(report, source, job, job.failure)
            return

    def _write_report(self, place: Path, source: Source, job: Job | None, failure: Failure) -> None:
        document = sidecar_writer.report(
            failure,
            source.problems,
            job_id=job.id if job is not None else source.id,
            failed=utc_now(),
            source=source_record(source, job),
            attempts=max(job.attempts, len(job.tried)) if job is not None else 0,
            tried=job.tried if job is not None else (),
        )
        durable_files.write(place, document.to_json(), temp_folder=self._delivery.temp_folder, replace=True)

    def _failed_place(self, path: str) -> Path:
        """Where a failed file goes, its name short enough for the report's `.json`."""
        place = _unobstructed(self._delivery.root / file_names.FAILED_FOLDER, path)
        return place.with_name(file_names.output_stem(place.stem, None) + place.suffix)


def _document_path(source: Source, job: Job) -> str:
    """The path of one document of several as a file of its own."""
    path = PurePosixPath(source.path)
    is_list = source.kind in (SourceKind.PROMPT_TEXT, SourceKind.PROMPT_TABLE)  # see ParsedJob
    suffix = file_types.JOB_FILE_EXTENSIONS[0] if is_list else path.suffix
    return str(path.with_name(file_names.output_stem(path.stem, job.number) + suffix))


def _report_beside(file: Path) -> Path:
    return file.with_name(file.name + ".json")


def _unobstructed(root: Path, path: str) -> Path:
    """A path below a folder of ours; directly below it if a file or an outward link blocks the path's folders."""
    folders = [root / folder for folder in PurePosixPath(path).parents]
    blocked = any(os.path.lexists(folder) and not folder.is_dir() for folder in folders)
    astray = durable_files.leads_astray((root / path).parent, below=root)
    return root / PurePosixPath(path).name if blocked or astray else root / path


def _same_content(file: Path, sha256: str) -> bool:
    try:
        return bool(sha256) and durable_files.sha256_of(file) == sha256
    except OSError:
        return False


def _is_report_of(report: Path, job_id: str) -> bool:
    try:
        fields = json.loads(durable_files.read(report, most_bytes=1 << 22).content)
    except (OSError, ValueError):
        return False
    return isinstance(fields, dict) and fields.get("job_id") == job_id


def _is_stale(report: Path, file: Path) -> bool:
    """Whether a report of ours is about a file that is no longer there, because someone moved it back."""
    if os.path.lexists(file):
        return False
    try:
        return b'"schema": "aura-daemon/failure/' in durable_files.read(report, most_bytes=256).content
    except OSError:
        return False
