"""The models of sidecars and failure reports, and so the published schema (`schema sidecar`). In: nothing. Out: models.

The order of the fields is their order in the file; `schema` comes first, so that the first bytes tell what a file is.
The docstrings of the models are published too.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aura_daemon.formats.benchmarks.schema import BenchmarkResultRecord
from aura_daemon.formats.file_types import FAILURE_SCHEMA, SIDECAR_SCHEMA
from aura_daemon.formats.json_document import json_document
from aura_daemon.formats.sidecars.requests import (
    Record,
    RequestRecord,
)
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import EAGER, FailureKind, IngredientKind


class _Page(Record):
    def to_json(self) -> bytes:
        """The file's content: readable, UTF-8, a newline at the end."""
        return json_document(self)


class CandidateRecord(Record):
    """One of the captions that were written."""

    text: str
    score: float


class SourceRecord(Record):
    """The file that asked for it."""

    name: str = Field(description="path below the inbox; bytes that are no text are escaped")
    sha256: str
    bytes: int
    document: int | None = Field(description="which document of a YAML file with several, from 1")


class DefaultsRecord(Record):
    """A `_defaults.yaml` that counted for the job."""

    name: str = Field(description="path below the inbox")
    sha256: str


class IngredientRecord(Record):
    """A file that it was made with, beside the model."""

    kind: IngredientKind
    name: str
    sha256: str


class ModelRecord(Record):
    """The model that did it."""

    name: str
    sha256: str = Field(description="content hash over its weight files")


class ProcessorRecord(Record):
    """The CPU that computed it: other pixels may come of another one, or of another number of threads."""

    name: str
    capability: str = Field(description="the vector instructions that torch used")
    threads: int


class TimingRecord(Record):
    """Seconds, on a monotonic clock."""

    settled: float = Field(description="from first sight to the claim")
    waited: float = Field(description="from the claim to the start of the attempt that worked, without any parts")
    loaded: float = Field(description="loading the model; 0 where it was loaded")
    encoded: float
    denoised: float
    decoded: float
    delivered: float = Field(description="writing the payload, durably")
    total: float = Field(description="from first sight to the payload in the outbox")


class AttemptRecord(Record):
    """One attempt, the last one is the one that worked."""

    device: str = Field(description="empty where the worker ended before it was known")
    device_name: str = Field("", description="of a failed attempt: the model of the worker's card or processor")
    rung: str | None
    batch_size: int
    outcome: str = Field(description="done, or the kind of the failure")
    reason: str = Field(description="why it failed; empty where it did not")
    peak_bytes: int = Field(description="highest memory until then; 0 where it is not known")
    seconds: float


class OutputRecord(Record):
    """One payload file; a consumer behind a sync tool checks size and hash."""

    name: str = Field(description="file beside this sidecar")
    bytes: int
    sha256: str
    width: int | None = Field(description="pixels; null for text, and for a copy in HEIC or AVIF")
    height: int | None


class TextRecord(Record):
    """The text beside the picture."""

    name: str = Field(description="path below the inbox")
    bytes: int
    sha256: str
    is_kept: bool = Field(description="it was there, and stays as it was: the caption is in the outbox")


class PartRecord(Record):
    """One of several runs of a model that a job took."""

    task: JobKind | Literal["match"]
    model: ModelRecord
    device: str
    rung: str
    seconds: float
    caption: str | None = Field(
        None, description="what it said; left out where it drew", exclude_if=lambda value: value is None
    )
    scores: list[float] = Field(
        [], description="of a match: how probably each text is about the picture", exclude_if=lambda value: not value
    )


class TryRecord(Record):
    """One of the pictures that were drawn of the prompt."""

    seed: int
    score: float
    caption: str | None = Field(
        None, description="left out where none was written", exclude_if=lambda value: value is None
    )


class MatchRecord(Record):
    """How well the picture fits its prompt."""

    score: float = Field(description="0 to 1")
    by: Literal["itm", "words"] = Field(
        description="itm: the model for matching, how probably the prompt is about the picture;"
        " words: those of prompt and caption that agree"
    )
    caption: str | None = Field(description="what the captioner says of it; null where it was not asked")
    seed: int
    tries: list[TryRecord] = Field(description="all that were drawn, in their order; one of them is the picture")


class Sidecar(_Page):
    """What was made, from what, by what and how long it took. Present means: the payload is complete."""

    schema_: Literal["aura-daemon/sidecar/1"] = Field(SIDECAR_SCHEMA, alias="schema")
    job_id: str
    finished: str = Field(description="UTC, ISO 8601")
    source: SourceRecord
    request: RequestRecord
    defaults: list[DefaultsRecord] = Field([], description="settings of the source's folders, the nearest first")
    regenerated_from: str | None = Field(None, description="name of the picture whose embedded settings were drawn")
    caption: str | None = Field(description="the caption, for a caption job")
    candidates: list[CandidateRecord] = Field(
        [], description="all captions that it was chosen among, the best first", exclude_if=lambda value: not value
    )
    ranked_by: str = Field("", description="what they were ranked by", exclude_if=lambda value: not value)
    benchmark: BenchmarkResultRecord | None = Field(
        None, description="the figures, for a benchmark; else left out", exclude_if=lambda value: value is None
    )
    model: ModelRecord
    ingredients: list[IngredientRecord] = Field(
        [], description="LoRAs, embeddings, images and decoders it was made with"
    )
    prompt_windows: int = Field(1, description="of 77 tokens each, that the prompt took")
    seeds: list[int]
    device: str
    dtype: str
    rung: str
    variant: str = Field(EAGER, description="how it was computed; eager: by PyTorch as the model is written")
    levers: list[str] = Field([], description="what was done to draw it sooner than its steps take as written")
    batch_size: int
    node: str = Field(
        "",
        description="the machine of a cluster that computed it; left out where that was the daemon's",
        exclude_if=lambda value: not value,
    )
    processor: ProcessorRecord | None = Field(None, description="where a CPU computed it, and how")
    attempts: int
    tried: list[AttemptRecord] = Field([], description="every attempt, in order")
    timing_s: TimingRecord
    peak_bytes: int = Field(description="highest memory of the job: allocator on CUDA, worker's resident size on CPU")
    outputs: list[OutputRecord]
    warnings: list[str]
    versions: dict[str, str]
    text: TextRecord | None = Field(
        None,
        description="the text beside the picture, where the caption was meant for that; else left out",
        exclude_if=lambda value: value is None,
    )
    parts: list[PartRecord] = Field(
        [],
        description="what ran for it, in order, where that was more than one model run",
        exclude_if=lambda value: not value,
    )
    match: MatchRecord | None = Field(
        None,
        description="of a picture that was looked at once it was drawn; else left out",
        exclude_if=lambda value: value is None,
    )


class FailureReport(_Page):
    """Why a file is in `failed/`, in words its owner can act on."""

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
