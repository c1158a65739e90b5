"""What jobs ask for, as data that every layer shares. In: nothing. Out: requests, and what follows from them alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeAlias, assert_never

from aura_daemon.jobs.caption_files import AskedCaptionFile, CaptionFile, CaptionPlace, text_beside
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.speed import Speed


class JobKind(StrEnum):
    """The kind of a job, which decides its engine."""

    GENERATE = "generate"
    CAPTION = "caption"
    """Something is found out about an image: a caption, an answer, how well texts fit it."""
    GRID = "grid"
    """Pictures of other jobs on one sheet; no file can ask for a sheet alone."""
    BENCHMARK = "benchmark"
    """How fast pictures or captions are made on this machine."""
    DATASET = "dataset"
    """The captions of a set of pictures, put together; no file can ask for that alone."""
    UPSCALE = "upscale"
    """A picture is enlarged by a model."""


class ImageFormat(StrEnum):
    """Of a picture in the outbox; the extension too."""

    PNG = "png"
    JPG = "jpg"
    WEBP = "webp"
    AVIF = "avif"


class Metadata(StrEnum):
    """What is embedded in a picture: settings and origin, the origin alone (IPTC digital source type), nothing."""

    FULL = "full"
    MINIMAL = "minimal"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """A LoRA (a small change to a model), by its name in the configured folder."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hires:
    """A second pass: the picture is enlarged by `scale` and drawn anew with `strength`, 0 (unchanged) to 1 (new)."""

    scale: float = 2.0
    strength: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureCheck:
    """How well a picture fits its prompt is found out, and which of several is kept."""

    verify: float | None = None
    """How well it has to fit, 0 to 1, or it is drawn anew; 0: it is only told; None: the best is kept, nothing more."""
    tries: int | None = None
    """The most pictures that are drawn to reach that."""
    best_of: int | None = None
    """At least so many pictures are drawn."""
    seed_step: int = 1
    """How far the seeds of two tries lie apart: those between may be the first seeds of other jobs."""
    matched: bool = False
    """Whether a model says how well they fit, as configured when the job was journaled; else their words do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedSettings:
    """What the metadata of a picture that is made again says beyond what a request can hold."""

    image: str
    """The name of the picture as the job file gives it, or its path below the inbox; escaped for display."""
    model: str = ""
    model_hash: str = ""
    version: str = ""
    """Version of the program that made the picture."""
    lost: tuple[str, ...] = ()
    """Settings that could not be taken over, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerateRequest:
    """A picture to draw. None means "the configuration's default, else the model's own" (see `config.engine`)."""

    prompt: str
    negative_prompt: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None
    seed: int | None = None
    """None only until the job is journaled: the daemon draws a seed then, so that every attempt has the same noise."""
    aspect_ratio: str | None = None
    width: int | None = None
    """Pixels; with `height` it overrides `aspect_ratio`."""
    height: int | None = None
    model: str | None = None
    """One of the models that the configuration allows."""
    speed: Speed | None = None
    loras: tuple[Lora, ...] = ()
    image: str | None = None
    """The name of an image to start from; the bytes of image and mask are handed over beside the request."""
    mask: str | None = None
    """The name of an image that is white where `image` is drawn anew."""
    strength: float | None = None
    """How much of the image is drawn anew, from 0 (nothing) to 1 (all)."""
    hires: Hires | None = None
    clip_skip: int | None = None
    """Where the text encoder stops, counted as A1111 counts: 1 uses all layers, 2 leaves the last one out."""
    format: ImageFormat | None = None
    quality: int | None = None
    """Quality in a lossy format, 1 to 100."""
    metadata: Metadata | None = None
    preview: int = 0
    """A small picture shows the progress after every so many steps; 0: none."""
    output: str | None = None
    """The name of the result: a template for `jobfile.keys.output_name`."""
    tags: tuple[str, ...] = ()
    notes: str = ""
    embedded: EmbeddedSettings | None = None
    """Settings of the picture that is made again; None for every other job."""
    variant: str = ""
    """How the picture was computed that a sidecar asks for again; empty: as is usual here."""
    described: str | None = None
    """The name of the image whose caption `{caption}` in a text stands for; that of `image` where there is one."""
    follows: str | None = None
    """The id of the job whose picture is meant by `described` and `image`."""
    check: PictureCheck | None = None
    """The picture is looked at once it is drawn; None: it is delivered as it is."""
    control: tuple[Control, ...] = ()
    like: tuple[PicturePrompt, ...] = ()
    regions: tuple[Region, ...] = ()
    upscale: Upscale | None = None

    @property
    def further_images(self) -> tuple[str, ...]:
        """The names of the images beside `image` and `mask`, each once; their bytes are handed over by name."""
        maps, pictures = (one.image for one in self.control), (one.image for one in self.like)
        masks = (region.mask for region in self.regions if region.mask is not None)
        return tuple(dict.fromkeys((*maps, *pictures, *masks)))


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionSampling:
    """How the words of a caption are drawn by chance, each by how likely the model finds it."""

    temperature: float = 1.0
    """Below 1 the likely words are likelier still, above 1 the unlikely ones are less so."""
    top_p: float = 0.9
    """Only the likeliest words are drawn whose probabilities add up to this."""
    seed: int | None = None
    """None only until the job is journaled, as that of a picture."""


class Describe(StrEnum):
    """What is said of an image; which of them a captioner can say, its architecture decides."""

    SENTENCE = "sentence"
    DETAILED = "detailed"
    """A long sentence, or a few."""
    PARAGRAPH = "paragraph"
    TAGS = "tags"
    """What is seen, one by one, with a comma between."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionRequest:
    """An image to describe; its bytes are handed over beside the request."""

    image: str | None = None
    """The name that the job file gives; None where the image itself was dropped, or, until the job is journaled, for
    the image that has the name of the job file."""
    prompt: str = ""
    """The beginning of the caption (BLIP's conditional captioning); empty for a free caption."""
    max_new_tokens: int | None = None
    beams: int | None = None
    """How many beginnings are followed up at once; 1 takes the likeliest word each time."""
    sampling: CaptionSampling | None = None
    """None: nothing is drawn by chance."""
    candidates: int | None = None
    """So many captions are written and ranked; the best is the caption."""
    max_words: int | None = None
    """A longer caption is cut; 0: none is."""
    question: str = ""
    """What is asked about the image; then the answer is written, by a model of its own, and not a caption."""
    embed: bool | None = None
    """Whether a copy of the picture is made with the caption in it."""
    caption: AskedCaptionFile | None = None
    """The file that the caption is written to; complete once the job is journaled, None where it is as usual."""
    picture: str = ""
    """The path of the picture below the inbox, where it lay when the job was journaled; empty where it did not."""
    describe: Describe | None = None
    matched: bool = False
    """Whether a model for matching ranks the candidates, as configured when the job was journaled."""
    of_set: bool = False
    """Whether it is one of the pictures of a set, which are read where they lie, and delivered with their captions."""

    @property
    def file(self) -> CaptionFile:
        """The file that the caption is written to."""
        return self.file_over(CaptionFile())

    def file_over(self, configured: CaptionFile) -> CaptionFile:
        """The file that the caption is written to, where another one is configured."""
        return self.caption.over(configured) if self.caption is not None else configured

    @property
    def keeps_picture(self) -> bool:
        """Whether the picture lies beside its caption in the outbox, with the caption in it or as it was."""
        return self.of_set and self.file.place is CaptionPlace.OUTBOX

    @property
    def text_path(self) -> str:
        """The path below the inbox of the picture's text; empty where the picture was not there."""
        return text_beside(self.picture, self.file.extension) if self.picture else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GridRequest:
    """Pictures of other jobs on one sheet, row by row."""

    cells: tuple[str, ...]
    """Ids of the jobs that draw the pictures."""
    columns: int
    column_labels: tuple[str, ...] = ()
    row_labels: tuple[str, ...] = ()
    cell_labels: tuple[str, ...] = ()
    image: str | None = None
    """The name of an image that lies before the pictures."""
    captions: bool = False
    """Whether the label of each picture is the caption that it was drawn from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkRequest:
    """How fast pictures or captions are made: `picture` or `caption` is what every run asks for."""

    picture: GenerateRequest | None = None
    """A blank prompt means one that suits the model; the size is one of `sizes`."""
    caption: CaptionRequest | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    """Width and height in pixels; empty for the model's own size."""
    repeats: int = 3
    """Runs of each size that count, after one to warm up."""
    batch: int = 1
    """Pictures of one run."""

    @property
    def settings(self) -> GenerateRequest | CaptionRequest:
        """What every run asks for."""
        return self.picture or self.caption or CaptionRequest()


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchRequest:
    """How well texts fit an image: a part of other jobs, which no file can ask for alone."""

    texts: tuple[str, ...]
    image: str | None = None
    """The name of the image, for messages; its bytes are handed over beside the request."""
    embed: bool | None = None
    """Whether a copy of the image is made with the text in it that fits best."""
    keeps_picture: bool = False
    """Whether the image lies beside its text in the outbox, as it was where it has no text in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UpscaleRequest:
    """A picture to enlarge; its bytes are handed over beside the request. Also the last part of one that is drawn."""

    image: str | None = None
    """As that of a caption."""
    upscale: Upscale = field(default_factory=Upscale)
    format: ImageFormat | None = None
    quality: int | None = None
    """As those of a picture that is drawn."""
    metadata: Metadata | None = None
    output: str | None = None
    """The name of the result, as that of a picture that is drawn; it has no seed and no prompt."""
    tags: tuple[str, ...] = ()
    notes: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetRequest:
    """The captions of a set of pictures, put together once its jobs have ended (`Job.waits_for` names them)."""

    images: tuple[str, ...]
    """The patterns, as the job file gives them."""
    base: str
    """The folder below the inbox from which the names of the pictures count; empty for the inbox itself."""
    file: CaptionFile
    """The file of each caption."""
    kept: tuple[str, ...] = ()
    """Paths below the inbox of the pictures that had their texts already."""


Request: TypeAlias = (
    GenerateRequest | CaptionRequest | GridRequest | BenchmarkRequest | MatchRequest | DatasetRequest | UpscaleRequest
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegenerateRequest:
    """A picture to make again from the settings in it; becomes a GenerateRequest when the picture has been read."""

    image: str | None = None
    """The name that the job file gives; None for the image that has the name of the job file, or was dropped itself."""
    keys: Mapping[str, object] = field(default_factory=dict)
    """The keys of job file and folder defaults; they override the settings in the picture."""


def kind_of(request: Request) -> JobKind:
    """The kind of job that a request is for."""
    match request:
        case GenerateRequest():
            return JobKind.GENERATE
        case CaptionRequest() | MatchRequest():
            return JobKind.CAPTION
        case GridRequest():
            return JobKind.GRID
        case BenchmarkRequest():
            return JobKind.BENCHMARK
        case DatasetRequest():
            return JobKind.DATASET
        case UpscaleRequest():
            return JobKind.UPSCALE
        case _:
            assert_never(request)


MATCH: Final = "match"
"""What stands for the kind of a comparison, which is a part of other jobs."""


def task_name(request: Request) -> str:
    """What runs, in a word, where a comparison is no caption."""
    return MATCH if isinstance(request, MatchRequest) else kind_of(request).value


def is_question(request: Request) -> bool:
    """Whether an answer is asked for, and not a caption."""
    return isinstance(request, CaptionRequest) and bool(request.question)


def text_of(request: Request) -> str:
    """What a person wrote of it: the prompt of a picture, the question about an image, how its caption begins."""
    if isinstance(request, CaptionRequest):
        return request.question or request.prompt
    return request.prompt if isinstance(request, GenerateRequest) else ""


def shared_fields(source: object, target: type[Any]) -> dict[str, Any]:
    """The values that `source` has for the fields of the dataclass `target`; a None is left out for its default."""
    kinds: tuple[Any, Any] = type(source), target
    values = {name: getattr(source, name) for name in _shared_names(*kinds)}
    return {name: value for name, value in values.items() if value is not None}


@cache
def _shared_names(source: Any, target: Any) -> tuple[str, ...]:
    """The fields of `target` that `source`, a model of pydantic or a class with slots, has too."""
    own = getattr(source, "model_fields", ())
    return tuple(field.name for field in fields(target) if field.name in own or hasattr(source, field.name))
