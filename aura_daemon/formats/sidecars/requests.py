"""What was asked for, as sidecars hold it. In: resolved requests. Out: keys of JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from aura_daemon.jobs.caption_files import CaptionExtension, CaptionPlace, ExistingText
from aura_daemon.jobs.guidance.controls import ControlledPass, ControlMode, Preparation
from aura_daemon.jobs.requests import Describe, ImageFormat, Metadata
from aura_daemon.jobs.speed import Speed


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class LoraRecord(Record):
    """One LoRA."""

    name: str
    weight: float


class HiresRecord(Record):
    """The second pass."""

    scale: float
    strength: float


class ControlRecord(Record):
    """One map, and the ControlNet that read it."""

    image: str
    model: str
    weight: float
    start: float
    end: float
    mode: ControlMode
    prepare: Preparation
    hires: ControlledPass


class PicturePromptRecord(Record):
    """A picture that what was drawn was to be like."""

    image: str
    weight: float
    model: str | None


class RegionRecord(Record):
    """A part of the picture with a prompt of its own."""

    prompt: str
    weight: float
    box: list[float] | None
    mask: str | None


class UpscaleRecord(Record):
    """How the picture was enlarged."""

    model: str | None = Field(description="where the job named one")
    scale: float | None = Field(description="times the width and height")
    tile: int | None = Field(description="pixels of the side of a tile, before it was enlarged")


class GenerateRecord(Record):
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
    control: list[ControlRecord] = Field([], description="maps that guided it")
    like: list[PicturePromptRecord] = Field([], description="pictures that it was to be like")
    regions: list[RegionRecord] = Field([], description="parts with a prompt of their own")
    upscale: UpscaleRecord | None = Field(None, description="how it was enlarged")
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


class SamplingRecord(Record):
    """How words were drawn by chance."""

    temperature: float
    top_p: float
    seed: int


class CaptionFileRecord(Record):
    """The file that the caption was meant for; `text` says where it went."""

    extension: CaptionExtension
    place: CaptionPlace
    prefix: str
    suffix: str
    trigger_word: str
    existing: ExistingText = Field(description="what becomes of a text that the picture had")


class CaptionRecord(Record):
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


class GridRecord(Record):
    """Which pictures lie on the sheet, row by row."""

    task: Literal["grid"] = "grid"
    cells: list[str] = Field(description="ids of the jobs whose pictures they are")
    columns: int
    column_labels: list[str]
    row_labels: list[str]
    cell_labels: list[str] = Field([], description="where columns and rows have none")


class BenchmarkRecord(Record):
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


class LeftOutRecord(Record):
    """A picture of a set without a caption."""

    image: str = Field(description="below the inbox")
    reason: str


class DatasetRecord(Record):
    """A set of pictures, and what became of it."""

    task: Literal["dataset"] = "dataset"
    images: list[str] = Field(description="the patterns, as the job file gave them")
    base: str = Field(description="the folder below the inbox from which the names of the pictures count")
    pictures: int
    captioned: int
    kept: int = Field(description="pictures that had their texts already")
    failed: int
    left_out: list[LeftOutRecord] = Field([], description="those that failed, at most 100")
    near_duplicates: list[list[str]] = Field([], description="groups of pictures that look alike, at most 100")


class EnlargementRecord(Record):
    """Everything the enlarged picture was made from, but for the image itself."""

    task: Literal["upscale"] = "upscale"
    image: str | None = Field(description="name the job file referred to; null where the image itself was dropped")
    upscale: UpscaleRecord
    format: ImageFormat = ImageFormat.PNG
    quality: int | None = Field(None, description="of a lossy format", exclude_if=lambda value: value is None)
    metadata: Metadata = Metadata.FULL
    tags: list[str] = Field([], description="as the job said", exclude_if=lambda value: not value)
    notes: str = Field("", description="as the job said", exclude_if=lambda value: not value)


RequestRecord: TypeAlias = Annotated[
    GenerateRecord | CaptionRecord | GridRecord | BenchmarkRecord | DatasetRecord | EnlargementRecord,
    Field(discriminator="task"),
]
