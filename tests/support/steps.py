"""The steps of a file from inbox to outbox, for the tests of several packages."""

from __future__ import annotations

from aura_daemon.formats.sidecars.schema import SourceRecord, TimingRecord
from aura_daemon.intake.triage import TriageDecision
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.sidecar_writer import sidecar
from tests.support.house import PNG, Door, make, stamp_of

CAPTION = b"task: caption\nimage: beach.png\n"
REDELIVERY = b"prompt: again\n"


def judge(door: Door, path: str, unchanged_s: float = 2.0) -> TriageDecision:
    return door.judging.judge(path, stamp_of(door.house.inbox / path), unchanged_s=unchanged_s)


def claim(door: Door, path: str, kind: SourceKind = SourceKind.JOB_FILE) -> Source:
    source = door.claims.claim(path, kind, settled_s=2.0)
    assert source is not None
    return source


def admit(door: Door, path: str) -> tuple[Source, tuple[Job, ...]]:
    """Claims and admits a file; returns its source as the journal has it, and its jobs."""
    source = claim(door, path)
    jobs = door.intake.admit(source)
    return door.journal.source(source.id), jobs


def finish(door: Door, jobs: tuple[Job, ...]) -> None:
    """Records in the journal that jobs are done."""
    for job in jobs:
        row = door.journal.deliver(door.journal.start(job), stem=job.stem, payload_sha256="x")
        door.journal.finish(row, now=1.0, total_s=1.0)


def sidecar_bytes(request: GenerateRequest | CaptionRequest, source_name: str = "x.yaml") -> bytes:
    """The sidecar of a request that the scripted worker ran."""
    outcome = make(Task(job_id="x", request=request, image=PNG))
    figures = dict.fromkeys(
        ("settled", "waited", "loaded", "encoded", "denoised", "decoded", "delivered", "total"), 0.0
    )
    document = sidecar(
        outcome,  # type: ignore[arg-type]
        job_id="x",
        finished="2026-01-01T00:00:00+00:00",
        source=SourceRecord(name=source_name, sha256="", bytes=1, document=None),
        tried=(),
        seconds=1.0,
        timing_s=TimingRecord(**figures),
        outputs=[],
    )
    return document.to_json()


SIDECAR = sidecar_bytes(GenerateRequest(prompt="a red circle", seed=7))
