"""What results from a job: the resolved request, the payloads and how they were made, or the failure. In: nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from aura_daemon.errors import with_mend
from aura_daemon.jobs.benchmarks import BenchmarkRun
from aura_daemon.jobs.parts import JobPart
from aura_daemon.jobs.picture_copies import PictureCopy
from aura_daemon.jobs.requests import (
    Request,
)
from aura_daemon.jobs.resolved import Resolved

EAGER: Final = "eager"
"""The usual `variant`, the way in which results are computed: PyTorch runs the model as it is written.

Other variants (compiled, quantized, with cached features) give other pixels, and take other memory and time.
"""

OPENVINO: Final = "openvino"
"""The variant in which OpenVINO computes the UNet, or looks at pictures; `OPENVINO_INT8` does it in 8 bits."""

OPENVINO_INT8: Final = "openvino-int8"


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionCandidate:
    """One of several captions that were written of an image."""

    text: str
    score: float
    """By what, `Produced.ranked_by` says; higher is better."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureTry:
    """One of the pictures that were drawn of a prompt."""

    seed: int
    score: float
    """How well it fits, 0 to 1."""
    caption: str | None
    """What the captioner says of it; None where it was not asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureMatch:
    """How well a picture fits its prompt."""

    score: float
    by: Literal["itm", "words"]
    """A model for matching, or the words of prompt and caption."""
    caption: str | None
    seed: int
    tries: tuple[PictureTry, ...]
    """All that were drawn, in their order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AppliedDefaults:
    """A file of folder defaults that was used for a job."""

    name: str
    """Path below the inbox, escaped for display."""
    sha256: str


class FailureKind(StrEnum):
    """The kind of a failure; `dispatch.retry_policy` decides what follows from it."""

    BAD_INPUT = "bad_input"
    """The file is at fault: the same bytes fail again."""
    MODEL_UNAVAILABLE = "model_unavailable"
    """The model is not on this machine and cannot be fetched now: the job waits."""
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    """The worker process ended during the job."""
    INTERRUPTED = "interrupted"
    """The worker process was ended from outside, through no fault of the job: it is queued again, uncounted."""
    DEADLINE = "deadline"
    """The job ran past its deadline and its worker was ended."""
    UNEXPECTED = "unexpected"
    """An unforeseen exception; its traceback is in the log."""
    CANCELLED = "cancelled"
    """The user cancelled the job (`aura-daemon cancel`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A failure as text; it holds no exception object, because a live exception keeps tensors in memory."""

    kind: FailureKind
    message: str
    """One line: what happened, with the figures."""
    mend: str = ""
    """One line: what the user can do."""

    @property
    def told(self) -> str:
        """What happened and what the user can do, as sentences."""
        return with_mend(self.message, self.mend)


CANCELLED: Final = Failure(
    kind=FailureKind.CANCELLED,
    message="it was cancelled",
    mend="`aura-daemon retry` with its name runs it after all; so does moving the file back into the inbox.",
)
"""The failure of a job that the user cancelled."""


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
    """Seconds that each stage took in the worker; `loaded_s` is 0 where the model was already loaded."""

    loaded_s: float = 0.0
    encoded_s: float = 0.0
    """From prompt or image to embeddings."""
    denoised_s: float = 0.0
    decoded_s: float = 0.0
    """From latents to an image file, or from embeddings to text."""
    checked_s: float = 0.0
    """The part of `decoded_s` that the safety checker took."""
    filed_s: float = 0.0
    """The part of `decoded_s` in which the pixels became a file."""


class IngredientKind(StrEnum):
    """What a result was made with, beside the model."""

    LORA = "lora"
    EMBEDDING = "embedding"
    IMAGE = "image"
    MASK = "mask"
    CONTROL_IMAGE = "control_image"
    CONTROLNET = "controlnet"
    PICTURE_PROMPT = "picture_prompt"
    """A picture that what was drawn was to be like."""
    ADAPTER = "adapter"
    """The model that reads such pictures."""
    REGION_MASK = "region_mask"
    UPSCALER = "upscaler"
    TURBO_LORA = "turbo_lora"
    """A LoRA for few steps."""
    DECODER = "decoder"
    """A tiny decoder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingredient:
    """One file that a result was made with."""

    kind: IngredientKind
    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Processor:
    """What computed a result on the CPU: sums are split over threads and vectors, and rounded accordingly."""

    name: str
    capability: str
    """The vector instructions that torch uses: `AVX2`, `AVX512`."""
    threads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Produced:
    """The result of one job from an engine, with everything needed to repeat it."""

    payloads: tuple[Payload, ...]
    resolved: Resolved
    model: str
    """The name as configured: `aura-mini`, `sd-1.4`, `owner/name` or a path."""
    model_sha256: str
    """Hash of the contents of the weight files in use."""
    device: str
    dtype: str
    rung: str
    batch_size: int
    timing: EngineTiming
    peak_bytes: int
    """Highest memory while the job ran: of the allocator on CUDA, the worker's resident size on the CPU."""
    variant: str = EAGER
    levers: tuple[str, ...] = ()
    """What was done to draw it sooner than its steps take as written, in words; pixels depend on it."""
    node: str = ""
    """The machine on which it was made; empty: the daemon's."""
    processor: Processor | None = None
    """None on another device than the CPU, and where no model computed."""
    text: str = ""
    """The caption of a caption job."""
    ingredients: tuple[Ingredient, ...] = ()
    windows: int = 1
    """Number of windows of 77 tokens that the prompt takes."""
    warnings: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    benchmark: BenchmarkRun | None = None
    """What a benchmark measured; its payloads are made of that and `earlier` before they are delivered."""
    earlier: tuple[BenchmarkRun, ...] = ()
    """Earlier benchmarks of the same model, the oldest first."""
    candidates: tuple[CaptionCandidate, ...] = ()
    """Of a caption that was chosen among several, the best first."""
    ranked_by: str = ""
    """What the candidates were ranked by, in words."""
    thumbnail: bytes = field(default=b"", repr=False)
    """A small WebP of the picture that was drawn or described, for the gallery; empty where none was wanted or made."""
    copy: PictureCopy | None = None
    """The described picture with its caption in it; it becomes a payload when the result is published."""
    parts: tuple[JobPart, ...] = ()
    """What ran for it, where the job took several parts."""
    scores: tuple[float, ...] = ()
    """How probably each text of a comparison is about the picture, 0 to 1."""
    match: PictureMatch | None = None
    """Of a picture that was looked at once it was drawn."""
    is_hidden: bool = False
    """Whether the safety checker had the picture made black or blurred."""


def part_of(request: Request, produced: Produced, *, seconds: float) -> JobPart:
    """A part that is done, of what came of it."""
    return JobPart(
        request=request,
        model=produced.model,
        model_sha256=produced.model_sha256,
        device=produced.device,
        rung=produced.rung,
        seconds=round(seconds, 3),
        text=produced.text,
        texts=tuple(one.text for one in produced.candidates),
        scores=produced.scores,
        is_hidden=produced.is_hidden,
        warnings=produced.warnings,
    )


Outcome: TypeAlias = Produced | Failure
