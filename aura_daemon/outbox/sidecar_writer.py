"""Makes the sidecar of every result, and the report of every failed file. In: job, result, timing. Out: the documents.

`formats.sidecars.schema` defines the documents; `jobfile.from_sidecar` reads sidecars back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from aura_daemon.errors import Problem
from aura_daemon.formats.file_types import FAILURE_SCHEMA, SIDECAR_SCHEMA
from aura_daemon.formats.sidecars import requests as records
from aura_daemon.formats.sidecars import schema
from aura_daemon.jobs.parts import JobPart
from aura_daemon.jobs.requests import CaptionRequest, GridRequest, MatchRequest, task_name
from aura_daemon.jobs.resolved import (
    ResolvedBenchmark,
    ResolvedCaption,
    ResolvedDataset,
    ResolvedGenerate,
    ResolvedUpscale,
)
from aura_daemon.jobs.results import AppliedDefaults, Failure, Produced
from aura_daemon.ladder.attempts import Attempt
from aura_daemon.outbox.benchmark_record import benchmark_request, benchmark_result


def request_record(
    produced: Produced,
) -> (
    records.GenerateRecord
    | records.CaptionRecord
    | records.GridRecord
    | records.BenchmarkRecord
    | records.DatasetRecord
    | records.EnlargementRecord
):
    """The resolved request, as the sidecar holds it."""
    match produced.resolved:
        case ResolvedBenchmark() as benchmark:
            return benchmark_request(benchmark)
        case GridRequest() as grid:
            return records.GridRecord.model_validate(grid)
        case ResolvedCaption() as caption:
            return records.CaptionRecord.model_validate(caption)
        case ResolvedGenerate() as picture:
            return records.GenerateRecord.model_validate(picture)
        case MatchRequest():
            raise ValueError("a comparison is a part of another job: it has no result of its own")
        case ResolvedDataset() as dataset:
            return records.DatasetRecord.model_validate(dataset)
        case ResolvedUpscale() as enlarged:
            return records.EnlargementRecord.model_validate(enlarged)
        case _:  # pragma: no cover
            assert_never(produced.resolved)


def sidecar(
    produced: Produced,
    *,
    job_id: str,
    finished: str,
    source: schema.SourceRecord,
    tried: Iterable[Attempt],
    seconds: float,
    timing_s: schema.TimingRecord,
    outputs: list[schema.OutputRecord],
    defaults: Iterable[AppliedDefaults] = (),
    regenerated_from: str | None = None,
    warnings: tuple[str, ...] = (),
    text: schema.TextRecord | None = None,
) -> schema.Sidecar:
    """Everything known about one result. `tried`: the attempts that failed; `seconds`: duration of the last attempt."""
    request = request_record(produced)
    failed = [attempt_record(attempt) for attempt in tried]
    last = schema.AttemptRecord(
        device=produced.device,
        rung=produced.rung or None,
        batch_size=produced.batch_size,
        outcome="done",
        reason="",
        peak_bytes=produced.peak_bytes,
        seconds=round(seconds, 3),
    )
    return schema.Sidecar(
        schema=SIDECAR_SCHEMA,
        job_id=job_id,
        finished=finished,
        source=source,
        request=request,
        defaults=[schema.DefaultsRecord.model_validate(folder) for folder in defaults],
        regenerated_from=regenerated_from,
        caption=produced.text if isinstance(request, records.CaptionRecord) else None,
        candidates=[schema.CandidateRecord.model_validate(one) for one in produced.candidates],
        ranked_by=produced.ranked_by,
        benchmark=benchmark_result(run, produced.earlier) if (run := produced.benchmark) is not None else None,
        model=schema.ModelRecord(name=produced.model, sha256=produced.model_sha256),
        ingredients=[schema.IngredientRecord.model_validate(file) for file in produced.ingredients],
        prompt_windows=produced.windows,
        seeds=_seeds(request),
        device=produced.device,
        dtype=produced.dtype,
        rung=produced.rung,
        variant=produced.variant,
        levers=list(produced.levers),
        batch_size=produced.batch_size,
        node=produced.node,
        processor=schema.ProcessorRecord.model_validate(produced.processor) if produced.processor else None,
        attempts=len(failed) + 1,
        tried=[*failed, last],
        timing_s=timing_s,
        peak_bytes=produced.peak_bytes,
        outputs=outputs,
        warnings=[*produced.warnings, *warnings],
        versions=dict(produced.versions),
        text=text,
        parts=[_part_record(part) for part in produced.parts],
        match=schema.MatchRecord.model_validate(produced.match) if produced.match is not None else None,
    )


def _part_record(part: JobPart) -> schema.PartRecord:
    return schema.PartRecord(
        task=task_name(part.request),
        model=schema.ModelRecord(name=part.model, sha256=part.model_sha256),
        device=part.device,
        rung=part.rung,
        seconds=part.seconds,
        caption=part.text if isinstance(part.request, CaptionRequest) else None,
        scores=list(part.scores),
    )


def _seeds(request: records.RequestRecord) -> list[int]:
    """The seed of a picture, or of the words of a caption."""
    if isinstance(request, records.CaptionRecord):
        return [request.sampling.seed] if request.sampling is not None else []
    return [request.seed] if isinstance(request, records.GenerateRecord) else []


def report(
    failure: Failure,
    problems: tuple[Problem, ...],
    *,
    job_id: str,
    failed: str,
    source: schema.SourceRecord,
    attempts: int,
    tried: Iterable[Attempt] = (),
) -> schema.FailureReport:
    """The document beside a failed file."""
    return schema.FailureReport(
        schema=FAILURE_SCHEMA,
        job_id=job_id,
        failed=failed,
        source=source,
        kind=failure.kind,
        reason=failure.message,
        mend=failure.mend,
        problems=[str(problem) for problem in problems],
        attempts=attempts,
        tried=[attempt_record(attempt) for attempt in tried],
    )


def attempt_record(attempt: Attempt) -> schema.AttemptRecord:
    """The record of an attempt that failed."""
    return schema.AttemptRecord(
        device=attempt.device,
        device_name=attempt.device_name,
        rung=attempt.rung,
        batch_size=attempt.batch,
        outcome=attempt.kind,
        reason=attempt.reason,
        peak_bytes=attempt.peak_bytes,
        seconds=round(attempt.seconds, 3),
    )
