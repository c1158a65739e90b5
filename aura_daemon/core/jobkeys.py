"""Every key of a job file, with its bounds. In: a mapping. Out: a request; the published schema (`schema job`).

Schema and parser take the same documents (a property test holds them to it), but for three things that JSON Schema
cannot say: a part of an image's path has at most 255 *bytes*, a number that stands for text has no more digits than
the text may have characters, and not-a-number is no number.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
)

from aura_daemon.core.job import CaptionRequest, GenerateRequest
from aura_daemon.core.names import MOST_NAME_BYTES
from aura_daemon.core.routing import IMAGE_EXTENSIONS, extension_of
from aura_daemon.core.settings import MULTIPLE_PX, NATIVE_512, Scheduler
from aura_daemon.core.spelling import CONTROL, SPACE, alone, in_any_case
from aura_daemon.core.yamltext import NOT_TEXT

MOST_PROMPT_CHARACTERS: Final = 10_000
MOST_NAME_CHARACTERS: Final = 1000
"""Of the image a job file names, folders included."""

TEXT_KEYS: Final = frozenset({"prompt", "negative_prompt", "aspect_ratio", "image"})
"""Keys whose value is taken as written: `prompt: no` and `prompt: 1984` are text."""

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")

_RATIOS: Final = {ratio: in_any_case(ratio).replace(":", r"[ \t]*[:xX/][ \t]*") for ratio in NATIVE_512}
"""Aspect ratio -> the pattern of what is understood as this one."""

_ANY_TEXT: Final = f"^[^{CONTROL}]*$"
_NOT_BLANK: Final = f"^[{SPACE}]*[^{SPACE}{CONTROL}][^{CONTROL}]*$"


def _image_pattern() -> str:
    """An image below the job file's folder; no part of its path is hidden or too long."""
    first, further = rf"[^./\\{CONTROL}]", rf"[^/\\{CONTROL}]"
    names = [
        f"{first}{further}{{0,{MOST_NAME_BYTES - 1 - length}}}[.](?:{'|'.join(endings)})"
        for length in (4, 5)
        if (endings := [in_any_case(ending[1:]) for ending in IMAGE_EXTENSIONS if len(ending) == length])
    ]
    folders = f"(?:{first}{further}{{0,{MOST_NAME_BYTES - 1}}}/)*"
    return f"^[{SPACE}]*(?![{SPACE}]){folders}(?:{'|'.join(names)})[{SPACE}]*$"


def _known_ratio(value: object) -> object:
    """`16x9`, ` 16 : 9 ` and `auto` are understood."""
    text = value if isinstance(value, str) else ""
    return next((ratio for ratio, pattern in _RATIOS.items() if re.match(alone(pattern), text)), value)


def _text(value: str) -> str:
    """Text without what no text holds and without the space around it."""
    strange = NOT_TEXT.search(value)
    if strange is not None:
        raise ValueError(f"holds the control character U+{ord(strange[0]):04X}, which no text needs")
    return value.strip()


def _whole(value: object) -> object:
    """`25.0` is a whole number, as JSON Schema has it: programs write one so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Text = Annotated[str, AfterValidator(_text)]
_Whole = Annotated[int | None, BeforeValidator(_whole)]
_Priority = Annotated[int, BeforeValidator(_whole)]
_Ratio = Annotated[
    Literal["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "21:9", "Auto"] | None,
    BeforeValidator(_known_ratio),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(NATIVE_512)},
                {"type": "string", "pattern": alone("|".join(_RATIOS.values()))},
                {"type": "null"},
            ]
        }
    ),
]
_Generate = Annotated[Literal["generate"], WithJsonSchema({"enum": ["generate", None]})]
_Caption = Annotated[Literal["caption"], WithJsonSchema({"enum": ["caption", None]})]


def _as_text(pattern: str, *, may_be_null: bool = True) -> dict[str, Any]:
    """What the schema says of text: it may be written as a number or a boolean."""
    return {"type": ["string", "number", "boolean"] + ["null"] * may_be_null, "pattern": pattern}


MOST_PRIORITY: Final = 1000


def _priority_field() -> Any:
    description = f"a whole number from -{MOST_PRIORITY} to {MOST_PRIORITY}: higher runs first, else the oldest"
    return Field(0, strict=True, ge=-MOST_PRIORITY, le=MOST_PRIORITY, description=description)


def _size_field() -> Any:
    description = f"a whole number of pixels from 64 to 2048; it is rounded to a multiple of {MULTIPLE_PX}"
    return Field(None, strict=True, ge=64, le=2048, description=description)


class GenerateJob(BaseModel):
    """A picture of a prompt."""

    model_config = _CONFIG
    task: _Generate = Field("generate", description="`generate` or `caption`")
    prompt: _Text = Field(
        min_length=1,
        max_length=MOST_PROMPT_CHARACTERS,
        description=f"text of 1 to {MOST_PROMPT_CHARACTERS} characters: what to draw",
        json_schema_extra=_as_text(_NOT_BLANK, may_be_null=False),
    )
    negative_prompt: _Text = Field(
        "",
        max_length=MOST_PROMPT_CHARACTERS,
        description=f"text of at most {MOST_PROMPT_CHARACTERS} characters",
        json_schema_extra=_as_text(_ANY_TEXT),
    )
    aspect_ratio: _Ratio = Field(
        None, description=f"one of {', '.join(NATIVE_512)}; `width` and `height` give any other size"
    )
    width: _Whole = _size_field()
    height: _Whole = _size_field()
    steps: _Whole = Field(None, strict=True, ge=1, le=150, description="a whole number from 1 to 150")
    guidance_scale: float | None = Field(None, strict=True, ge=0, le=30, description="a number from 0 to 30")
    scheduler: Scheduler | None = Field(None, description=f"one of {', '.join(Scheduler)}")
    seed: _Whole = Field(None, strict=True, ge=0, lt=2**63, description="a whole number from 0 to 2**63 - 1")
    priority: _Priority = _priority_field()

    @field_validator("prompt")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value:
            raise ValueError("must say what to draw; it is blank")
        return value

    def request(self) -> GenerateRequest:
        """What the engine is asked for."""
        return GenerateRequest(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            scheduler=self.scheduler,
            seed=self.seed,
            aspect_ratio=self.aspect_ratio,
            width=self.width,
            height=self.height,
        )


class CaptionJob(BaseModel):
    """A caption of an image."""

    # A prompt with an image and no task could mean either.
    model_config = ConfigDict(
        **_CONFIG,
        json_schema_extra={
            "anyOf": [
                {"properties": {"task": {"const": "caption"}}, "required": ["task"]},
                {"properties": {"prompt": {"type": "null"}, "image": {"type": "string"}}, "required": ["image"]},
            ]
        },
    )
    task: _Caption = Field("caption", description="`generate` or `caption`")
    image: _Text | None = Field(
        None,
        max_length=MOST_NAME_CHARACTERS,
        description="the name of an image: beside the job file, or anywhere below the inbox with its folders before it;"
        " without it the image that is called as the job file",
        json_schema_extra={"pattern": _image_pattern()},
    )
    prompt: _Text = Field(
        "",
        max_length=500,
        description="text of at most 500 characters: how the caption begins",
        json_schema_extra=_as_text(_ANY_TEXT),
    )
    max_new_tokens: _Whole = Field(None, strict=True, ge=1, le=200, description="a whole number from 1 to 200")
    priority: _Priority = _priority_field()

    @field_validator("image")
    @classmethod
    def _stays_below(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = value.split("/")
        if "\\" in value or any(not part or part.startswith(".") for part in parts):
            raise ValueError("must name a file below the inbox: no `..`, hidden, absolute or `\\` path")
        if any(len(part.encode()) > MOST_NAME_BYTES for part in parts):
            raise ValueError(f"holds a name of more than {MOST_NAME_BYTES} bytes, which no file has")
        if extension_of(parts[-1]) not in IMAGE_EXTENSIONS:
            raise ValueError(f"must name an image: {', '.join(IMAGE_EXTENSIONS)}")
        return value

    def request(self) -> CaptionRequest:
        """What the engine is asked for."""
        return CaptionRequest(image=self.image, prompt=self.prompt, max_new_tokens=self.max_new_tokens)


def job_schema() -> dict[str, Any]:
    """JSON Schema of one document of a job file."""
    generate, caption = GenerateJob.model_json_schema(), CaptionJob.model_json_schema()
    definitions = {**generate.pop("$defs", {}), **caption.pop("$defs", {})}
    return {
        "$id": "urn:aura-daemon:job:1",
        "title": "aura-daemon job",
        "description": "One document of a job file.",
        "anyOf": [generate, caption],
        "examples": [{"prompt": "a lighthouse at dawn, oil painting", "aspect_ratio": "16:9"}],
        "$defs": definitions,
    }
