"""Results -> outbox: payload first, sidecar last. The only door out.

A sidecar is the commit mark: it is written when its payload is durable. The name is decided in the journal before
anything is written, nothing that exists is replaced unless configured, and a delivery that a crash cut short is taken up
again under the same name.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon import durable
from aura_daemon.core import names, sidecar
from aura_daemon.core.job import EngineTiming, Payload, Produced
from aura_daemon.core.routing import SourceKind
from aura_daemon.core.sidecar import OutputRecord, Sidecar, SourceRecord, TimingRecord
from aura_daemon.journal import JobRow, Journal, SourceRow

PAYLOAD_EXTENSIONS: Final = (".png", ".txt")
SIDECAR_EXTENSION: Final = ".json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Clocked:
    """Seconds of a job that the daemon measured itself."""

    waited_s: float
    """From the claim to the start of the attempt that worked."""
    since_claim_s: float
    """From the claim to the result."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """What is in the outbox now."""

    job: JobRow
    payload: Path
    sidecar: Path
    total_s: float


class Outbox:
    """One outbox's door. Raises OSError when the file system refuses; the delivery can then simply be tried again."""

    def __init__(self, root: Path, journal: Journal, *, overwrites: bool, monotonic: Callable[[], float]) -> None:
        self.root = root
        self.temp_folder = root / names.OWN_FOLDER / "tmp"
        self._journal = journal
        self._overwrites = overwrites
        self._monotonic = monotonic

    def clear_temp(self) -> None:
        """Removes what a killed daemon was writing."""
        if self.temp_folder.is_dir():
            for leftover in self.temp_folder.iterdir():
                leftover.unlink(missing_ok=True)

    def deliver(self, job: JobRow, source: SourceRow, produced: Produced, clocked: Clocked) -> Delivered:
        """Publishes one result; `job` is running, or delivering where an earlier try was refused by the file system."""
        started_s = self._monotonic()
        payload = produced.payloads[0]
        while True:
            published = self._already_published(job)
            if published is not None:
                return self._delivered(job, payload.extension, published.timing_s.total)
            job, ours = self._name(job, payload)
            target = self._path(job, job.stem + payload.extension)
            try:
                durable.write(target, payload.content, temp_folder=self.temp_folder, replace=ours or self._overwrites)
                break
            except FileExistsError:
                continue  # somebody put a file there between the look and the write: another name
        document = self._document(job, source, produced, clocked, self._monotonic() - started_s)
        place = self._path(job, job.stem + SIDECAR_EXTENSION)
        # No other open job has this name, and none of its files was there: what appears here now is a stranger's.
        durable.write(place, document.to_json(), temp_folder=self.temp_folder, replace=self._overwrites)
        return self._delivered(job, payload.extension, document.timing_s.total)

    def write_page(self, name: str, content: bytes) -> None:
        """Puts a page of our own (health, gallery) at the top of the outbox, replacing the one before."""
        durable.write(self.root / name, content, temp_folder=self.temp_folder, replace=True)

    # -- naming ----------------------------------------------------------------------------------------------------

    def _name(self, job: JobRow, payload: Payload) -> tuple[JobRow, bool]:
        """Decides the stem in the journal; the second value says that a payload there is our own, cut short."""
        sha256 = hashlib.sha256(payload.content).hexdigest()
        if job.payload_sha256 is not None and self._is_our_leftover(job, payload.extension, job.payload_sha256):
            return self._decide(job, job.stem, sha256), True
        for stem in names.candidates(job.stem):
            if not self._is_taken(job, stem):
                return self._decide(job, stem, sha256), False
        raise AssertionError("candidates never end")

    def _decide(self, job: JobRow, stem: str, sha256: str) -> JobRow:
        decided = self._journal.deliver(job, stem=stem, payload_sha256=sha256)
        logger.debug("{} is delivered as {}", job.id, names.escaped(stem))
        return decided

    def _is_our_leftover(self, job: JobRow, extension: str, sha256: str) -> bool:
        target = self._path(job, job.stem + extension)
        if os.path.lexists(self._path(job, job.stem + SIDECAR_EXTENSION)):
            return False
        try:
            return durable.sha256_of(target) == sha256
        except OSError:
            return False

    def _is_taken(self, job: JobRow, stem: str) -> bool:
        if names.is_reserved_output(job.folder, stem) or self._journal.stem_is_promised(
            job.folder, stem, but_not_to=job.id
        ):
            return True
        if self._overwrites:
            return False
        alike = {stem, *self._journal.stems_like(job.folder, stem, but_not_of=job.id)}
        return any(
            os.path.lexists(self._path(job, like + extension))
            for like in alike
            for extension in (*PAYLOAD_EXTENSIONS, SIDECAR_EXTENSION)
        )

    def _already_published(self, job: JobRow) -> Sidecar | None:
        """Our own sidecar, where a crash came between writing it and the journal."""
        if job.payload_sha256 is None:
            return None
        try:
            content = durable.read(self._path(job, job.stem + SIDECAR_EXTENSION), most_bytes=1 << 20).content
        except OSError:
            return None
        document = sidecar.parse(content, file=job.stem)
        return document if isinstance(document, Sidecar) and document.job_id == job.id else None

    def _path(self, job: JobRow, name: str) -> Path:
        return self.root / job.folder / name

    # -- the document ----------------------------------------------------------------------------------------------

    def _document(
        self, job: JobRow, source: SourceRow, produced: Produced, clocked: Clocked, delivered_s: float
    ) -> Sidecar:
        warnings: tuple[str, ...] = ()
        if source.kind is SourceKind.SIDECAR:
            before = sidecar.parse(job.text, file=source.path)
            if isinstance(before, Sidecar):
                warnings = sidecar.differences(before, produced)
        total_s = source.settled_s + clocked.since_claim_s + delivered_s
        return sidecar.sidecar(
            produced,
            job_id=job.id,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            source=source_record(source, job),
            attempts=job.attempts,
            timing_s=_timing(produced.timing, source.settled_s, clocked.waited_s, delivered_s, total_s),
            outputs=[_output(job.stem, payload) for payload in produced.payloads],
            warnings=warnings,
        )

    def _delivered(self, job: JobRow, extension: str, total_s: float) -> Delivered:
        return Delivered(
            job=job,
            payload=self._path(job, job.stem + extension),
            sidecar=self._path(job, job.stem + SIDECAR_EXTENSION),
            total_s=total_s,
        )


def source_record(source: SourceRow, job: JobRow | None) -> SourceRecord:
    """The source as sidecars and failure reports name it."""
    return SourceRecord(
        name=names.escaped(source.path),
        sha256=source.sha256,
        bytes=source.size_bytes,
        document=job.number if job is not None else None,
    )


def _output(stem: str, payload: Payload) -> OutputRecord:
    return OutputRecord(
        name=names.escaped(stem + payload.extension),
        bytes=len(payload.content),
        sha256=hashlib.sha256(payload.content).hexdigest(),
        width=payload.width,
        height=payload.height,
    )


def _timing(
    engine: EngineTiming, settled_s: float, waited_s: float, delivered_s: float, total_s: float
) -> TimingRecord:
    figures = {
        "settled": settled_s,
        "waited": waited_s,
        "loaded": engine.loaded_s,
        "encoded": engine.encoded_s,
        "denoised": engine.denoised_s,
        "decoded": engine.decoded_s,
        "delivered": delivered_s,
        "total": total_s,
    }
    return TimingRecord(**{name: round(seconds, 4) for name, seconds in figures.items()})
