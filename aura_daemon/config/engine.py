"""The part of the configuration that a worker gets, and what it means for CUDA's memory. In: figures. Out: figures.

What counts for a job comes first from the job, then from the configuration, then from the model (`aura.json` in its
folder), then from the habits of Stable Diffusion 1.x's authors and users (`engines.defaults`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aura_daemon.jobs.requests import Describe, ImageFormat, Metadata
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import CaptionEngine, CaptionSpeed, EngineChoice, Speed


class Device(StrEnum):
    """Where the models run; AUTO takes CUDA where torch finds it, else the CPU. ROCm is CUDA to torch."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    XPU = "xpu"
    """Experimental: we have never run it."""
    MPS = "mps"
    """Experimental: we have never run it."""

    @classmethod
    def _missing_(cls, value: object) -> Device | None:
        return cls.CUDA if value == "gpu" else None


class Attention(StrEnum):
    """How attention is computed."""

    SDPA = "sdpa"
    """torch's own: exact and fast, and the whole matrix is never in memory."""
    XFORMERS = "xformers"
    SLICED = "sliced"
    """The matrix is computed in parts. On a CPU this takes more time and more memory than SDPA (see BENCHMARKS)."""


class Dtype(StrEnum):
    """Number format of the weights; AUTO takes the half precision that the device computes in, else float32."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Safety(StrEnum):
    """What becomes of a picture that the model's own safety checker flags."""

    BLOCK = "block"
    """The picture is made black."""
    BLUR = "blur"
    MARK = "mark"
    """The picture stays as it is, and the sidecar names it as flagged."""
    OFF = "off"
    """Nothing is checked."""


ALIASES: Final = {
    "sd-1.4": "CompVis/stable-diffusion-v1-4",
    "blip-base": "Salesforce/blip-image-captioning-base",
    "blip-large": "Salesforce/blip-image-captioning-large",
    "git-base-coco": "microsoft/git-base-coco",
    "florence-2-base": "florence-community/Florence-2-base",
    "blip-vqa-base": "Salesforce/blip-vqa-base",
    "blip-itm-base": "Salesforce/blip-itm-base-coco",
}
"""Short names of hub models."""

EMBEDDED: Final = "aura-mini"
"""The model inside the package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSettings:
    """Which model an engine loads, and whether it may load pickle files."""

    model: str = EMBEDDED
    """`aura-mini`, a short name, `owner/name` on the hub, a folder in diffusers format or a `.safetensors` file."""
    revision: str | None = None
    """Hub revision; None takes the pinned one of a short name, else `main`."""
    allow_pickle: bool = False

    @property
    def at_turbo(self) -> bool:
        """Whether it is loaded with what makes it draw in a few steps."""
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class TurboSettings:
    """What `speed: turbo` takes for a model that brings nothing of its own; None: what suits Stable Diffusion 1.x."""

    lora: str | None = None
    """A LoRA for few steps: `owner/name`, `owner/name/file` on the hub, a folder or a file; NONE: none is needed."""
    decoder: str | None = None
    """A tiny decoder: `owner/name` on the hub or a folder; NONE: the model's own VAE decodes."""
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: Scheduler | None = None


NONE: Final = "none"
"""A name that stands for no file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerateSettings(ModelSettings):
    """Configuration of the generator; None leaves the choice to the model."""

    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: Scheduler | None = None
    speed: Speed = Speed.BALANCED
    engine: EngineChoice = EngineChoice.AUTO
    turbo: TurboSettings = TurboSettings()
    models: tuple[str, ...] = ()
    """Further models that a job may name."""
    loras: str | None = None
    """Folder of `.safetensors` files."""
    embeddings: str | None = None
    """Folder of textual inversions, `.safetensors` files."""
    controlnets: str | None = None
    """Folder of ControlNets: folders in diffusers format, or `.safetensors` files."""
    adapters: str | None = None
    """Folder of IP-Adapters: `.safetensors` files, each with the folder `image_encoder` beside it."""
    adapter: str | None = None
    """The one that reads pictures whose job names none; None: the only one of the folder, or that of the hub."""
    safety: Safety = Safety.BLOCK
    format: ImageFormat = ImageFormat.PNG
    quality: int = 90
    metadata: Metadata = Metadata.FULL

    @property
    def at_turbo(self) -> bool:
        """Whether `speed` is `turbo`."""
        return self.speed is Speed.TURBO


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionSettings(ModelSettings):
    """Configuration of the captioner; None leaves the choice to the model."""

    max_new_tokens: int | None = None
    beams: int | None = None
    max_words: int | None = None
    embed: bool = False
    """Whether each caption comes with a copy of its picture that has it inside."""
    question_model: str | None = None
    """The model that answers questions, as under `model`; None: questions are refused."""
    describe: Describe = Describe.SENTENCE
    matching_model: str | None = None
    """The model that says how well texts fit images, as under `model`; None: there is none."""
    engine: CaptionEngine = CaptionEngine.AUTO
    speed: CaptionSpeed = CaptionSpeed.BALANCED

    @property
    def answering(self) -> ModelSettings | None:
        """The settings of the model that answers questions; the revision is that of the captioner alone."""
        if self.question_model is None:
            return None
        return ModelSettings(model=self.question_model, allow_pickle=self.allow_pickle)

    @property
    def matching(self) -> ModelSettings | None:
        """The settings of that model, as those of the one that answers."""
        if self.matching_model is None:
            return None
        return ModelSettings(model=self.matching_model, allow_pickle=self.allow_pickle)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpscaleSettings(ModelSettings):
    """Configuration of the upscaler."""

    folder: str | None = None
    """Folder of `.safetensors` files that a job may name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """All a worker needs to know; crosses the process boundary."""

    device: Device = Device.AUTO
    dtype: Dtype = Dtype.AUTO
    attention: Attention = Attention.SDPA
    memory_fraction: float | None = None
    """The share of a GPU's memory to use; None means `SMALL_FRACTION` on small cards and in WSL2, else all of it."""
    max_split_size_mb: int | None = None
    """For CUDA's allocator; None means `SMALL_SPLIT_MB` on small cards, else torch's default."""
    threads: int | None = None
    """Threads of the CPU that compute; None: one a core that this process may use, for small work a single one."""
    climb_after: int = 50
    """How many jobs must succeed before the daemon tries a rung again on which memory ran out."""
    generate: GenerateSettings = GenerateSettings()
    caption: CaptionSettings = CaptionSettings()
    upscale: UpscaleSettings = UpscaleSettings()
    max_image_bytes: int = 100_000_000
    max_image_pixels: int = 250_000_000
    thumbnails: bool = False
    """Whether each result comes with a small picture for the gallery."""
    profiles: str | None = None
    """Folder for what torch's profiler saw of each job; None: the profiler is off."""


SMALL_BYTES: Final = 6_500_000_000
"""The most memory of a small card: 6 GB and less, as cards are sold."""

SMALL_FRACTION: Final = 0.95
SMALL_SPLIT_MB: Final = 128


def memory_fraction(configured: float | None, total_bytes: int, *, may_spill: bool = False) -> float | None:
    """The share of a card's memory that this process may take; None means all of it.

    `may_spill`: the driver gives memory of the host, at a tenth of the speed, where the card's is used up.
    """
    if configured is not None:
        return configured
    return SMALL_FRACTION if may_spill or total_bytes <= SMALL_BYTES else None


def allocator_options(max_split_size_mb: int | None, total_bytes: int | None) -> str:
    """The value of PYTORCH_ALLOC_CONF. `total_bytes`: of the card; None without a card or where it is unknown."""
    if max_split_size_mb is None and total_bytes is not None and total_bytes <= SMALL_BYTES:
        max_split_size_mb = SMALL_SPLIT_MB
    split = f",max_split_size_mb:{max_split_size_mb}" if max_split_size_mb is not None else ""
    return f"expandable_segments:True{split}"
