"""The nouns of the trade: what is asked for, what came of it. In: nothing. Out: frozen data that every layer shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, TypeAlias, assert_never

from aura_daemon.file_names import escaped


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
class EmbeddedSettings:
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
    """A prompt to draw. None means "the configuration's default, else the model's own" (see `config.engine`)."""

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
    """What the result is called: a template for `jobfile.keys.output_name`."""
    tags: tuple[str, ...] = ()
    notes: str = ""
    embedded: EmbeddedSettings | None = None
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


def shared_fields(source: object, target: type[Any]) -> dict[str, Any]:
    """The values that `source` has for the fields of the dataclass `target`; a None is left out for its default."""
    values = {field.name: getattr(source, field.name, None) for field in fields(target)}
    return {name: value for name, value in values.items() if value is not None}


def batch_key(request: Request) -> Request | None:
    """What requests have in common that can run in one batch; None for a request that runs alone.

    Pictures may differ in prompt, seed and file format, and in nothing that the UNet sees. A starting image, a mask or
    a second pass would have to be of the other pictures' size, so requests with one run alone. Captions may differ in
    their image.
    """
    match request:
        case CaptionRequest():
            return replace(request, image=None)
        case GridRequest():
            return None
        case GenerateRequest():
            if request.image is not None or request.hires is not None:
                return None
            return replace(
                request,
                prompt="",
                negative_prompt="",
                seed=None,
                format=None,
                quality=None,
                metadata=None,
                preview=0,
                output=None,
                tags=(),
                notes="",
                embedded=None,
            )
        case _:  # pragma: no cover
            assert_never(request)


def demand_of(request: Request) -> str:
    """All of a request that says how much memory it takes, in words."""
    match request:
        case CaptionRequest():
            return "caption"
        case GridRequest():
            return "grid"
        case GenerateRequest():
            return " ".join(["generate", *_said(request)])
        case _:  # pragma: no cover
            assert_never(request)


def _said(request: GenerateRequest) -> list[str]:
    said = [request.model or ""]
    if request.width is not None or request.height is not None:
        said.append(f"{request.width or 'native'}x{request.height or 'native'}")
    else:
        said.append(request.aspect_ratio or "")
    if request.image is not None:
        said.append(f"from {escaped(request.image)}")
    if request.hires is not None:
        said.append(f"then {request.hires.scale:g} times as large")
    if request.guidance_scale is not None:
        said.append("guided" if request.guidance_scale > 1 else "unguided")
    return [word for word in said if word]
