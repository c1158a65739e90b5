"""The models of sidecars and failure reports, and so the published schema (`schema sidecar`). In: nothing. Out: models.

The order of the fields is their order in the file; `schema` comes first, so that the first bytes tell what a file is.
The docstrings of the models are published too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from aura_daemon.formats.benchmarks.schema import BenchmarkResultRecord
from aura_daemon.formats.file_types import FAILURE_SCHEMA, SIDECAR_SCHEMA
from aura_daemon.formats.json_document import json_document
from aura_daemon.jobs.caption_files import CaptionExtension, CaptionPlace, ExistingText
from aura_daemon.jobs.requests import Describe, ImageFormat, JobKind, Metadata
from aura_daemon.jobs.results import EAGER, FailureKind, IngredientKind
from aura_daemon.jobs.speed import Speed


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class _Page(_Record):
    def to_json(self) -> bytes:
        """The file's content: readable, UTF-8, a newline at the end."""
        return json_document(self)


class LoraRecord(_Record):
    """One LoRA."""

    name: str
    weight: float


class HiresRecord(_Record):
    """The second pass."""

    scale: float
    strength: float


class GenerateRecord(_Record):
    """Everything the picture was made from; what was not asked for is left out."""

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
    speed: Speed = Field(Speed.EXACT, description="how much the picture may differ for the sake of speed")
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


class SamplingRecord(_Record):
    """How words were drawn by chance."""

    temperature: float
    top_p: float
    seed: int


class CandidateRecord(_Record):
    """One of the captions that were written."""

    text: str
    score: float


class CaptionFileRecord(_Record):
    """The file that the caption was meant for; `text` says where it went."""

    extension: CaptionExtension
    place: CaptionPlace
    prefix: str
    suffix: str
    trigger_word: str
    existing: ExistingText = Field(description="what becomes of a text that the picture had")


class CaptionRecord(_Record):
    """Everything the caption was made from, but for the image itself; ways that were not taken are left out."""

    task: Literal["caption"] = "caption"
    image: str | None = Field(description="name the job file referred to; null where the image itself was dropped")
    prompt: str = Field(description="how the caption had to begin")
    max_new_tokens: int
    beams: int = Field(1, description="beginnings that were followed up at once", exclude_if=lambda value: value == 1)
    sampling: SamplingRecord | None = Field(
        None, description="how words were drawn by chance", exclude_if=lambda value: value is None
    )
    candidates: int = Field(1, description="captions that were written", exclude_if=lambda value: value == 1)
    max_words: int = Field(0, description="a longer caption was cut", exclude_if=lambda value: value == 0)
    question: str = Field(
        "", description="what was asked about the image; the caption is the answer", exclude_if=lambda value: not value
    )
    embed: bool = Field(
        False,
        description="with a copy of the picture that has the caption in it",
        exclude_if=lambda value: not value,
    )
    caption: CaptionFileRecord | None = Field(
        None, description="left out where it is as usual", exclude_if=lambda value: value is None
    )
    describe: Describe = Field(
        Describe.SENTENCE, description="what was said of it", exclude_if=lambda value: value is Describe.SENTENCE
    )


class GridRecord(_Record):
    """Which pictures lie on the sheet, row by row."""

    task: Literal["grid"] = "grid"
    cells: list[str] = Field(description="ids of the jobs whose pictures they are")
    columns: int
    column_labels: list[str]
    row_labels: list[str]
    cell_labels: list[str] = Field([], description="where columns and rows have none")


class BenchmarkRecord(_Record):
    """What was measured: the keys of a job file that measures it again."""

    task: Literal["benchmark"] = "benchmark"
    of: Literal["generate", "caption"]
    repeats: int = Field(description="runs of each size that count")
    sizes: list[str] | None = Field(None, description="width and height in pixels, such as 512x512")
    batch: int | None = Field(None, description="pictures of one run")
    prompt: str
    negative_prompt: str | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None
    seed: int | None = None
    model: str | None = Field(None, description="where the job named one")
    speed: Speed | None = None
    loras: list[LoraRecord] | None = None
    hires: HiresRecord | None = None
    clip_skip: int | None = None
    format: ImageFormat | None = None
    quality: int | None = None
    metadata: Metadata | None = None
    max_new_tokens: int | None = None
    beams: int | None = None
    sampling: SamplingRecord | None = None
    candidates: int | None = None

    @model_serializer(mode="wrap")
    def _without_keys_of_the_other_kind(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None}


RequestRecord: TypeAlias = Annotated[
    GenerateRecord | CaptionRecord | GridRecord | BenchmarkRecord, Field(discriminator="task")
]


class SourceRecord(_Record):
    """The file that asked for it."""

    name: str = Field(description="path below the inbox; bytes that are no text are escaped")
    sha256: str
    bytes: int
    document: int | None = Field(description="which document of a YAML file with several, from 1")


class DefaultsRecord(_Record):
    """A `_defaults.yaml` that counted for the job."""

    name: str = Field(description="path below the inbox")
    sha256: str


class IngredientRecord(_Record):
    """A file that it was made with, beside the model."""

    kind: IngredientKind
    name: str
    sha256: str


class ModelRecord(_Record):
    """The model that did it."""

    name: str
    sha256: str = Field(description="content hash over its weight files")


class ProcessorRecord(_Record):
    """The CPU that computed it: other pixels may come of another one, or of another number of threads."""

    name: str
    capability: str = Field(description="the vector instructions that torch used")
    threads: int


class TimingRecord(_Record):
    """Seconds, on a monotonic clock."""

    settled: float = Field(description="from first sight to the claim")
    waited: float = Field(description="from the claim to the start of the attempt that worked")
    loaded: float = Field(description="loading the model; 0 where it was loaded")
    encoded: float
    denoised: float
    decoded: float
    delivered: float = Field(description="writing the payload, durably")
    total: float = Field(description="from first sight to the payload in the outbox")


class AttemptRecord(_Record):
    """One attempt, the last one is the one that worked."""

    device: str = Field(description="empty where the worker ended before it was known")
    rung: str | None
    batch_size: int
    outcome: str = Field(description="done, or the kind of the failure")
    reason: str = Field(description="why it failed; empty where it did not")
    peak_bytes: int = Field(description="highest memory until then; 0 where it is not known")
    seconds: float


class OutputRecord(_Record):
    """One payload file; a consumer behind a sync tool checks size and hash."""

    name: str = Field(description="file beside this sidecar")
    bytes: int
    sha256: str
    width: int | None = Field(description="pixels; null for text, and for a copy in HEIC or AVIF")
    height: int | None


class TextRecord(_Record):
    """The text beside the picture."""

    name: str = Field(description="path below the inbox")
    bytes: int
    sha256: str
    is_kept: bool = Field(description="it was there, and stays as it was: the caption is in the outbox")


class PartRecord(_Record):
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


class TryRecord(_Record):
    """One of the pictures that were drawn of the prompt."""

    seed: int
    score: float
    caption: str | None = Field(
        None, description="left out where none was written", exclude_if=lambda value: value is None
    )


class MatchRecord(_Record):
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
