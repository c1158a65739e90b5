"""Requests with every default filled in: what suffices to make the same again. In: nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from aura_daemon.jobs.caption_files import CaptionFile
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.requests import (
    CaptionSampling,
    Describe,
    GridRequest,
    Hires,
    ImageFormat,
    Lora,
    MatchRequest,
    Metadata,
)
from aura_daemon.jobs.speed import Speed


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedGenerate:
    """A generate request with every default filled in; it suffices to make the same pixels again."""

    prompt: str
    negative_prompt: str
    steps: int
    guidance_scale: float
    scheduler: str
    seed: int
    width: int
    """Pixels, a multiple of 8."""
    height: int
    """Pixels, a multiple of 8; width and height are those before a second pass."""
    model: str | None = None
    """None where the job left the choice to the configuration."""
    speed: Speed = Speed.EXACT
    loras: tuple[Lora, ...] = ()
    image: str | None = None
    mask: str | None = None
    strength: float | None = None
    """None without an image."""
    hires: Hires | None = None
    control: tuple[Control, ...] = ()
    like: tuple[PicturePrompt, ...] = ()
    regions: tuple[Region, ...] = ()
    upscale: Upscale | None = None
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
    beams: int = 1
    """At least as many as `candidates`, unless the words are drawn by chance."""
    sampling: CaptionSampling | None = None
    candidates: int = 1
    max_words: int = 0
    """0: the caption is not cut."""
    question: str = ""
    embed: bool = False
    caption: CaptionFile | None = None
    """None where the file with the caption is as usual."""
    describe: Describe = Describe.SENTENCE

    @property
    def rows(self) -> int:
        """How many captions are written of the image at once."""
        return max(self.beams, self.candidates)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedBenchmark:
    """A benchmark with every default filled in."""

    settings: ResolvedGenerate | ResolvedCaption
    sizes: tuple[tuple[int, int], ...]
    """Empty for captions."""
    repeats: int
    batch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOutPicture:
    """A picture of a set that has no caption, and why."""

    image: str
    """Its path below the inbox, escaped for display."""
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedDataset:
    """A set of pictures, and what became of it."""

    images: tuple[str, ...]
    """The patterns, as the job file gave them."""
    base: str
    """The folder below the inbox from which the names of its pictures count, escaped for display."""
    pictures: int
    captioned: int
    kept: int
    """Pictures that had their texts already."""
    failed: int
    left_out: tuple[LeftOutPicture, ...] = ()
    """Those that failed, the first of many."""
    near_duplicates: tuple[tuple[str, ...], ...] = ()
    """File names of pictures that look alike, the first of many groups."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedUpscale:
    """An enlarged picture with every default filled in."""

    image: str | None
    upscale: Upscale
    """With its scale, and with the side of a tile."""
    format: ImageFormat = ImageFormat.PNG
    quality: int | None = None
    metadata: Metadata = Metadata.FULL
    tags: tuple[str, ...] = ()
    notes: str = ""


Resolved: TypeAlias = (
    ResolvedGenerate
    | ResolvedCaption
    | GridRequest
    | ResolvedBenchmark
    | MatchRequest
    | ResolvedDataset
    | ResolvedUpscale
)
