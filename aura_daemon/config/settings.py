"""Every key of the configuration, with its type, its bounds and its default; those of a subject stand beside it.

`loading` fills the settings from the file, `environment` from variables; config/aura.yaml shows the keys to people. The
docstrings of the classes, and of the enumerations in `engine`, are descriptions in the JSON Schema.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from aura_daemon.config.amounts import Number, NumberOrNull, Whole, no_boolean
from aura_daemon.config.engine import (
    Attention,
    CaptionSettings,
    Device,
    Dtype,
    EngineSettings,
    GenerateSettings,
    Safety,
    TurboSettings,
    UpscaleSettings,
)
from aura_daemon.config.housekeeping import HooksConfig, LogFileConfig, RetentionConfig
from aura_daemon.config.monitoring import HttpConfig, MetricsConfig
from aura_daemon.config.paths import Folder
from aura_daemon.config.workers.keys import WorkersConfig
from aura_daemon.config.workers.shut_in import ShutIn
from aura_daemon.errors import Problem, UserError
from aura_daemon.jobs.caption_files import CaptionExtension, CaptionFile, CaptionPlace, ExistingText
from aura_daemon.jobs.requests import Describe, ImageFormat, Metadata, shared_fields
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.sources import Accept, PromptLines
from aura_daemon.jobs.speed import CaptionEngine, CaptionSpeed, EngineChoice, Speed
from aura_daemon.system.files.xdg_folders import xdg_folder
from aura_daemon.system.sandbox.plan import SandboxMode

PREFIX: Final = "AURA_"
WORKERS: Final = "workers"
"""Folder of the workers' own folders, in the state folder."""

ALLOWED_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR")

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")
_ENGINE: Final = EngineSettings()
"""The defaults of the keys that the engines know too."""

_DAY_S: Final = 86_400


def _seconds(default: float, *, least: float = 0.0, most: float = _DAY_S, what: str) -> Any:
    return Field(default, ge=least, le=most, description=f"a number of seconds from {least:g} to {most:g}: {what}")


def _section(default: BaseModel, what: str, key: str) -> Any:
    variable = f"{PREFIX}{key}__KEY"
    return Field(default, description=f"keys of the {what}, one below the other; a variable holds one key, {variable}")


def _listed(value: object) -> object:
    """Makes lists of `image`, `image, prompt` and `["image"]`, which is how a variable holds a list."""
    if not isinstance(value, str):
        return value
    return [word for word in re.split(r"[\s,\[\]\"']+", value) if word]


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
WholeOrNull = Annotated[int | None, BeforeValidator(no_boolean)]


class TurboConfig(BaseModel):
    """What `speed: turbo` takes for models that bring nothing of their own."""

    model_config = _CONFIG
    lora: str | None = Field(
        None, min_length=1, description="a LoRA: owner/name or owner/name/file on the hub, a folder, a file, or none"
    )
    decoder: str | None = Field(
        None, min_length=1, description="a tiny decoder: owner/name on the hub, a folder, or none"
    )
    steps: WholeOrNull = Field(None, ge=1, le=150, description="a whole number from 1 to 150")
    guidance_scale: NumberOrNull = Field(None, ge=0, le=30, description="a number from 0 to 30")
    scheduler: Scheduler | None = Field(None, description=f"one of {', '.join(Scheduler)}")


_WORKER_FOLDERS: Final = ("loras", "embeddings", "controlnets", "adapters")
"""Keys of folders in which a worker reads."""


class GenerateConfig(BaseModel):
    """The generator."""

    model_config = _CONFIG
    model: str = Field(
        _ENGINE.generate.model,
        min_length=1,
        description="aura-mini, sd-1.4, owner/name on the hub, a folder or a .safetensors file",
    )
    revision: str | None = Field(None, description="a branch, tag or commit on the hub")
    allow_pickle: bool = Field(False, description="true or false: load pickle files, which can run any code")
    steps: WholeOrNull = Field(None, ge=1, le=150, description="a whole number from 1 to 150")
    guidance_scale: NumberOrNull = Field(None, ge=0, le=30, description="a number from 0 to 30")
    scheduler: Scheduler | None = Field(None, description=f"one of {', '.join(Scheduler)}")
    speed: Speed = Field(_ENGINE.generate.speed, description=f"one of {', '.join(Speed)}")
    engine: EngineChoice = Field(_ENGINE.generate.engine, description=f"one of {', '.join(EngineChoice)}")
    turbo: TurboConfig = Field(TurboConfig(), description="keys of what `speed: turbo` takes, one below the other")
    models: tuple[str, ...] = Field((), description="a list of further models that a job may name, as under `model`")
    loras: Folder | None = Field(None, description="a folder of LoRAs (.safetensors), or null")
    embeddings: Folder | None = Field(None, description="a folder of textual inversions (.safetensors), or null")
    controlnets: Folder | None = Field(None, description="a folder of ControlNets (.safetensors or folders), or null")
    adapters: Folder | None = Field(None, description="a folder of IP-Adapters (.safetensors), or null")
    adapter: str | None = Field(None, min_length=1, description="one of the adapters that jobs may name, or null")
    wildcards: Folder | None = Field(None, description="a folder of word lists (.txt) for `__name__`, or null")
    safety: Safety = Field(_ENGINE.generate.safety, description=f"one of {', '.join(Safety)}")
    format: ImageFormat = Field(_ENGINE.generate.format, description=f"one of {', '.join(ImageFormat)}")
    quality: Whole = Field(_ENGINE.generate.quality, ge=1, le=100, description="a whole number from 1 to 100")
    metadata: Metadata = Field(_ENGINE.generate.metadata, description=f"one of {', '.join(Metadata)}")

    def for_worker(self) -> GenerateSettings:
        """The part that a worker gets; the intake has read the word lists before."""
        keys = self.model_dump(exclude={"wildcards", *_WORKER_FOLDERS, "turbo"})
        folders = {key: os.fspath(folder) for key in _WORKER_FOLDERS if (folder := getattr(self, key))}
        return GenerateSettings(**keys, **folders, turbo=TurboSettings(**self.turbo.model_dump()))


class CaptionConfig(BaseModel):
    """The captioner."""

    model_config = _CONFIG
    model: str = Field(
        _ENGINE.caption.model, min_length=1, description="aura-mini, blip-base, owner/name on the hub or a folder"
    )
    revision: str | None = Field(None, description="a branch, tag or commit on the hub")
    allow_pickle: bool = Field(False, description="true or false: load pickle files, which can run any code")
    max_new_tokens: WholeOrNull = Field(None, ge=1, le=200, description="a whole number from 1 to 200")
    beams: WholeOrNull = Field(None, ge=1, le=16, description="a whole number from 1 to 16")
    max_words: WholeOrNull = Field(None, ge=0, le=200, description="a whole number from 0, no limit, to 200")
    question_model: str | None = Field(
        None, min_length=1, description="blip-vqa-base, owner/name on the hub or a folder, or null: no answers"
    )
    embed: bool = Field(
        _ENGINE.caption.embed, description="true or false: also a copy of the picture with the caption in it"
    )
    extension: CaptionExtension = Field(CaptionExtension.TXT, description=f"one of {', '.join(CaptionExtension)}")
    place: CaptionPlace = Field(CaptionPlace.OUTBOX, description=f"one of {', '.join(CaptionPlace)}")
    prefix: str = Field("", max_length=500, description="text of at most 500 characters, before each caption")
    suffix: str = Field("", max_length=500, description="text of at most 500 characters, behind each caption")
    trigger_word: str = Field("", max_length=500, description="text of at most 500 characters, before all")
    existing: ExistingText = Field(ExistingText.KEEP, description=f"one of {', '.join(ExistingText)}")
    describe: Describe = Field(_ENGINE.caption.describe, description=f"one of {', '.join(Describe)}")
    matching_model: str | None = Field(
        None, min_length=1, description="blip-itm-base, owner/name on the hub or a folder, or null: there is none"
    )
    engine: CaptionEngine = Field(_ENGINE.caption.engine, description=f"one of {', '.join(CaptionEngine)}")
    speed: CaptionSpeed = Field(_ENGINE.caption.speed, description=f"one of {', '.join(CaptionSpeed)}")

    def file(self) -> CaptionFile:
        """The file that captions are written to, which no worker knows of."""
        return CaptionFile(**shared_fields(self, CaptionFile))

    def for_worker(self) -> CaptionSettings:
        """The part that a worker gets."""
        return CaptionSettings(**shared_fields(self, CaptionSettings))


class UpscaleConfig(BaseModel):
    """The upscaler."""

    model_config = _CONFIG
    model: str = Field(
        _ENGINE.upscale.model,
        min_length=1,
        description="aura-mini, the name of one in `upscale.folder`, owner/name/file on the hub or a .safetensors file",
    )
    folder: Folder | None = Field(None, description="a folder of further upscalers (.safetensors), or null")

    def for_worker(self) -> UpscaleSettings:
        """The part that a worker gets."""
        return UpscaleSettings(model=self.model, folder=os.fspath(self.folder) if self.folder is not None else None)


class LimitsConfig(BaseModel):
    """What is refused."""

    model_config = _CONFIG
    image_bytes: Whole = Field(
        _ENGINE.max_image_bytes, ge=1000, le=2_000_000_000, description="a number of bytes from 1000 to 2000000000"
    )
    image_pixels: Whole = Field(
        _ENGINE.max_image_pixels, ge=64, le=1_000_000_000, description="a number of pixels from 64 to 1000000000"
    )


class GalleryConfig(BaseModel):
    """The gallery."""

    model_config = _CONFIG
    outbox: bool = Field(True, description="true or false: write `index.html` and `aura-gallery/` into the outbox")
    page_size: Whole = Field(48, ge=10, le=100, description="a whole number of results a page from 10 to 100")


class Settings(BaseModel):
    """Everything that can be configured; paths are absolute."""

    model_config = _CONFIG
    inbox: Folder = Field(Path("inbox"), description="a folder")
    outbox: Folder = Field(Path("outbox"), description="a folder")
    state: Folder | None = Field(None, description="a folder on a local disk, or null")
    accept: Annotated[tuple[Accept, ...], BeforeValidator(_listed)] = Field(
        tuple(Accept), min_length=1, description=f"a list of one or more of {', '.join(Accept)}"
    )
    prompt_lines: PromptLines = Field(PromptLines.AUTO, description=f"one of {', '.join(PromptLines)}")
    sources: Literal["auto", "archive", "delete", "keep"] = Field("auto", description="auto, archive, delete or keep")
    redelivery: Literal["skip", "run"] = Field("skip", description="skip or run")
    existing: Literal["keep", "overwrite"] = Field("keep", description="keep or overwrite")
    settle: Number = _seconds(2, what="unchanged for so long, a file is complete")
    incomplete_after: Number = _seconds(60, what="unchanged for so long, an incomplete file fails")
    reference_wait: Number = _seconds(600, what="how long a job file waits for the image it names")
    pair_wait: Number = _seconds(2, what="how long images wait for their job files, and texts for their pictures")
    companions: Names = Field(
        ("assets",), description="a list of names of folders whose images are only there for job files to name"
    )
    scan_interval: Number = _seconds(60, least=1, what="how often everything is looked at")
    poll_interval: Number = _seconds(5, least=0.5, what="how often everything is looked at where there are no events")
    ignore: Names = Field((), description="a list of globs: names that are never taken")
    take: Names = Field((), description="a list of globs: names that are taken though they look like no jobs")
    device: Device = Field(_ENGINE.device, description=f"one of {', '.join(Device)}")
    dtype: Dtype = Field(_ENGINE.dtype, description=f"one of {', '.join(Dtype)}")
    attention: Attention = Field(_ENGINE.attention, description=f"one of {', '.join(Attention)}")
    threads: WholeOrNull = Field(
        None,
        ge=1,
        le=1024,
        description="a whole number of CPU threads from 1 to 1024, or null: one a core, for small work a single one",
    )
    memory_fraction: NumberOrNull = Field(
        None,
        gt=0,
        le=1,
        description="a share of the GPU's memory, above 0 to 1, or null: 0.95 of 6 GB and less or in WSL2",
    )
    max_split_size_mb: WholeOrNull = Field(
        None, ge=21, le=100_000, description="a whole number of MiB from 21, or null: 128 on 6 GB and less"
    )
    batch: WholeOrNull = Field(
        None, ge=1, le=16, description="a whole number of pictures from 1 to 16, or null: as many as pay"
    )
    climb_after: Whole = Field(_ENGINE.climb_after, ge=1, le=1_000_000, description="a whole number of jobs from 1")
    memory_wait: Number = _seconds(3600, what="how long a job waits for memory that other programs have")
    prestart: Literal["auto", True, False] = Field("auto", description="auto, true or false")
    unload_after: NumberOrNull = _seconds(600, least=1, what="idle for so long, the models are unloaded; or null")
    deadline: Number = _seconds(600, least=1, what="without a sign of life for so long, a worker is ended")
    attempts: Whole = Field(3, ge=1, le=100, description="a whole number from 1 to 100")
    retry_first: Number = _seconds(30, least=0.1, what="the first wait for what is held up")
    retry_at_most: Number = _seconds(3600, least=0.1, what="the longest wait for what is held up")
    sandbox: SandboxMode = Field(SandboxMode.AUTO, description=f"one of {', '.join(SandboxMode)}")
    stop_timeout: Number = _seconds(30, what="how long the running job may take to end on SIGTERM")
    health_interval: Number = _seconds(300, least=10, what="how often outbox/health.json is written without a change")
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description=f"one of {', '.join(ALLOWED_LEVELS)}"
    )
    log_format: Literal["text", "json"] = Field("text", description="text or json")
    log_file: LogFileConfig = _section(LogFileConfig(), "log file", "LOG_FILE")
    generate: GenerateConfig = _section(GenerateConfig(), "generator", "GENERATE")
    caption: CaptionConfig = _section(CaptionConfig(), "captioner", "CAPTION")
    upscale: UpscaleConfig = _section(UpscaleConfig(), "upscaler", "UPSCALE")
    limits: LimitsConfig = _section(LimitsConfig(), "limits", "LIMITS")
    http: HttpConfig = _section(HttpConfig(), "HTTP server", "HTTP")
    metrics: MetricsConfig = _section(MetricsConfig(), "metrics", "METRICS")
    hooks: HooksConfig = _section(HooksConfig(), "hooks", "HOOKS")
    retention: RetentionConfig = _section(RetentionConfig(), "retention", "RETENTION")
    workers: WorkersConfig = _section(WorkersConfig(), "workers", "WORKERS")
    gallery: GalleryConfig = _section(GalleryConfig(), "gallery", "GALLERY")

    @model_validator(mode="after")
    def _first_wait_is_shortest(self) -> Self:
        if self.retry_first > self.retry_at_most:
            first, most = self.retry_first, self.retry_at_most
            raise ValueError(f"retry_first ({first:g}) must not exceed retry_at_most ({most:g})")
        return self

    def engine(self) -> EngineSettings:
        """The part that a worker gets."""
        parts = {
            "generate": self.generate.for_worker(),
            "caption": self.caption.for_worker(),
            "upscale": self.upscale.for_worker(),
        }
        limits = {"max_image_bytes": self.limits.image_bytes, "max_image_pixels": self.limits.image_pixels}
        thumbnails = {"thumbnails": self.gallery.outbox}
        return EngineSettings(**shared_fields(self, EngineSettings) | parts | limits | thumbnails)

    def shut_in(self) -> ShutIn:
        """How far its processes are shut in."""
        state = self.state_folder()
        closed = (str(self.inbox), str(self.outbox), str(state))
        return ShutIn(mode=self.sandbox, folder=str(state / WORKERS), closed=closed)

    @property
    def state_is_managed(self) -> bool:
        """Whether the service manager made the state folder, and says who may enter it."""
        return self.state is None and bool(os.environ.get("STATE_DIRECTORY"))

    def state_folder(self) -> Path:
        """The folder of the journal: as configured, as the service manager sets it, or one for every inbox in XDG's."""
        if self.state is not None:
            return self.state
        managed = os.environ.get("STATE_DIRECTORY")
        if managed:
            return Path(managed.split(":")[0])
        base = xdg_folder("XDG_STATE_HOME", ".local/state")
        if base is None:
            raise UserError([Problem(key="state", message="there is no home folder to put it in: name a folder")])
        identity = hashlib.sha256(os.fsencode(os.path.realpath(self.inbox))).hexdigest()[:12]
        return base / "aura-daemon" / identity
