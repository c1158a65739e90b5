"""A result that is to be published, and its sidecar. In: a result, its job and source. Out: the document.

`sidecar_writer` makes the document of what this module gathers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aura_daemon import file_names
from aura_daemon.formats.sidecars.schema import OutputRecord, Sidecar, SourceRecord, TextRecord, TimingRecord
from aura_daemon.jobfile import from_picture, from_sidecar
from aura_daemon.jobs.requests import EmbeddedSettings, GenerateRequest
from aura_daemon.jobs.results import Payload, Produced
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox import sidecar_writer
from aura_daemon.outbox.caption_placing import TextBeside
from aura_daemon.system.clock import utc_now


@dataclass(frozen=True, kw_only=True, slots=True)
class JobTimes:
    """Seconds of a job that the daemon measured itself."""

    waited_s: float
    """From the claim to the start of the attempt that worked; of a job of several parts, without those parts."""
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
    text: TextBeside | None = None
    """The text beside the picture of a caption that is meant for there; the payloads are those for the outbox."""


def document_of(job: Job, result: Unpublished, delivered_s: float) -> Sidecar:
    """The sidecar of a result under the name that was decided; `delivered_s`: how long it took to publish it."""
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
        outputs=_outputs(job, produced.payloads),
        defaults=job.defaults,
        regenerated_from=embedded.image if embedded is not None else None,
        warnings=(*job.warnings, *differences(job, source, produced)),
        text=_text_record(result.text),
    )


def differences(job: Job, source: Source, produced: Produced) -> tuple[str, ...]:
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


def _text_record(text: TextBeside | None) -> TextRecord | None:
    if text is None:
        return None
    name = file_names.escaped(text.path)
    return TextRecord(name=name, bytes=len(text.content), sha256=text.sha256, is_kept=text.is_kept)


def _embedded(job: Job) -> EmbeddedSettings | None:
    return job.request.embedded if isinstance(job.request, GenerateRequest) else None


def _outputs(job: Job, payloads: Sequence[Payload]) -> list[OutputRecord]:
    """The payloads; the last hash of the job may be that of a text beside a picture."""
    """The payloads; the job's last hash may be that of a text beside a picture."""
    return [
        OutputRecord(
            name=file_names.escaped(job.stem + payload.extension),
            bytes=len(payload.content),
            sha256=sha256,
            width=payload.width,
            height=payload.height,
        )
        for payload, sha256 in zip(
            payloads, (job.payload_sha256 or "").split(), strict=False
        )  # then that of a text beside a picture
    ]
