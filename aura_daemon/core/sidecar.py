"""The JSON beside every result, and the report beside every failed file. In: job, result, timing. Out: the documents.

A sidecar is a job file too: dropped into the inbox it asks for the same pixels again. The models below are the
published schema (`aura-daemon schema sidecar`); field order is the order in the file, `schema` first for routing.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from aura_daemon.core.asked import validated
from aura_daemon.core.attempts import Attempt
from aura_daemon.core.catalogue import Catalogue
from aura_daemon.core.job import (
    AppliedDefaults,
    Failure,
    FailureKind,
    GridRequest,
    ImageFormat,
    IngredientKind,
    Metadata,
    Produced,
    Request,
    ResolvedCaption,
)
from aura_daemon.core.problems import capped, cut
from aura_daemon.core.routing import FAILURE_SCHEMA, SIDECAR_SCHEMA
from aura_daemon.errors import Problem

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")


class LoraRecord(BaseModel):
    """One LoRA."""

    model_config = _CONFIG
    name: str
    weight: float


class HiresRecord(BaseModel):
    """The second pass."""

    model_config = _CONFIG
    scale: float
    strength: float


class GenerateRecord(BaseModel):
    """Everything the picture was made from; what was not asked for is left out."""

    model_config = _CONFIG
    task: Literal["generate"] = "generate"
    prompt: str
    negative_prompt: str
    steps: int
    guidance_scale: float
    scheduler: str
    seed: int
    width: int = Field(description="pixels")
    height: int = Field(description="pixels")
    model: str | None = Field(None, description="where the job named one")
    loras: list[LoraRecord] = Field([], description="applied, in this order")
    image: str | None = Field(None, description="name of the image it started from")
    mask: str | None = Field(None, description="name of the mask")
    strength: float | None = Field(None, description="how much of the image was drawn anew, 0 to 1")
    hires: HiresRecord | None = Field(None, description="the second pass")
    clip_skip: int = Field(1, description="2: the text encoder's last layer was left out")
    format: ImageFormat = ImageFormat.PNG
    quality: int | None = Field(None, description="of a lossy format")
    metadata: Metadata = Metadata.FULL
    preview: int = Field(0, description="steps between previews")
    tags: list[str] = Field([], description="as the job said")
    notes: str = Field("", description="as the job said")

    @model_serializer(mode="wrap")
    def _without_what_was_not_asked_for(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        defaults = {name: field.default for name, field in type(self).model_fields.items() if name != "task"}
        return {name: value for name, value in serialize(self).items() if value != defaults.get(name, ...)}


class CaptionRecord(BaseModel):
    """Everything the caption was made from, but for the image itself."""

    model_config = _CONFIG
    task: Literal["caption"] = "caption"
    image: str | None = Field(description="name the job file referred to; null where the image itself was dropped")
    prompt: str = Field(description="how the caption had to begin")
    max_new_tokens: int


class GridRecord(BaseModel):
    """Which pictures lie on the sheet, row by row."""

    model_config = _CONFIG
    task: Literal["grid"] = "grid"
    cells: list[str] = Field(description="ids of the jobs whose pictures they are")
    columns: int
    column_labels: list[str]
    row_labels: list[str]
    cell_labels: list[str] = Field([], description="where columns and rows have none")


RequestRecord: TypeAlias = Annotated[GenerateRecord | CaptionRecord | GridRecord, Field(discriminator="task")]


class SourceRecord(BaseModel):
    """The file that asked for it."""

    model_config = _CONFIG
    name: str = Field(description="path below the inbox; bytes that are no text are escaped")
    sha256: str
    bytes: int
    document: int | None = Field(description="which document of a YAML file with several, from 1")


class DefaultsRecord(BaseModel):
    """A `_defaults.yaml` that counted for the job."""

    model_config = _CONFIG
    name: str = Field(description="path below the inbox")
    sha256: str


class IngredientRecord(BaseModel):
    """A file that it was made with, beside the model."""

    model_config = _CONFIG
    kind: IngredientKind
    name: str
    sha256: str


class ModelRecord(BaseModel):
    """The model that did it."""

    model_config = _CONFIG
    name: str
    sha256: str = Field(description="content hash over its weight files")


class TimingRecord(BaseModel):
    """Seconds, on a monotonic clock."""

    model_config = _CONFIG
    settled: float = Field(description="from first sight to the claim")
    waited: float = Field(description="from the claim to the start of the attempt that worked")
    loaded: float = Field(description="loading the model; 0 where it was loaded")
    encoded: float
    denoised: float
    decoded: float
    delivered: float = Field(description="writing the payload, durably")
    total: float = Field(description="from first sight to the payload in the outbox")


class AttemptRecord(BaseModel):
    """One attempt, the last one is the one that worked."""

    model_config = _CONFIG
    device: str = Field(description="empty where the worker ended before it was known")
    rung: str | None
    batch_size: int
    outcome: str = Field(description="done, or the kind of the failure")
    reason: str = Field(description="why it failed; empty where it did not")
    peak_bytes: int = Field(description="highest memory until then; 0 where it is not known")
    seconds: float


class OutputRecord(BaseModel):
    """One payload file; a consumer behind a sync tool checks size and hash."""

    model_config = _CONFIG
    name: str = Field(description="file beside this sidecar")
    bytes: int
    sha256: str
    width: int | None = Field(description="pixels; null for text")
    height: int | None


class Sidecar(BaseModel):
    """What was made, from what, by what and how long it took. Present means: the payload is complete."""

    model_config = _CONFIG
    schema_: Literal["aura-daemon/sidecar/1"] = Field(SIDECAR_SCHEMA, alias="schema")
    job_id: str
    finished: str = Field(description="UTC, ISO 8601")
    source: SourceRecord
    request: RequestRecord
    defaults: list[DefaultsRecord] = Field([], description="settings of the source's folders, the nearest first")
    regenerated_from: str | None = Field(None, description="name of the picture whose embedded settings were drawn")
    caption: str | None = Field(description="the caption, for a caption job")
    model: ModelRecord
    ingredients: list[IngredientRecord] = Field([], description="LoRAs, textual inversions and images it was made with")
    prompt_windows: int = Field(1, description="of 77 tokens each, that the prompt took")
    seeds: list[int]
    device: str
    dtype: str
    rung: str
    batch_size: int
    attempts: int
    tried: list[AttemptRecord] = Field([], description="every attempt, in order")
    timing_s: TimingRecord
    peak_bytes: int = Field(description="highest memory of the job: allocator on CUDA, worker's resident size on CPU")
    outputs: list[OutputRecord]
    warnings: list[str]
    versions: dict[str, str]

    def to_json(self) -> bytes:
        """The file's content: readable, UTF-8, a newline at the end."""
        return (self.model_dump_json(by_alias=True, indent=2) + "\n").encode()


class FailureReport(BaseModel):
    """Why a file is in `failed/`, in words its owner can act on."""

    model_config = _CONFIG
    schema_: Literal["aura-daemon/failure/1"] = Field(FAILURE_SCHEMA, alias="schema")
    job_id: str
    failed: str = Field(description="UTC, ISO 8601")
    source: SourceRecord
    kind: FailureKind
    reason: str
    mend: str
    problems: list[str] = Field(description="everything that is wrong with the file, one line each")
    attempts: int
    tried: list[AttemptRecord] = Field([], description="every attempt, in order")
    retry: str = "Move the file back into the inbox to try again; this report can be deleted."

    def to_json(self) -> bytes:
        """The file's content."""
        return (self.model_dump_json(by_alias=True, indent=2) + "\n").encode()


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


MOST_BYTES: Final = 1 << 20

MOST_SIGNS: Final = 40_000
"""Commas and brackets, those in texts too, so that nothing huge is built; a sidecar has about a hundred, and one whose
prompts, tags and notes are all commas 27,000."""


def parse(content: bytes, *, file: str, catalogue: Catalogue | None = None) -> Sidecar | tuple[Problem, ...]:
    """A sidecar read back, or what is wrong with it; what it asks for is held to the rules of a job file.

    Its texts are as they were drawn: nothing in them is expanded. Without a catalogue any name will do.
    """
    if len(content) > MOST_BYTES or sum(map(content.count, (b",", b"{", b"["))) > MOST_SIGNS:
        return (
            Problem(file=file, message=f"this is no complete sidecar of schema {SIDECAR_SCHEMA}: it holds too much"),
        )
    try:
        document = Sidecar.model_validate_json(content.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        faults = [
            Problem(
                file=file,
                key=cut(".".join(str(part) for part in fault["loc"])),
                message=f"this is no complete sidecar of schema {SIDECAR_SCHEMA}: {cut(fault['msg'].lower(), 200)}",
            )
            for fault in error.errors(include_url=False, include_input=False)
        ]
        return capped(faults, file=file)
    asked = _asked(document, catalogue)
    return document if not isinstance(asked, tuple) else tuple(replace(problem, file=file) for problem in asked)


def request_of(document: Sidecar) -> Request:
    """What to ask for to make the same again. A caption's image is looked for under its source's name."""
    asked = _asked(document)
    if isinstance(asked, tuple):
        raise ValueError(f"a sidecar that `parse` lets through asks for something: {asked[0]}")
    return asked


def _asked(document: Sidecar, catalogue: Catalogue | None = None) -> Request | tuple[Problem, ...]:
    """The sidecar as a job file would say it."""
    if isinstance(document.request, GridRecord):
        message = "a sheet of pictures is made again with them: give the job file that asked for it"
        return (Problem(file="", message=message),)
    keys = document.request.model_dump()
    if isinstance(document.request, GenerateRecord):  # left out as the usual, which is not what a configuration says
        keys |= {"format": document.request.format, "metadata": document.request.metadata}
    if isinstance(document.request, CaptionRecord):
        keys["image"] = document.request.image or document.source.name.rpartition("/")[2]
    asked = validated(keys, file="", catalogue=catalogue)
    return asked if isinstance(asked, tuple) else asked.request


def differences(document: Sidecar, produced: Produced) -> tuple[str, ...]:
    """Why the same pixels cannot be promised, one line each; empty where everything that counts is the same."""
    now = {
        "model": (document.model.sha256, produced.model_sha256),
        "device": (document.device, produced.device),
        "dtype": (document.dtype, produced.dtype),
        "rung": (document.rung, produced.rung),
        "batch size": (str(document.batch_size), str(produced.batch_size)),
    }
    made_with = [IngredientRecord(kind=one.kind, name=one.name, sha256=one.sha256) for one in produced.ingredients]
    now["set of files"] = (_files(document.ingredients), _files(made_with))
    versions = dict(produced.versions)
    for name in ("torch", "diffusers", "transformers"):
        now[f"{name} version"] = (document.versions.get(name, "unknown"), versions.get(name, "unknown"))
    return tuple(
        f"made again with another {name} than the sidecar's ({before} then, {after} now): pixels may differ"
        for name, (before, after) in now.items()
        if before != after
    )


def _files(ingredients: Iterable[IngredientRecord]) -> str:
    """What it was made with, in one line."""
    return ", ".join(f"{one.kind} {one.name} {one.sha256[:12]}" for one in ingredients) or "none"
