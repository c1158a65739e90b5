"""Disposes of a source file whose jobs have ended: archives, deletes or keeps it, or moves it to `outbox/failed/`.

Every step can be repeated after a crash: a file that has left the work folder is done with, and a report that names our
source is our own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from loguru import logger

from aura_daemon import file_names
from aura_daemon.file_names import free_names
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.input_images import InputImages
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import GenerateRequest, GridRequest
from aura_daemon.jobs.results import CANCELLED, Failure
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox import sidecar_writer
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.failed_files import (
    FailedFile,
    cancelled_path,
    document_path,
    failed_file,
    failed_place,
    is_cancelled,
    is_report_of,
    is_stale,
    report_beside,
    unobstructed,
)
from aura_daemon.outbox.kept_parts import KeptParts
from aura_daemon.outbox.result_document import source_record
from aura_daemon.outbox.source_policy import SourcePolicy
from aura_daemon.system import durable_files
from aura_daemon.system.clock import utc_now
from aura_daemon.system.files import regular_files, syncing
from aura_daemon.system.files.shared_folders import make_like

_Ends: TypeAlias = "dict[str, tuple[Source, bool | OSError]]"
"""By the id of a source, whether it is gone, or why the file system refused that."""


@dataclass(kw_only=True, slots=True)
class _Ended:
    """A source whose jobs have ended."""

    source: Source
    jobs: list[Job]
    file: Path = Path()
    """The claimed file."""
    is_to_be_archived: bool = False


class SourceDisposal:
    """Puts ended sources in their places and closes them in the journal. Raises OSError; can then be repeated."""

    def __init__(
        self,
        policy: SourcePolicy,
        claims: Claims,
        inputs: InputImages,
        kept_parts: KeptParts,
        delivery: Delivery,
        journal: Journal,
    ) -> None:
        self.policy = policy
        self._claims = claims
        self._inputs = inputs
        self._kept_parts = kept_parts
        self._delivery = delivery
        self._journal = journal
        archived = claims.done.rglob("*") if claims.done.is_dir() else ()
        self.archive_bytes = sum(file.lstat().st_size for file in archived if file.is_file())

    def dispose(self, source: Source) -> bool:
        """Disposes of a source; False, and nothing is done, if some of its jobs have not ended."""
        ((_, end),) = self.dispose_all([source])
        if isinstance(end, OSError):
            raise end
        return end

    def dispose_all(self, sources: Iterable[Source]) -> list[tuple[Source, bool | OSError]]:
        """Disposes of sources together; says of each whether it is gone, or why the file system refused that.

        A source goes when the journal's word about it and its place in the archive are durable.
        """
        ends: _Ends = {}
        ended: list[_Ended] = []
        for source in sources:
            ends[source.id] = source, False
            if not self._journal.has_open_jobs(source.id):  # of ten thousand jobs, each end asks for the others
                ended.append(_Ended(source=source, jobs=self._journal.jobs_of(source.id)))
        try:
            self._journal.sync()
        except OSError as error:
            return [(one.source, error) for one in ended]
        ended = _after(self._hand_back_failed, ended, ends)
        ended = _together(self._put_away, ended, ends)
        ended = _together(self._remove, ended, ends)
        for one in _together(self._close, ended, ends, self._journal.together):
            ends[one.source.id] = one.source, True
        return list(ends.values())

    def _hand_back_failed(self, ended: _Ended) -> None:
        """Has `failed/` hold what failed; what is done is left for the archive."""
        source, jobs = ended.source, ended.jobs
        file = ended.file = self._claims.file_of(source)
        failed = [job for job in jobs if job.state is JobState.FAILED]
        cancelled = [job for job in failed if is_cancelled(job)]
        if self._claims.give_back(source):
            pass  # it was changed meanwhile, and its new content has not run yet
        elif source.failure is not None:
            self._fail_whole(file, source, None, source.failure)
        elif len(failed) == len(jobs) == 1 and failed[0].failure is not None:
            self._fail_whole(file, source, failed[0], failed[0].failure)
        elif jobs and len(cancelled) == len(jobs):
            self._fail_whole(file, source, None, CANCELLED)
        else:
            together = cancelled if len(cancelled) > 1 else []
            for job in failed:
                if job not in together and not _fails_with_another(job, failed):
                    self._fail_document(source, job)
            if together:
                self._hand_back_together(source, together, of=len(jobs))
            ended.is_to_be_archived = True

    def failed_file(self, source: Source, job: Job | None) -> FailedFile:
        """Where a source that was refused, or one of its jobs that failed, lies in `failed/`."""
        return failed_file(self._delivery.root, source, job)

    def _put_away(self, ended: _Ended) -> None:
        """Has the archive hold a source that is done; one claimed by rename before `keep` was set is archived."""
        source, file = ended.source, ended.file
        is_kept = self.policy is not SourcePolicy.DELETE and not self._claims.is_copy(file) and os.path.lexists(file)
        if not ended.is_to_be_archived or not is_kept:
            return
        archive = unobstructed(self._claims.done, source.path)
        self._make_folder(archive.parent, source, below=self._claims.done)
        for target in free_names(archive):
            if os.path.lexists(target) and _same_content(target, source.sha256):
                return  # a redelivery: the archive holds the same bytes
            try:
                durable_files.place(file, target, temp_folder=self._claims.done / ".tmp")
            except FileExistsError:
                continue
            self.archive_bytes += source.size_bytes
            return

    def _make_folder(self, folder: Path, source: Source, *, below: Path) -> None:
        """Makes a folder for what was a file of the inbox, for those who may look into its folder there."""
        durable_files.make_folder(below)
        model = (self._claims.inbox / source.path).parent
        make_like(folder, below=below, model=model, model_below=self._claims.inbox)

    def _remove(self, ended: _Ended) -> None:
        """Removes what is left of a claim."""
        ended.file.unlink(missing_ok=True)
        self._claims.forget(ended.source.id, ended.source.path)
        syncing.sync_folder(self._claims.work_of(ended.file))
        for job in ended.jobs:
            self._inputs.forget(job)
            self._kept_parts.forget(job)

    def _close(self, ended: _Ended) -> None:
        self._journal.close_source(ended.source.id)

    def _fail_whole(self, file: Path, source: Source, job: Job | None, failure: Failure) -> None:
        """Copies a source whose jobs all failed to `failed/`, with a report beside it."""

        def copy(target: Path) -> None:
            if not os.path.lexists(file):
                return
            stays = self._claims.inbox / source.path
            is_known = self._claims.is_copy(file) and os.path.lexists(stays)
            if self._claims.is_copy(file):
                os.utime(file)  # if moved back, its time tells it from the one that stays in the inbox
            temp_folder = self._delivery.temp_folder
            durable_files.copy(file, target, temp_folder=temp_folder, stands_for=stays if is_known else None)

        report = self._hand_back(source.path, source.sha256, copy, source, job, failure)
        if report is not None:
            logger.info("{} failed: {} (see {})", source.id, failure.message, file_names.escaped(os.fspath(report)))

    def _fail_document(self, source: Source, job: Job) -> None:
        """Writes one document of several to `failed/`, as a file that can be moved back."""
        if job.failure is not None:
            self._write_part(document_path(source, job), job.text, source, job, job.failure)

    def _hand_back_together(self, source: Source, cancelled: list[Job], *, of: int) -> None:
        """Writes the jobs that were cancelled, some of `of`, to `failed/` as one file: nobody asked for a file each."""
        message = f"{len(cancelled)} of its {of} jobs were cancelled; they are the documents of this file"
        failure = replace(CANCELLED, message=message)
        self._write_part(cancelled_path(source), _documents_of(cancelled), source, None, failure)

    def _write_part(self, path: str, content: bytes, source: Source, job: Job | None, failure: Failure) -> None:
        def write(target: Path) -> None:
            durable_files.write(target, content, temp_folder=self._delivery.temp_folder)

        self._hand_back(path, hashlib.sha256(content).hexdigest(), write, source, job, failure)

    def _hand_back(
        self, path: str, sha256: str, put: Callable[[Path], None], source: Source, job: Job | None, failure: Failure
    ) -> Path | None:
        """Has a file put into `failed/` and writes its report; None where a crash came after the report was written."""
        place = failed_place(self._delivery.root, path)
        self._make_folder(place.parent, source, below=self._delivery.root / file_names.FAILED_FOLDER)
        for target in free_names(place):
            report = report_beside(target)
            if is_report_of(report, job.id if job is not None else source.id):
                return None
            is_ours = os.path.lexists(target) and _same_content(target, sha256)
            if (os.path.lexists(target) and not is_ours) or (os.path.lexists(report) and not is_stale(report, target)):
                continue
            if not is_ours:
                put(target)
            self._write_report(report, source, job, failure)
            return report
        return None

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


def _together(
    step: Callable[[_Ended], None],
    ended: list[_Ended],
    ends: _Ends,
    within: Callable[[], AbstractContextManager[None]] = syncing.together,
) -> list[_Ended]:
    """Takes a step for several sources, whose folders are synced once by default; those that go on."""
    try:
        with within():
            return _after(step, ended, ends)
    except OSError as error:
        ends.update({one.source.id: (one.source, error) for one in ended})
        return []


def _after(step: Callable[[_Ended], None], ended: list[_Ended], ends: _Ends) -> list[_Ended]:
    """Takes a step for several sources; those that go on."""
    going_on = []
    for one in ended:
        try:
            step(one)
        except OSError as error:
            ends[one.source.id] = one.source, error
        else:
            going_on.append(one)
    return going_on


def _fails_with_another(job: Job, failed: list[Job]) -> bool:
    """Whether a round of a reflection, or its sheet, failed for want of a round before, whose document is theirs."""
    request = job.request
    follows = isinstance(request, GenerateRequest) and request.follows is not None
    is_sheet = isinstance(request, GridRequest) and request.captions
    return (follows or is_sheet) and any(other.id in job.waits_for for other in failed)


def _documents_of(jobs: list[Job]) -> bytes:
    """The documents of some jobs as one YAML file; that of a contact sheet asks for all of its cells itself."""
    cells = {job_id for job in jobs for job_id in job.waits_for}
    texts = (job.text if job.text.endswith(b"\n") else job.text + b"\n" for job in jobs if job.id not in cells)
    return b"---\n".join(texts)


def _same_content(file: Path, sha256: str) -> bool:
    try:
        return bool(sha256) and regular_files.sha256_of(file) == sha256
    except OSError:
        return False
