"""What a job file may say. In: bytes of a job file or prompt text. Out: requests, or every problem of every document.

The two models below are the published schema (`aura-daemon schema job`); their descriptions are the error messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from aura_daemon.core import yamltext
from aura_daemon.core.job import CaptionRequest, GenerateRequest, JobKind, Request
from aura_daemon.core.problems import nearest, problems_of, shown
from aura_daemon.core.settings import NATIVE_512, Scheduler
from aura_daemon.core.yamltext import Document, Unreadable
from aura_daemon.errors import Problem

MOST_PROMPT_CHARACTERS: Final = 10_000
TEXT_KEYS: Final = frozenset({"prompt", "negative_prompt", "aspect_ratio", "image"})
"""Keys whose value is taken as written: `prompt: no` and `prompt: 1984` are text."""

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")
_RATIO_BY_KEY: Final = {ratio.casefold(): ratio for ratio in NATIVE_512}


def _known_ratio(value: object) -> object:
    """`16x9`, ` 16 : 9 ` and `auto` are understood."""
    if not isinstance(value, str):
        return value
    key = value.casefold().replace(" ", "").replace("x", ":").replace("/", ":")
    return _RATIO_BY_KEY.get(key, value)


def _size_field(side: str) -> Any:
    return Field(
        None,
        strict=True,
        ge=64,
        le=2048,
        description=f"a whole number of pixels from 64 to 2048; the {side}, rounded to a multiple of 8",
    )


class GenerateJob(BaseModel):
    """A picture of a prompt."""

    model_config = _CONFIG
    task: Literal["generate"] = Field("generate", description="`generate` or `caption`")
    prompt: str = Field(
        min_length=1,
        max_length=MOST_PROMPT_CHARACTERS,
        description=f"text of 1 to {MOST_PROMPT_CHARACTERS} characters: what to draw",
    )
    negative_prompt: str = Field(
        "",
        max_length=MOST_PROMPT_CHARACTERS,
        description=f"text of at most {MOST_PROMPT_CHARACTERS} characters",
    )
    aspect_ratio: Annotated[
        Literal["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "21:9", "Auto"] | None,
        BeforeValidator(_known_ratio),
    ] = Field(None, description=f"one of {', '.join(NATIVE_512)}")
    width: int | None = _size_field("width")
    height: int | None = _size_field("height")
    steps: int | None = Field(None, strict=True, ge=1, le=150, description="a whole number from 1 to 150")
    guidance_scale: float | None = Field(None, strict=True, ge=0, le=30, description="a number from 0 to 30")
    scheduler: Scheduler | None = Field(None, description=f"one of {', '.join(Scheduler)}")
    seed: int | None = Field(None, strict=True, ge=0, lt=2**63, description="a whole number from 0 to 2**63 - 1")

    @field_validator("prompt")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must say what to draw; it is blank")
        return value.strip()

    def request(self) -> GenerateRequest:
        """What the engine is asked for."""
        return GenerateRequest(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt.strip(),
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

    model_config = _CONFIG
    task: Literal["caption"] = Field("caption", description="`generate` or `caption`")
    image: str = Field(description="the name of an image beside the job file, or in a folder below it")
    prompt: str = Field("", max_length=500, description="text of at most 500 characters: how the caption begins")
    max_new_tokens: int | None = Field(None, strict=True, ge=1, le=200, description="a whole number from 1 to 200")

    @field_validator("image")
    @classmethod
    def _stays_below(cls, value: str) -> str:
        parts = value.split("/")
        if "\\" in value or any(not part or part.startswith(".") for part in parts):
            raise ValueError("must name a file beside the job file or below it: no `..`, hidden, absolute or `\\` path")
        return value

    def request(self) -> CaptionRequest:
        """What the engine is asked for."""
        return CaptionRequest(image=self.image, prompt=self.prompt.strip(), max_new_tokens=self.max_new_tokens)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedJob:
    """One job of a file, with its own bytes, so that it can be handed back alone."""

    request: Request
    text: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """All jobs of a file, at least one."""

    jobs: tuple[ParsedJob, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """Everything that is wrong with a file; none of its jobs is run."""

    problems: tuple[Problem, ...]


ParseResult: TypeAlias = Parsed | Rejected


def parse_job_file(content: bytes, *, file: str) -> ParseResult:
    """A YAML job file; `file` is its name for the problems."""
    read = yamltext.parse(content, file=file, text_keys=TEXT_KEYS)
    if isinstance(read, Unreadable):
        return Rejected(problems=read.problems)
    jobs: list[ParsedJob] = []
    problems: list[Problem] = []
    for document in read.documents:
        found = _validated(document, file)
        if isinstance(found, tuple):
            problems.extend(found)
        else:
            jobs.append(ParsedJob(request=found, text=document.text.encode()))
    return Rejected(problems=tuple(problems)) if problems else Parsed(jobs=tuple(jobs))


def parse_prompt_text(content: bytes, *, file: str) -> ParseResult:
    """A text file that is one prompt."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        prompt = content.decode(encoding).strip()
    except UnicodeDecodeError:
        return Rejected(problems=(Problem(file=file, message="the file is no text: save it as UTF-8"),))
    if not prompt:
        return Rejected(problems=(Problem(file=file, message="the file is blank; it should hold a prompt"),))
    if len(prompt) > MOST_PROMPT_CHARACTERS:
        message = f"the prompt has {len(prompt):,} characters; at most {MOST_PROMPT_CHARACTERS:,} are allowed"
        return Rejected(problems=(Problem(file=file, message=message),))
    return Parsed(jobs=(ParsedJob(request=GenerateRequest(prompt=prompt), text=content),))


def _validated(document: Document, file: str) -> Request | tuple[Problem, ...]:
    mapping = document.mapping
    task = mapping.get("task", "caption" if "image" in mapping and "prompt" not in mapping else "generate")
    if task not in tuple(JobKind):
        message = f"must be one of {', '.join(JobKind)}"
        line = document.lines.get("task")
        suggestion = nearest(str(task), JobKind)
        return (Problem(file=file, line=line, key="task", message=message, given=shown(task), suggestion=suggestion),)
    model: type[GenerateJob | CaptionJob] = GenerateJob if task == JobKind.GENERATE else CaptionJob
    try:
        # `key:` with nothing behind it is as good as no key, as far as the schema knows the key.
        given = {key: value for key, value in mapping.items() if value is not None or key not in model.model_fields}
        return model.model_validate(given).request()
    except ValidationError as error:
        found = problems_of(error, model, file=file, lines=document.lines)
        return tuple(_explained(problem, str(task)) for problem in found)


def _explained(problem: Problem, task: str) -> Problem:
    """A key of the other task is no unknown key."""
    other = CaptionJob if task == JobKind.GENERATE else GenerateJob
    if problem.message.startswith("unknown key") and problem.key in other.model_fields:
        message = f"`{problem.key}` does not go with `task: {task}`"
        return Problem(file=problem.file, line=problem.line, key=problem.key, message=message)
    if problem.message == "is missing" and problem.key == "prompt":
        return Problem(file=problem.file, line=problem.line, key="prompt", message="is missing: what should be drawn?")
    return problem


def request_to_dict(request: Request) -> dict[str, object]:
    """For the journal."""
    kind = JobKind.GENERATE if isinstance(request, GenerateRequest) else JobKind.CAPTION
    return {"task": kind.value, **asdict(request)}


def request_from_dict(fields: Mapping[str, Any]) -> Request:
    """From the journal."""
    values = {key: value for key, value in fields.items() if key != "task"}
    return GenerateRequest(**values) if fields["task"] == JobKind.GENERATE else CaptionRequest(**values)


def job_schema() -> dict[str, Any]:
    """JSON Schema of one document of a job file. Text may be written as a number or a boolean: it is taken as text."""
    generate, caption = GenerateJob.model_json_schema(), CaptionJob.model_json_schema()
    definitions = {**generate.pop("$defs", {}), **caption.pop("$defs", {})}
    for schema in (generate, caption):
        for key in TEXT_KEYS & set(schema["properties"]) - {"aspect_ratio"}:
            field = schema["properties"][key]
            field["type"] = ["string", "number", "boolean"]
    caption["required"] = ["image"]
    return {
        "$id": "urn:aura-daemon:job:1",
        "title": "aura-daemon job",
        "description": "One document of a job file.",
        "anyOf": [generate, caption],
        "examples": [{"prompt": "a lighthouse at dawn, oil painting", "aspect_ratio": "16:9"}],
        "$defs": definitions,
    }
