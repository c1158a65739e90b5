"""The types of the keys' values: text, numbers, ratios, names of images. In: raw values. Out: checked values, errors.

Schema and parser accept the same values, so every rule stands here twice: as a check, and as a pattern for the schema
(`jobs.text_patterns`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema

from aura_daemon.file_names import MOST_NAME_BYTES
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, extension_of
from aura_daemon.formats.plain_text import NOT_TEXT
from aura_daemon.jobs.sampling import MULTIPLE_PX, NATIVE_512
from aura_daemon.jobs.text_patterns import CONTROL, SPACE, alone, in_any_case

TASK_NAMES: Final = "`generate`, `caption`, `upscale`, `regenerate`, `reflect` or `benchmark`"
"""The values of `task`, as schemas tell them."""

MOST_PROMPT_CHARACTERS: Final = 10_000
MOST_NAME_CHARACTERS: Final = 1000
"""Characters of the name of an image, folders included."""

CONFIG: Final = ConfigDict(frozen=True, extra="forbid")

_RATIOS: Final = {ratio: in_any_case(ratio).replace(":", r"[ \t]*[:xX/][ \t]*") for ratio in NATIVE_512}
"""Aspect ratio -> the pattern of its accepted spellings."""

_DRIVE: Final = re.compile(r"[A-Za-z]:[/\\]")
"""The beginning of an absolute path on Windows."""

ANY_TEXT: Final = f"^[^{CONTROL}]*$"
NOT_BLANK: Final = f"^[{SPACE}]*[^{SPACE}{CONTROL}][^{CONTROL}]*$"


def _known_ratio(value: object) -> object:
    """Accepts `16x9`, ` 16 : 9 ` and `auto`."""
    text = value if isinstance(value, str) else ""
    return next((ratio for ratio, pattern in _RATIOS.items() if re.match(alone(pattern), text)), value)


def _text(value: str) -> str:
    """Refuses control characters, and strips the space around text."""
    strange = NOT_TEXT.search(value)
    if strange is not None:
        raise ValueError(f"holds the control character U+{ord(strange[0]):04X}, which no text needs")
    return value.strip()


def _whole(value: object) -> object:
    """Accepts `25.0` as a whole number, as JSON Schema does: some programs write whole numbers so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _word(value: str) -> str:
    if not value:
        raise ValueError("must not be blank")
    return value


def choice_schema(values: Iterable[str], patterns: Iterable[str]) -> WithJsonSchema:
    """The schema of one of some values, in any spelling that a pattern allows, or null."""
    spelling = {"type": "string", "pattern": alone("|".join(patterns))}
    return WithJsonSchema({"anyOf": [{"enum": list(values)}, spelling, {"type": "null"}]})


# Like a JSON Schema, these bounds count the space around a text too.
Prompt = Annotated[str, Field(max_length=MOST_PROMPT_CHARACTERS), AfterValidator(_text)]
Beginning = Annotated[str, Field(max_length=500), AfterValidator(_text)]
Notes = Annotated[str, Field(max_length=2000), AfterValidator(_text)]
Tag = Annotated[str, Field(max_length=100), AfterValidator(_text), AfterValidator(_word)]
Name = Annotated[str, Field(max_length=MOST_NAME_CHARACTERS), AfterValidator(_text), AfterValidator(_word)]
Whole = Annotated[int | None, BeforeValidator(_whole)]
Priority = Annotated[int, BeforeValidator(_whole)]
Ratio = Annotated[
    Literal["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "21:9", "Auto"] | None,
    BeforeValidator(_known_ratio),
    choice_schema(NATIVE_512, _RATIOS.values()),
]


def as_text(pattern: str = ANY_TEXT, *, may_be_null: bool = True) -> dict[str, Any]:
    """The schema of text that may also be written as a number or a boolean."""
    return {"type": ["string", "number", "boolean"] + ["null"] * may_be_null, "pattern": pattern}


def number_field(default: float | None, least: int, most: int, what: str = "", *, kind: str = "a number") -> Any:
    """A key that holds a number; `what` says what for."""
    description = f"{kind} from {least} to {most}" + (f": {what}" if what else "")
    return Field(default, strict=True, ge=least, le=most, description=description)


def whole_field(least: int, most: int, what: str = "") -> Any:
    return number_field(None, least, most, what, kind="a whole number")


MOST_PRIORITY: Final = 1000


def priority_field() -> Any:
    description = f"a whole number from -{MOST_PRIORITY} to {MOST_PRIORITY}: higher runs first, else the oldest"
    null: Any = {"type": ["integer", "null"]}  # null counts as no key
    return Field(0, strict=True, ge=-MOST_PRIORITY, le=MOST_PRIORITY, description=description, json_schema_extra=null)


def size_field() -> Any:
    description = f"a whole number of pixels from 64 to 2048; it is rounded to a multiple of {MULTIPLE_PX}"
    return Field(None, strict=True, ge=64, le=2048, description=description)


def image_path(name: str) -> str:
    """The name of an image with one slash between its parts: `./a//b.png` and `a\\b.png` are `a/b.png`."""
    slashes = name.strip().replace("\\", "/")
    is_complete = not slashes.startswith("/") and not slashes.endswith("/")
    return "/".join(part for part in slashes.split("/") if part not in ("", ".")) if is_complete else slashes


def _stays_below(value: str, *, may_be_several: bool = False) -> str:
    """Refuses anything but the name of an image below the inbox, or of several."""
    value = image_path(value)
    parts = value.split("/")
    if any(not part or part.startswith(".") for part in parts) or _DRIVE.match(value):
        raise ValueError("must name a file below the inbox: no `..`, hidden or absolute path, and no drive")
    if any(len(part.encode()) > MOST_NAME_BYTES for part in parts):
        raise ValueError(f"holds a name of more than {MOST_NAME_BYTES} bytes, which no file has")
    if extension_of(parts[-1]) not in IMAGE_EXTENSIONS and not (may_be_several and stands_for_several(value)):
        raise ValueError(f"must name an image: {', '.join(IMAGE_EXTENSIONS)}")
    return value


def stands_for_several(name: str) -> bool:
    """Whether a name stands for all images that it fits: `photos/*.jpg`."""
    return "*" in name


ImageName = Annotated[str, Field(max_length=MOST_NAME_CHARACTERS), AfterValidator(_text), AfterValidator(_stays_below)]
ImageNames = Annotated[
    str,
    Field(max_length=MOST_NAME_CHARACTERS),
    AfterValidator(_text),
    AfterValidator(partial(_stays_below, may_be_several=True)),
]


def _image_pattern(*, may_be_several: bool = False) -> str:
    """The pattern of an image's path below the inbox, no part of which is hidden or too long."""
    first, further = rf"[^./\\{CONTROL}]", rf"[^/\\{CONTROL}]"
    names = [
        f"{first}{further}{{0,{MOST_NAME_BYTES - 1 - length}}}[.](?:{'|'.join(endings)})"
        for length in (4, 5)
        if (endings := [in_any_case(ending[1:]) for ending in IMAGE_EXTENSIONS if len(ending) == length])
    ]
    here = r"(?:[.][/\\]+)*"
    folders = rf"(?:{first}{further}{{0,{MOST_NAME_BYTES - 1}}}[/\\]+{here})*"
    start = f"[{SPACE}]*(?![{SPACE}]){here}(?!{_DRIVE.pattern}){folders}"
    one = f"{start}(?:{'|'.join(names)})[{SPACE}]*"
    several = rf"(?=.*[*]){start}{first}{further}{{0,{MOST_NAME_BYTES - 1}}}[{SPACE}]*"
    return f"^(?:{one}|{several})$" if may_be_several else f"^{one}$"


def image_field(what: str, *, is_required: bool = False, may_be_several: bool = False) -> Any:
    """A key that names an image; `what` says what for."""
    description = "the name of an image: beside the job file, or anywhere below the inbox with its folders before it"
    default: Any = ... if is_required else None
    pattern = _image_pattern(may_be_several=may_be_several)
    return Field(default, description=f"{description}; {what}", json_schema_extra={"pattern": pattern})
