"""Writes results into the outbox: the payload first, its sidecar last. Nothing else writes results.

The sidecar is the commit mark: it is written once its payload is durable. The journal holds the name before anything is
written. Nothing that exists is replaced, unless configured. A delivery that a crash interrupted continues under the
same name.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.formats.file_types import CAPTION_SIDECAR_EXTENSION, SIDECAR_EXTENSION
from aura_daemon.formats.sidecar_schema import OutputRecord, Sidecar, SourceRecord, TimingRecord
from aura_daemon.intake.late_pictures import texts_of
from aura_daemon.jobfile import from_picture, from_sidecar
from aura_daemon.jobs.requests import EmbeddedSettings, GenerateRequest, ImageFormat, JobKind
from aura_daemon.jobs.results import Payload, Produced
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox import sidecar_writer
from aura_daemon.system import durable_files
from aura_daemon.system.clock import utc_now
from aura_daemon.system.mount_guard import MountGuard

PAYLOAD_EXTENSIONS: Final = (*(f".{image_format}" for image_format in ImageFormat), ".txt", ".md", ".svg")
"""Of all kinds of jobs; a benchmark has the last two."""
_EXTENSIONS: Final = (*PAYLOAD_EXTENSIONS, SIDECAR_EXTENSION)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobTimes:
    """Seconds of a job that the daemon measured itself."""

    waited_s: float
    """From the claim to the start of the attempt that worked."""
    since_claim_s: float
    """From the claim to the result."""
    attempt_s: float
    """Duration of the attempt that worked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unpublished:
    """A result that is not in the outbox. `job` is running, or delivering if the file system refused an earlier try."""

    job: Job
    source: Source
    produced: Produced
    times: JobTimes


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """A result that is in the outbox."""

    job: Job
    payload: Path
    sidecar: Path
    timing: TimingRecord
    differences: tuple[str, ...]
    """In what the result differs from the sidecar or the picture that it repeats."""
    document: Sidecar | None = None
    """The sidecar; None where it was written before a crash."""

    @property
    def total_s(self) -> float:
        """Seconds from first sight to the payload in the outbox."""
        return self.timing.total


@dataclass(kw_only=True, slots=True)
class _Publication:
    """A result on its way into the outbox."""

    result: Unpublished
    job: Job
    started_s: float
    is_displaced: bool = False
    """Another program put a file there between the check and the write: another name is needed."""
    end: Delivered | OSError | None = None


class Delivery:
    """Delivers results to one outbox. Raises OSError where the file system refuses; a delivery can then be repeated."""

    def __init__(
        self,
        presence: MountGuard,
        journal: Journal,
        *,
        overwrites: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.presence = presence
        self.root = root = presence.folder
        self.temp_folder = root / file_names.OWN_FOLDER / "tmp"
        self._journal = journal
        self._overwrites = overwrites
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
        all_of_them = [_Publication(result=result, job=result.job, started_s=started_s) for result in results]
        left = all_of_them
        while left:
            for one in left:
                one.is_displaced = False
            self._step(left, self._decide_name)
            self._step(left, self._publish_payloads)
            self._step(left, self._publish_sidecar)
            left = [one for one in left if one.end is None]
        return [one.end for one in all_of_them if one.end is not None]

    def _step(self, publications: Sequence[_Publication], step: Callable[[_Publication], None]) -> None:
        """Does one step for several results; journal and folders are on the disk when it is over."""
        try:
            self.presence.require()
            with durable_files.syncs_together():
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

    def _decide_name(self, publication: _Publication) -> None:
        result, job = publication.result, publication.job
        if (published := self._published(job)) is not None:
            job = self._decide(job, job.stem, job.payload_sha256 or "")
            publication.end = self._delivered(job, result, published)
        else:
            job = self._name(job, result.produced.payloads)
        publication.job = job

    def _publish_payloads(self, publication: _Publication) -> None:
        job = publication.job
        if self._overwrites:
            self._sidecar_path(job).unlink(missing_ok=True)  # it describes the payload that is replaced now
        for payload in publication.result.produced.payloads:
            if not self._is_ours(job, payload.extension):  # else it is there from before a crash
                self._publish(self._path(job, job.stem + payload.extension), payload.content)

    def _publish_sidecar(self, publication: _Publication) -> None:
        job, result = publication.job, publication.result
        document = self._document(job, result, self._monotonic() - publication.started_s)
        self._publish(self._sidecar_path(job), document.to_json())
        publication.end = replace(self._delivered(job, result, document.timing_s), document=document)

    def published(self, job: Job) -> float | None:
        """The job's total seconds if its sidecar exists, as after a crash between the sidecar and the journal."""
        return timing.total if (timing := self._published(job)) is not None else None

    def _published(self, job: Job) -> TimingRecord | None:
        if job.payload_sha256 is None:
            return None
        try:
            document = self._document_at(self._sidecar_path(job))
        except OSError:
            return None
        return document.timing_s if document is not None and document.job_id == job.id else None

    def sidecar_of(self, job: Job) -> tuple[Path, Sidecar] | None:
        """The sidecar of a job that is done, and where it lies; None where somebody has taken it away."""
        for extension in (SIDECAR_EXTENSION, CAPTION_SIDECAR_EXTENSION):
            place = self._path(job, job.stem + extension)
            try:
                document = self._document_at(place)
            except FileNotFoundError:
                continue
            if document is not None and document.job_id == job.id:
                return place, document
        return None

    def payload(self, job: Job) -> bytes | None:
        """The picture or text that a job delivered; None if the file is gone or has changed."""
        extension = next((extension for extension in PAYLOAD_EXTENSIONS if self._is_ours(job, extension)), None)
        return durable_files.read(self._path(job, job.stem + extension)).content if extension is not None else None

    def retract(self, job: Job) -> None:
        """Removes a payload of this job that will not get a sidecar."""
        for extension in PAYLOAD_EXTENSIONS:
            if not self._overwrites and self._is_ours(job, extension):
                self._path(job, job.stem + extension).unlink()

    def obstacle(self, job: Job) -> str:
        """What is in the way of the job's folder, in words; empty if nothing is."""
        if not job.folder:
            return ""
        for folder in (self.root / folder for folder in PurePosixPath(job.folder, "x").parents):
            if os.path.lexists(folder) and not folder.is_dir():
                return f"a file is called {file_names.escaped(str(folder))}"
            if durable_files.leads_astray(folder, below=self.root):
                return f"{file_names.escaped(str(folder))} is a link that leads out of it"
        return ""

    def write_page(self, name: str, content: bytes, *, is_durable: bool = True) -> None:
        """Writes a page of our own (health, gallery), by its path below the outbox, and replaces its predecessor."""
        self.presence.require()
        target, temp_folder = self.root / name, self.temp_folder
        durable_files.write(target, content, temp_folder=temp_folder, replace=True, is_durable=is_durable)

    def _publish(self, target: Path, content: bytes) -> None:
        durable_files.write(target, content, temp_folder=self.temp_folder, replace=self._overwrites)

    # -- naming ----------------------------------------------------------------------------------------------------

    def _name(self, job: Job, payloads: Sequence[Payload]) -> Job:
        """Decides the stem in the journal: the same as before where payloads of this delivery are there already."""
        sha256 = " ".join(hashlib.sha256(payload.content).hexdigest() for payload in payloads)
        if job.payload_sha256 == sha256 and self._can_continue(job, payloads):
            return self._decide(job, job.stem, sha256)
        self.retract(job)
        for stem in file_names.candidates(job.stem):
            if not self._is_taken(job, stem):
                return self._decide(job, stem, sha256)
        raise AssertionError("candidates never end")

    def _can_continue(self, job: Job, payloads: Sequence[Payload]) -> bool:
        """Whether a delivery that was interrupted has left payloads, and nothing else has come in its way."""
        if os.path.lexists(self._sidecar_path(job)):
            return False
        there = [one for one in payloads if os.path.lexists(self._path(job, job.stem + one.extension))]
        return bool(there) and all(self._is_ours(job, one.extension) for one in there)

    def _decide(self, job: Job, stem: str, sha256: str) -> Job:
        decided = self._journal.deliver(job, stem=stem, payload_sha256=sha256)
        logger.debug("{} is delivered as {}", job.id, file_names.escaped(stem))
        return decided

    def _is_ours(self, job: Job, extension: str) -> bool:
        """Whether this job wrote the payload, or one of them, under the decided name."""
        if job.payload_sha256 is None:
            return False
        try:
            return durable_files.sha256_of(self._path(job, job.stem + extension)) in job.payload_sha256.split()
        except OSError:
            return False

    def _is_taken(self, job: Job, stem: str) -> bool:
        is_promised = self._journal.stem_is_promised(job.folder, stem, but_not_to=job.id)
        if is_promised or file_names.is_reserved_output(job.folder, stem):
            return True
        extensions = (".txt", CAPTION_SIDECAR_EXTENSION) if self._had_its_text_drawn(job) else _EXTENSIONS
        if self._overwrites:
            return any(self._path(job, stem + extension).is_dir() for extension in extensions)
        similar = {stem, *self._journal.stems_like(job.folder, stem, but_not_of=job.id)}
        folder = os.fspath(self._path(job, ""))
        names = (name + extension for name in similar for extension in extensions)
        return any(os.path.lexists(f"{folder}/{name}") for name in names)  # a path object each takes as long again

    def _had_its_text_drawn(self, job: Job) -> bool:
        """Whether a caption's image came after its text was taken for a prompt; the caption has the text's name."""
        if job.kind != JobKind.CAPTION:
            return False
        image = self._journal.source(job.source_id)
        if image.kind is not SourceKind.IMAGE:
            return False
        texts = (text for path in texts_of(image.path) for text in self._journal.sources_at(path))
        return any(text.kind is SourceKind.PROMPT_TEXT and text.id < image.id for text in texts)

    def _sidecar_path(self, job: Job) -> Path:
        """Where the sidecar of a result goes; a caption does not take the sidecar of what was drawn from its text."""
        place = self._path(job, job.stem + SIDECAR_EXTENSION)
        if not self._had_its_text_drawn(job) or not os.path.lexists(place):
            return place
        document = self._document_at(place)
        is_ours = document is not None and document.job_id == job.id
        return place if is_ours else self._path(job, job.stem + CAPTION_SIDECAR_EXTENSION)

    def _document_at(self, place: Path) -> Sidecar | None:
        """The sidecar at a place; None for anything else. Raises OSError where nothing can be read."""
        try:
            content = durable_files.read(place, most_bytes=1 << 20).content
        except (PermissionError, durable_files.NotARegularFile):  # a folder, or somebody else's file
            return None
        document = from_sidecar.parse(content, file=place.name)
        return document if isinstance(document, Sidecar) else None

    def _path(self, job: Job, name: str) -> Path:
        return Path(f"{self.root}/{job.folder}/{name}")

    # -- the document ----------------------------------------------------------------------------------------------

    def _document(self, job: Job, result: Unpublished, delivered_s: float) -> Sidecar:
        source, produced, times, embedded = result.source, result.produced, result.times, _embedded(job)
        figures = {
            "settled": source.settled_s,
            "waited": times.waited_s,
            "loaded": produced.timing.loaded_s,
            "encoded": produced.timing.encoded_s,
            "denoised": produced.timing.denoised_s,
            "decoded": produced.timing.decoded_s,
            "delivered": delivered_s,
            "total": source.settled_s + times.since_claim_s + delivered_s,
        }
        return sidecar_writer.sidecar(
            produced,
            job_id=job.id,
            finished=utc_now(),
            source=source_record(source, job),
            tried=job.tried,
            seconds=times.attempt_s,
            timing_s=TimingRecord(**{name: round(seconds, 4) for name, seconds in figures.items()}),
            outputs=[_output(job.stem, payload) for payload in produced.payloads],
            defaults=job.defaults,
            regenerated_from=embedded.image if embedded is not None else None,
            warnings=(*job.warnings, *_differences(job, source, produced)),
        )

    def _delivered(self, job: Job, result: Unpublished, timing: TimingRecord) -> Delivered:
        return Delivered(
            job=job,
            payload=self._path(job, job.stem + result.produced.payloads[0].extension),
            sidecar=self._sidecar_path(job),
            timing=timing,
            differences=_differences(job, result.source, result.produced),
        )


def _embedded(job: Job) -> EmbeddedSettings | None:
    return job.request.embedded if isinstance(job.request, GenerateRequest) else None


def _differences(job: Job, source: Source, produced: Produced) -> tuple[str, ...]:
    """In what a result differs from the sidecar or the picture that it repeats."""
    if produced.benchmark is not None:  # it says itself what has changed
        return ()
    earlier = from_sidecar.parse(job.text, file=source.path) if source.kind is SourceKind.SIDECAR else None
    of_sidecar = from_sidecar.differences(earlier, produced) if isinstance(earlier, Sidecar) else ()
    embedded = _embedded(job)
    return (*of_sidecar, *(from_picture.differences(embedded, produced) if embedded is not None else ()))


def source_record(source: Source, job: Job | None) -> SourceRecord:
    """The source, as sidecars and failure reports describe it."""
    return SourceRecord(
        name=file_names.escaped(source.path),
        sha256=source.sha256,
        bytes=source.size_bytes,
        document=job.number if job is not None else None,
    )


def _output(stem: str, payload: Payload) -> OutputRecord:
    return OutputRecord(
        name=file_names.escaped(stem + payload.extension),
        bytes=len(payload.content),
        sha256=hashlib.sha256(payload.content).hexdigest(),
        width=payload.width,
        height=payload.height,
    )
