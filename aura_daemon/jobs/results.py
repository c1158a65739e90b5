"""What came of a job: the request with every gap filled, the payload and how it was made, or the failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from aura_daemon.jobs.requests import GridRequest, Hires, ImageFormat, Lora, Metadata

EAGER: Final = "eager"
"""How results are computed (`variant`) unless something else is said: by PyTorch as the model is written.

Other variants (compiled, quantized, with cached features) give other pixels and take other memory and time.
"""


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
    """Why a job did not work out; `dispatch.retry_policy` decides what follows from it."""

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
    variant: str = EAGER
    text: str = ""
    """The caption, for a caption job."""
    ingredients: tuple[Ingredient, ...] = ()
    windows: int = 1
    """Of 77 tokens each, that the prompt took."""
    warnings: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()


Outcome: TypeAlias = Produced | Failure
