"""The nouns of the trade: what is asked for, what came of it. In: nothing. Out: frozen data that every layer shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias, assert_never


class JobKind(StrEnum):
    """Which engine a job goes to."""

    GENERATE = "generate"
    CAPTION = "caption"
    GRID = "grid"
    """Pictures of other jobs on one sheet; no file can ask for it alone."""


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
    """A small change to a model, by its name in the configured folder."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hires:
    """A second pass: the picture enlarged by `scale`, and drawn anew with `strength`, 0 (as it is) to 1 (all new)."""

    scale: float = 2.0
    strength: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedded:
    """What a picture that is made again says of itself, beyond what can be asked for."""

    image: str
    """Its name, as the job file gives it, or its path below the inbox; fit to be shown."""
    model: str = ""
    model_hash: str = ""
    version: str = ""
    """Of the program that made it."""
    lost: tuple[str, ...] = ()
    """What could not be taken over, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerateRequest:
    """A prompt to draw. None means "the configuration's default, else the model's own" (see `core.settings`)."""

    prompt: str
    negative_prompt: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None
    seed: int | None = None
    """None only until the job is journaled: the daemon draws one then, so that every attempt has the same noise."""
    aspect_ratio: str | None = None
    width: int | None = None
    """Pixels; with `height`, overrides `aspect_ratio`."""
    height: int | None = None
    model: str | None = None
    """One of those that the configuration allows."""
    loras: tuple[Lora, ...] = ()
    image: str | None = None
    """The name of an image to start from; its bytes travel beside the request, as those of the mask do."""
    mask: str | None = None
    """The name of an image that is white where the other one is drawn anew."""
    strength: float | None = None
    """Of the image how much is drawn anew: 0 (nothing) to 1 (all)."""
    hires: Hires | None = None
    clip_skip: int | None = None
    """Layers of the text encoder that are left out, counted as A1111 does: 1 is none, 2 the last one."""
    format: ImageFormat | None = None
    quality: int | None = None
    """Of a lossy format, 1 to 100."""
    metadata: Metadata | None = None
    preview: int = 0
    """A small picture of how far it is after every so many steps; 0: none."""
    output: str | None = None
    """What the result is called: a template for `core.templates`."""
    tags: tuple[str, ...] = ()
    notes: str = ""
    embedded: Embedded | None = None
    """Of the picture that is made again; None for every other job."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionRequest:
    """An image to describe. The bytes travel beside the request."""

    image: str | None = None
    """The name a job file refers to; None where the image itself was dropped, or, until the job is journaled, for the
    image that is called as the job file."""
    prompt: str = ""
    """How the caption begins (BLIP's conditional captioning); empty for a free caption."""
    max_new_tokens: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GridRequest:
    """Pictures of other jobs on one sheet, row by row."""

    cells: tuple[str, ...]
    """Ids of the jobs."""
    columns: int
    column_labels: tuple[str, ...] = ()
    row_labels: tuple[str, ...] = ()
    cell_labels: tuple[str, ...] = ()


Request: TypeAlias = GenerateRequest | CaptionRequest | GridRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class RegenerateRequest:
    """A picture to be made again from the settings in it: a GenerateRequest as soon as the picture has been read."""

    image: str | None = None
    """The name a job file gives; None for the image that is called as the job file, or was dropped itself."""
    keys: Mapping[str, object] = field(default_factory=dict)
    """What job and folders say; it counts for more than what the picture says."""


def kind_of(request: Request) -> JobKind:
    """The engine a request goes to."""
    match request:
        case GenerateRequest():
            return JobKind.GENERATE
        case CaptionRequest():
            return JobKind.CAPTION
        case GridRequest():
            return JobKind.GRID
        case _:
            assert_never(request)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedGenerate:
    """A generate request with every default filled in: enough to make the same pixels again."""

    prompt: str
    negative_prompt: str
    steps: int
    guidance_scale: float
    scheduler: str
    seed: int
    width: int
    """Pixels, a multiple of 8."""
    height: int
    """Pixels, a multiple of 8; before the second pass, where there is one."""
    model: str | None = None
    """None where the job left the choice to the configuration."""
    loras: tuple[Lora, ...] = ()
    image: str | None = None
    mask: str | None = None
    strength: float | None = None
    """None without an image."""
    hires: Hires | None = None
    clip_skip: int = 1
    format: ImageFormat = ImageFormat.PNG
    quality: int | None = None
    """None for a format without loss."""
    metadata: Metadata = Metadata.FULL
    preview: int = 0
    tags: tuple[str, ...] = ()
    notes: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedCaption:
    """A caption request with every default filled in."""

    image: str | None
    prompt: str
    max_new_tokens: int


Resolved: TypeAlias = ResolvedGenerate | ResolvedCaption | GridRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class AppliedDefaults:
    """A folder's settings that counted for a job."""

    name: str
    """Path below the inbox, fit to be shown."""
    sha256: str


class FailureKind(StrEnum):
    """Why a job did not work out; `core.recovery` decides what follows from it."""

    BAD_INPUT = "bad_input"
    """The file's own fault: the same bytes fail again."""
    MODEL_UNAVAILABLE = "model_unavailable"
    """The model is neither here nor to be fetched now: the job waits."""
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    """The worker process died under the job."""
    DEADLINE = "deadline"
    """The job ran past its deadline and its worker was ended."""
    UNEXPECTED = "unexpected"
    """An exception nobody foresaw; its traceback is in the log."""
    CANCELLED = "cancelled"
    """Somebody said so (`aura-daemon cancel`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What went wrong, as text: no exception object, because a live one keeps tensors alive."""

    kind: FailureKind
    message: str
    """One line: what happened, with the figures."""
    mend: str = ""
    """One line: what the user can do about it."""


CANCELLED: Final = Failure(
    kind=FailureKind.CANCELLED,
    message="it was cancelled",
    mend="`aura-daemon retry` with its name runs it after all; so does moving the file back into the inbox.",
)
"""What a job ends with that somebody cancelled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """One file for the outbox."""

    extension: str
    """With the dot: `.png`."""
    content: bytes = field(repr=False)
    width: int | None = None
    """Pixels; None for text."""
    height: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineTiming:
    """Seconds each stage took in the worker; `loaded_s` is 0 when the model was there already."""

    loaded_s: float = 0.0
    encoded_s: float = 0.0
    """Prompt to embeddings, or image to embeddings."""
    denoised_s: float = 0.0
    decoded_s: float = 0.0
    """Latents to image file, or embeddings to text."""


class IngredientKind(StrEnum):
    """What a result was made with, beside the model."""

    LORA = "lora"
    EMBEDDING = "embedding"
    IMAGE = "image"
    MASK = "mask"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingredient:
    """One file of it."""

    kind: IngredientKind
    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Produced:
    """What an engine made of one job, with all that makes it repeatable."""

    payloads: tuple[Payload, ...]
    resolved: Resolved
    model: str
    """The name as configured, `aura-mini`, `sd-1.4`, `owner/name` or a path."""
    model_sha256: str
    """Content hash over the weight files in use."""
    device: str
    dtype: str
    rung: str
    batch_size: int
    timing: EngineTiming
    peak_bytes: int
    """Highest memory while the job ran: the device's allocator on CUDA, resident size of the worker on the CPU."""
    text: str = ""
    """The caption, for a caption job."""
    ingredients: tuple[Ingredient, ...] = ()
    windows: int = 1
    """Of 77 tokens each, that the prompt took."""
    warnings: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()


Outcome: TypeAlias = Produced | Failure
