"""The JSON beside every result, and the report beside every failed file. In: job, result, timing. Out: the documents.

What they hold is in `sidecarschema`; how one is read back in `readback`.
"""

from __future__ import annotations

from collections.abc import Iterable

from aura_daemon.errors import Problem
from aura_daemon.formats.file_types import FAILURE_SCHEMA, SIDECAR_SCHEMA
from aura_daemon.formats.sidecar_schema import (
    AttemptRecord,
    CaptionRecord,
    DefaultsRecord,
    FailureReport,
    GenerateRecord,
    GridRecord,
    HiresRecord,
    IngredientRecord,
    LoraRecord,
    ModelRecord,
    OutputRecord,
    Sidecar,
    SourceRecord,
    TimingRecord,
)
from aura_daemon.jobs.requests import GridRequest
from aura_daemon.jobs.results import AppliedDefaults, Failure, Produced, ResolvedCaption
from aura_daemon.ladder.attempts import Attempt


def request_record(produced: Produced) -> GenerateRecord | CaptionRecord | GridRecord:
    """The resolved request as it stands in the sidecar."""
    made = produced.resolved
    if isinstance(made, GridRequest):
        return GridRecord(
            cells=list(made.cells),
            columns=made.columns,
            column_labels=list(made.column_labels),
            row_labels=list(made.row_labels),
            cell_labels=list(made.cell_labels),
        )
    if isinstance(made, ResolvedCaption):
        return CaptionRecord(image=made.image, prompt=made.prompt, max_new_tokens=made.max_new_tokens)
    return GenerateRecord(
        prompt=made.prompt,
        negative_prompt=made.negative_prompt,
        steps=made.steps,
        guidance_scale=made.guidance_scale,
        scheduler=made.scheduler,
        seed=made.seed,
        width=made.width,
        height=made.height,
        model=made.model,
        loras=[LoraRecord(name=lora.name, weight=lora.weight) for lora in made.loras],
        image=made.image,
        mask=made.mask,
        strength=made.strength,
        hires=HiresRecord(scale=made.hires.scale, strength=made.hires.strength) if made.hires is not None else None,
        clip_skip=made.clip_skip,
        format=made.format,
        quality=made.quality,
        metadata=made.metadata,
        preview=made.preview,
        tags=list(made.tags),
        notes=made.notes,
    )


def sidecar(
    produced: Produced,
    *,
    job_id: str,
    finished: str,
    source: SourceRecord,
    tried: Iterable[Attempt],
    seconds: float,
    timing_s: TimingRecord,
    outputs: list[OutputRecord],
    defaults: Iterable[AppliedDefaults] = (),
    regenerated_from: str | None = None,
    warnings: tuple[str, ...] = (),
) -> Sidecar:
    """Everything known about one result; `tried`: what failed before it, `seconds`: what the last attempt took."""
    request = request_record(produced)
    before = [attempt_record(attempt) for attempt in tried]
    last = AttemptRecord(
        device=produced.device,
        rung=produced.rung or None,
        batch_size=produced.batch_size,
        outcome="done",
        reason="",
        peak_bytes=produced.peak_bytes,
        seconds=round(seconds, 3),
    )
    return Sidecar(
        schema=SIDECAR_SCHEMA,
        job_id=job_id,
        finished=finished,
        source=source,
        request=request,
        defaults=[DefaultsRecord(name=one.name, sha256=one.sha256) for one in defaults],
        regenerated_from=regenerated_from,
        caption=produced.text if isinstance(request, CaptionRecord) else None,
        model=ModelRecord(name=produced.model, sha256=produced.model_sha256),
        ingredients=[IngredientRecord(kind=one.kind, name=one.name, sha256=one.sha256) for one in produced.ingredients],
        prompt_windows=produced.windows,
        seeds=[request.seed] if isinstance(request, GenerateRecord) else [],
        device=produced.device,
        dtype=produced.dtype,
        rung=produced.rung,
        batch_size=produced.batch_size,
        attempts=len(before) + 1,
        tried=[*before, last],
        timing_s=timing_s,
        peak_bytes=produced.peak_bytes,
        outputs=outputs,
        warnings=[*produced.warnings, *warnings],
        versions=dict(produced.versions),
    )


def report(
    failure: Failure,
    problems: tuple[Problem, ...],
    *,
    job_id: str,
    failed: str,
    source: SourceRecord,
    attempts: int,
    tried: Iterable[Attempt] = (),
) -> FailureReport:
    """The document beside a failed file."""
    return FailureReport(
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


def attempt_record(attempt: Attempt) -> AttemptRecord:
    """One that failed."""
    return AttemptRecord(
        device=attempt.device,
        rung=attempt.rung,
        batch_size=attempt.batch,
        outcome=attempt.kind,
        reason=attempt.reason,
        peak_bytes=attempt.peak_bytes,
        seconds=round(attempt.seconds, 3),
    )
