"""The keys of a benchmark, with their bounds. In: a mapping. Out: a request.

A benchmark of pictures takes the settings of a job that draws, except for those that ask for several pictures, that
name an image, or that are about the result's files; one of captions takes those of a caption.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, create_model

from aura_daemon.jobfile.keys import types
from aura_daemon.jobfile.keys.caption_writing import BOTH_WAYS, WritingKeys
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.seeds import ONE_SEED, OneSeed
from aura_daemon.jobs.requests import BenchmarkRequest, CaptionRequest, GenerateRequest, JobKind, shared_fields
from aura_daemon.jobs.sampling import MOST_PX, MULTIPLE_PX
from aura_daemon.jobs.text_patterns import SPACE
from aura_daemon.problems import shown

BENCHMARK: Final = JobKind.BENCHMARK.value
"""The value of `task`."""

LEAST_PX: Final = 64
MOST_SIZES: Final = 8
MOST_REPEATS: Final = 20
MOST_BATCH: Final = 8

SEED: Final = 42
"""Of the first picture of every run, and of captions drawn by chance: the same each time."""

_OTHER: Final = (
    *("task", "prompt", "seed", "count", "matrix", "grid", "priority", "image", "mask", "strength", "preview"),
    *("output", "tags", "notes", "aspect_ratio", "width", "height", "pick", "verify", "tries", "best_of"),
    *("control", "like", "regions", "upscale"),
)
"""Keys of a job that draws which have another meaning here, or none."""

_SIDE: Final = "(?:6[4-9]|[7-9][0-9]|[1-9][0-9]{2}|1[0-9]{3}|20[0-3][0-9]|204[0-8])"
"""The pattern of a whole number from 64 to 2048."""

_SIZE: Final = rf"^[{SPACE}]*({_SIDE})[{SPACE}]*[xX×][{SPACE}]*({_SIDE})[{SPACE}]*$"

_SIZES: Final = (
    f"a list of at most {MOST_SIZES} sizes, each as 512x768 or the side of a square, {LEAST_PX} to {MOST_PX} pixels;"
    f" they are rounded to multiples of {MULTIPLE_PX}"
)
_TASK: Final = types.TASK_NAMES
_OF: Final = "what is measured: `generate` or `caption`"


def _sizes_of(value: object) -> tuple[tuple[int, int], ...]:
    """The sizes, each once; raises ValueError with what is allowed."""
    listed = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(listed) <= MOST_SIZES:
        raise ValueError(f"holds {len(listed):,} sizes; it must be {_SIZES}")
    return tuple(dict.fromkeys(map(_size_of, listed)))


def _size_of(value: object) -> tuple[int, int]:
    if isinstance(value, str) and (match := re.match(_SIZE, value)) is not None:
        return int(match[1]), int(match[2])
    side = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(side, int) or isinstance(side, bool) or not LEAST_PX <= side <= MOST_PX:
        raise ValueError(f"holds {shown(value)}; it must be {_SIZES}")
    return side, side


_ONE_SIZE: Final = [
    {"type": "string", "pattern": _SIZE},
    {"type": "integer", "minimum": LEAST_PX, "maximum": MOST_PX},
]

Sizes = Annotated[
    tuple[tuple[int, int], ...],
    PlainValidator(_sizes_of),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "minItems": 1, "maxItems": MOST_SIZES, "items": {"anyOf": _ONE_SIZE}},
                *_ONE_SIZE,
                {"type": "null"},
            ]
        }
    ),
]


class BenchmarkKeys(BaseModel, ABC):
    """How fast this machine is with a model."""

    model_config = types.CONFIG
    task: Literal["benchmark"] = Field(description=_TASK)
    repeats: types.Whole = types.whole_field(1, MOST_REPEATS, "runs of each size that count, after one to warm up")
    priority: types.Priority = types.priority_field()

    def request(self) -> BenchmarkRequest:
        """The request for the engine."""
        settings = self.settings()
        inner = {"picture": settings} if isinstance(settings, GenerateRequest) else {"caption": settings}
        return BenchmarkRequest(**shared_fields(self, BenchmarkRequest), **inner)

    @abstractmethod
    def settings(self) -> GenerateRequest | CaptionRequest:
        """What every run asks for."""


class _PictureKeys(BenchmarkKeys):
    """How fast this machine draws."""

    of: Annotated[Literal["generate"], WithJsonSchema({"enum": ["generate", None]})] = Field(
        "generate", description=_OF
    )
    sizes: Sizes = Field((), description=_SIZES)
    batch: types.Whole = types.whole_field(1, MOST_BATCH, "pictures of one run")
    prompt: types.Prompt = Field(
        "",
        description=f"text of at most {types.MOST_PROMPT_CHARACTERS} characters: what is drawn meanwhile",
        json_schema_extra=types.as_text(),
    )
    seed: OneSeed = Field(None, description=ONE_SEED)

    def settings(self) -> GenerateRequest:
        """A picture, without its size."""
        seed = self.seed if self.seed is not None else SEED
        keys = {name: getattr(self, name) for name in _shared} | {"prompt": self.prompt or "blank", "seed": seed}
        return replace(GenerateJob(**keys).request(), prompt=self.prompt)


class CaptionBenchmarkJob(WritingKeys, BenchmarkKeys):
    """How fast this machine captions."""

    model_config = ConfigDict(**types.CONFIG, json_schema_extra=BOTH_WAYS)
    of: Literal["caption"] = Field(description=_OF)
    prompt: types.Beginning = Field(
        "", description="text of at most 500 characters: how the caption begins", json_schema_extra=types.as_text()
    )
    max_new_tokens: types.Whole = types.whole_field(1, 200)

    def settings(self) -> CaptionRequest:
        """A caption of a picture that the worker draws itself."""
        sampling = self.caption_sampling()
        if sampling is not None and sampling.seed is None:
            sampling = replace(sampling, seed=SEED)
        return CaptionRequest(**shared_fields(self, CaptionRequest) | {"sampling": sampling})


_shared: dict[str, Any] = {
    name: (field.annotation, field) for name, field in GenerateJob.model_fields.items() if name not in _OTHER
}

BenchmarkJob: Final[type[_PictureKeys]] = create_model(
    "BenchmarkJob", __base__=_PictureKeys, __doc__=_PictureKeys.__doc__, **_shared
)


def benchmark_model(keys: Mapping[str, object]) -> type[BenchmarkKeys]:
    """The model of a benchmark's keys: pictures or captions are measured."""
    return CaptionBenchmarkJob if keys.get("of") == JobKind.CAPTION else BenchmarkJob
