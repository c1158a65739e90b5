"""Writes results into the outbox: the payload first, its sidecar last. Nothing else writes results.

A caption may be meant for a text beside its picture; `caption_placing` says what is written there.

The sidecar is the commit mark: it is written once its payload is durable. The journal holds the name before anything is
written. Nothing that exists is replaced, unless configured. A delivery that a crash interrupted continues under the
same name.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from loguru import logger

from aura_daemon import file_names
from aura_daemon.formats.file_types import extension_of
from aura_daemon.formats.sidecars.schema import Sidecar, TimingRecord
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import Produced
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.caption_placing import CaptionPlacing
from aura_daemon.outbox.outbox_files import PAYLOAD_EXTENSIONS, OutboxFiles
from aura_daemon.outbox.result_document import JobTimes, Unpublished, differences, document_of
from aura_daemon.system import durable_files
from aura_daemon.system.durable_files import StagedFile
from aura_daemon.system.files import syncing
from aura_daemon.system.files.shared_folders import is_narrower, make_like
from aura_daemon.system.mount_guard import MountGuard


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """A result that is in the outbox."""

    job: Job
    payload: Path
    sidecar: Path
    timing: TimingRecord
    warnings: tuple[str, ...]
    """What is odd about the result, and in what it differs from the sidecar or the picture that it repeats."""
    document: Sidecar | None = None
    """The sidecar; None where it was written before a crash."""

    @property
    def total_s(self) -> float:
        """Seconds from first sight to the payload in the outbox."""
        return self.timing.total


@dataclass(kw_only=True, slots=True)
class _Publication:
    """A result on its way into the outbox."""

    asked: Unpublished
    """As the worker made it."""
    result: Unpublished
    """With its caption as it is to be written."""
    job: Job
    started_s: float
    is_displaced: bool = False
    """Another program put a file there between the check and the write: another name is needed."""
    staged: list[StagedFile] = field(default_factory=list)
    """Files that are written and have no names yet."""
    document: Sidecar | None = None
    end: Delivered | OSError | None = None


class Delivery(OutboxFiles):
    """Delivers results to one outbox. Raises OSError where the file system refuses; a delivery can then be repeated."""

    def __init__(
        self,
        presence: MountGuard,
        journal: Journal,
        *,
        inbox: Path,
        overwrites: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(presence.folder, journal, overwrites=overwrites)
        self.presence = presence
        self.temp_folder = self.root / file_names.OWN_FOLDER / "tmp"
        self.inbox = inbox
        self._captions = CaptionPlacing(inbox, journal.wrote_for_set)
        self._monotonic = monotonic

    def clear_temp(self) -> None:
        """Removes unfinished files of a daemon that was killed."""
        if self.temp_folder.is_dir():
            for leftover in self.temp_folder.iterdir():
                leftover.unlink(missing_ok=True)

    def deliver(self, job: Job, source: Source, produced: Produced, times: JobTimes) -> Delivered:
        """Publishes one result."""
        (end,) = self.deliver_all([Unpublished(job=job, source=source, produced=produced, times=times)])
        if isinstance(end, OSError):
            raise end
        return end

    def deliver_all(self, results: Sequence[Unpublished]) -> list[Delivered | OSError]:
        """Publishes results together: all payloads are durable before any of the sidecars is written.

        Returns for each result, in their order, its delivery or why the file system refused it.
        """
        started_s = self._monotonic()
        all_of_them = [_Publication(asked=one, result=one, job=one.job, started_s=started_s) for one in results]
        left = all_of_them
        while left:
            for one in left:
                one.is_displaced = False
            self._step(left, self._decide_name)
            self._write(left, self._stage_payloads, self._publish_payloads)
            self._write(left, self._stage_sidecar, self._publish_sidecar)
            left = [one for one in left if one.end is None]
        return [one.end for one in all_of_them if one.end is not None]

    def _step(self, publications: Sequence[_Publication], step: Callable[[_Publication], None]) -> None:
        """Does one step for several results; journal and folders are on the disk when it is over."""
        try:
            self.presence.require()
            with syncing.together(), self._journal.together():
                for publication in publications:
                    if publication.end is None and not publication.is_displaced:
                        try:
                            step(publication)
                        except FileExistsError:
                            publication.is_displaced = True
                        except OSError as error:
                            publication.end = error
            self._journal.sync()
        except OSError as error:
            for publication in publications:
                publication.end = publication.end if isinstance(publication.end, OSError) else error

    def _write(
        self,
        publications: Sequence[_Publication],
        stage: Callable[[_Publication], None],
        publish: Callable[[_Publication], None],
    ) -> None:
        """Writes files of several results, waits for the disk once for all of them, and then gives them their names."""
        self._step(publications, stage)
        staged = [(publication, file) for publication in publications for file in publication.staged]
        try:
            faults = syncing.at_once(StagedFile.sync, [file for _, file in staged])
            for (publication, _), fault in zip(staged, faults, strict=True):
                publication.end = publication.end or fault
            self._step(publications, publish)
        finally:
            for publication, file in staged:
                publication.staged.clear()
                file.discard()

    def _decide_name(self, publication: _Publication) -> None:
        job = publication.job
        produced, text = self._captions.placed(job, publication.asked.produced)
        publication.result = result = replace(publication.asked, produced=produced, text=text)
        if (published := self._published(job)) is not None:
            job = self._decide(job, job.stem, job.payload_sha256 or "")
            publication.end = self._delivered(job, result, published)
        else:
            job = self._name(job, result)
        publication.job = job

    def _stage_payloads(self, publication: _Publication) -> None:
        job = publication.job
        self._make_folder(publication)
        for payload in publication.result.produced.payloads:
            if not self._is_ours(job, payload.extension):  # else it is there from before a crash
                self._stage(publication, self._path(job, job.stem + payload.extension), payload.content)

    def _publish_payloads(self, publication: _Publication) -> None:
        if self._overwrites:  # the sidecar describes the payload that is replaced now
            self._sidecar_path(publication.job).unlink(missing_ok=True)
        for file in publication.staged:
            file.publish()
        if publication.result.text is not None:
            self._captions.write(publication.result.text)

    def _stage_sidecar(self, publication: _Publication) -> None:
        job = publication.job
        document = document_of(job, publication.result, self._monotonic() - publication.started_s)
        self._stage(publication, self._sidecar_path(job), document.to_json())
        publication.document = document

    def _publish_sidecar(self, publication: _Publication) -> None:
        document = publication.document
        assert document is not None
        for file in publication.staged:
            file.publish()
        delivered = self._delivered(publication.job, publication.result, document.timing_s)
        publication.end = replace(delivered, document=document)

    def retract(self, job: Job) -> None:
        """Removes a payload of this job that will not get a sidecar."""
        own = extension_of(job.request.image or "") if isinstance(job.request, CaptionRequest) else ""
        for extension in dict.fromkeys((*PAYLOAD_EXTENSIONS, *filter(None, (own,)))):
            if not self._overwrites and self._is_ours(job, extension):
                self._path(job, job.stem + extension).unlink()

    def write_page(self, name: str, content: bytes, *, is_durable: bool = True) -> None:
        """Writes a page of our own (health, gallery), by its path below the outbox, and replaces its predecessor."""
        self.presence.require()
        target, temp_folder = self.root / name, self.temp_folder
        durable_files.write(target, content, temp_folder=temp_folder, replace=True, is_durable=is_durable)

    def is_for_few(self, folder: str, source: str) -> bool:
        """Whether not everybody who looks into outbox or inbox may look into a folder of results, or of their source.

        `source`: the path of the source below the inbox.
        """
        own = source.rpartition("/")[0]
        return (bool(folder) and is_narrower(self.root / folder, below=self.root)) or (
            bool(own) and is_narrower(self.inbox / own, below=self.inbox)
        )

    def _make_folder(self, publication: _Publication) -> None:
        """Makes the folder of a result, for those who may look into the folder of its source."""
        folder = publication.job.folder
        if folder:
            model = self.inbox / file_names.folder_behind(folder, publication.asked.source.path)
            make_like(self.root / folder, below=self.root, model=model, model_below=self.inbox)

    def _stage(self, publication: _Publication, target: Path, content: bytes) -> None:
        publication.staged.append(StagedFile(target, content, temp_folder=self.temp_folder, replace=self._overwrites))

    def _name(self, job: Job, result: Unpublished) -> Job:
        """Decides the stem in the journal: the same as before where payloads of this delivery are there already."""
        payloads = result.produced.payloads
        hashes = [hashlib.sha256(payload.content).hexdigest() for payload in payloads]
        if result.text is not None and not result.text.is_kept:
            hashes.append(result.text.sha256)
        sha256 = " ".join(hashes)
        if job.payload_sha256 == sha256 and self._can_continue(job, payloads):
            return self._decide(job, job.stem, sha256)
        self.retract(job)
        for stem in file_names.candidates(job.stem):
            if not self._is_taken(job, stem, payloads):
                return self._decide(job, stem, sha256)
        raise AssertionError("candidates never end")

    def _decide(self, job: Job, stem: str, sha256: str) -> Job:
        decided = self._journal.deliver(job, stem=stem, payload_sha256=sha256)
        logger.debug("{} is delivered as {}", job.id, file_names.escaped(stem))
        return decided

    def _delivered(self, job: Job, result: Unpublished, timing: TimingRecord) -> Delivered:
        payloads = result.produced.payloads
        in_outbox = self._path(job, job.stem + payloads[0].extension) if payloads else None
        return Delivered(
            job=job,
            payload=in_outbox or self.inbox / (result.text.path if result.text is not None else ""),
            sidecar=self._sidecar_path(job),
            timing=timing,
            warnings=(*result.produced.warnings, *differences(job, result.source, result.produced)),
        )
