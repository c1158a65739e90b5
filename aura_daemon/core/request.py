"""What a job file may say. In: bytes of a job file or prompt text. Out: requests, or every problem of every document.

The two models below are the published schema (`aura-daemon schema job`); their descriptions are the error messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from aura_daemon.core import yamltext
from aura_daemon.core.job import CaptionRequest, GenerateRequest, JobKind, Request
from aura_daemon.core.names import MOST_NAME_BYTES
from aura_daemon.core.problems import MISSING, capped, nearest, problems_of, shown
from aura_daemon.core.routing import IMAGE_EXTENSIONS, extension_of
from aura_daemon.core.settings import MULTIPLE_PX, NATIVE_512, Scheduler
from aura_daemon.core.yamltext import NOT_TEXT, Unreadable
from aura_daemon.errors import Problem

MOST_PROMPT_CHARACTERS: Final = 10_000
MOST_NAME_CHARACTERS: Final = 1000
"""Of the image a job file names, folders included."""

TEXT_KEYS: Final = frozenset({"prompt", "negative_prompt", "aspect_ratio", "image"})
"""Keys whose value is taken as written: `prompt: no` and `prompt: 1984` are text."""

_TEXT_CHARACTER: Final = r"[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\ufffe\uffff]"
_IMAGE_ENDINGS: Final = "|".join(
    "".join(f"[{letter}{letter.upper()}]" for letter in ending[1:]) for ending in IMAGE_EXTENSIONS
)
_IMAGE_PATTERN: Final = (
    r"^(?![./\s])(?!.*/[./])(?!.*[^/]{256})"
    rf"[^\\\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^/.\\\u0000-\u001f\u007f-\u009f\u2028\u2029]\.({_IMAGE_ENDINGS})$"
)
"""Below the job file and nothing hidden. A pattern cannot count bytes: of names the parser takes 255 bytes."""

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")
_RATIO_BY_KEY: Final = {ratio.casefold(): ratio for ratio in NATIVE_512}


def _known_ratio(value: object) -> object:
    """`16x9`, ` 16 : 9 ` and `auto` are understood."""
    if not isinstance(value, str):
        return value
    key = "".join(value.casefold().split()).replace("x", ":").replace("/", ":")
    return _RATIO_BY_KEY.get(key, value)


def _text(value: str) -> str:
    """Text without what no text holds and without the space around it."""
    strange = NOT_TEXT.search(value)
    if strange is not None:
        raise ValueError(f"holds the control character U+{ord(strange[0]):04X}, which no text needs")
    return value.strip()


_Text = Annotated[str, AfterValidator(_text)]


def _size_field() -> Any:
    description = f"a whole number of pixels from 64 to 2048; it is rounded to a multiple of {MULTIPLE_PX}"
    return Field(None, strict=True, ge=64, le=2048, description=description)


class GenerateJob(BaseModel):
    """A picture of a prompt."""

    model_config = _CONFIG
    task: Literal["generate"] = Field("generate", description="`generate` or `caption`")
    prompt: _Text = Field(
        min_length=1,
        max_length=MOST_PROMPT_CHARACTERS,
        description=f"text of 1 to {MOST_PROMPT_CHARACTERS} characters: what to draw",
    )
    negative_prompt: _Text = Field(
        "",
        max_length=MOST_PROMPT_CHARACTERS,
        description=f"text of at most {MOST_PROMPT_CHARACTERS} characters",
    )
    aspect_ratio: Annotated[
        Literal["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "21:9", "Auto"] | None,
        BeforeValidator(_known_ratio),
    ] = Field(None, description=f"one of {', '.join(NATIVE_512)}; `width` and `height` give any other size")
    width: int | None = _size_field()
    height: int | None = _size_field()
    steps: int | None = Field(None, strict=True, ge=1, le=150, description="a whole number from 1 to 150")
    guidance_scale: float | None = Field(None, strict=True, ge=0, le=30, description="a number from 0 to 30")
    scheduler: Scheduler | None = Field(None, description=f"one of {', '.join(Scheduler)}")
    seed: int | None = Field(None, strict=True, ge=0, lt=2**63, description="a whole number from 0 to 2**63 - 1")

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

    model_config = _CONFIG
    task: Literal["caption"] = Field("caption", description="`generate` or `caption`")
    image: _Text = Field(
        max_length=MOST_NAME_CHARACTERS,
        description="the name of an image beside the job file, or in a folder below it",
    )
    prompt: _Text = Field("", max_length=500, description="text of at most 500 characters: how the caption begins")
    max_new_tokens: int | None = Field(None, strict=True, ge=1, le=200, description="a whole number from 1 to 200")

    @field_validator("image")
    @classmethod
    def _stays_below(cls, value: str) -> str:
        parts = value.split("/")
        if "\\" in value or any(not part or part.startswith(".") for part in parts):
            raise ValueError("must name a file beside the job file or below it: no `..`, hidden, absolute or `\\` path")
        if any(len(part.encode()) > MOST_NAME_BYTES for part in parts):
            raise ValueError(f"holds a name of more than {MOST_NAME_BYTES} bytes, which no file has")
        if extension_of(parts[-1]) not in IMAGE_EXTENSIONS:
            raise ValueError(f"must name an image: {', '.join(IMAGE_EXTENSIONS)}")
        return value

    def request(self) -> CaptionRequest:
        """What the engine is asked for."""
        return CaptionRequest(image=self.image, prompt=self.prompt, max_new_tokens=self.max_new_tokens)


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
        return Rejected(problems=capped(read.problems, file=file))
    jobs: list[ParsedJob] = []
    problems: list[Problem] = []
    for document in read.documents:
        found = validated(document.mapping, file=file, lines=document.lines, written=document.written)
        if isinstance(found, tuple):
            problems.extend(found)
        else:
            jobs.append(ParsedJob(request=found, text=document.text.encode()))
    if not read.documents:
        problems.append(Problem(file=file, message="the file holds nothing; it needs at least `prompt: …`"))
    return Rejected(problems=capped(problems, file=file)) if problems else Parsed(jobs=tuple(jobs))


def parse_prompt_text(content: bytes, *, file: str) -> ParseResult:
    """A text file that is one prompt."""
    text = yamltext.decoded(content)
    if text is None:
        return Rejected(problems=(Problem(file=file, message="the file is no text: save it as UTF-8"),))
    prompt = text.strip()
    strange = NOT_TEXT.search(prompt)
    if strange is not None:
        message = f"the file holds the control character U+{ord(strange[0]):04X}: is it text, saved as UTF-8?"
        return Rejected(problems=(Problem(file=file, message=message),))
    if not prompt:
        return Rejected(problems=(Problem(file=file, message="the file is blank; it should hold a prompt"),))
    if len(prompt) > MOST_PROMPT_CHARACTERS:
        message = f"the prompt has {len(prompt):,} characters; at most {MOST_PROMPT_CHARACTERS:,} are allowed"
        return Rejected(problems=(Problem(file=file, message=message),))
    return Parsed(jobs=(ParsedJob(request=GenerateRequest(prompt=prompt), text=content),))


def validated(
    mapping: Mapping[str, object], *, file: str, lines: Mapping[str, int], written: Mapping[str, str]
) -> Request | tuple[Problem, ...]:
    """What the keys of one job ask for, or every problem. `lines` and `written` as in `yamltext.Document`, or empty."""
    task = mapping.get("task")
    if task is None:
        task = JobKind.CAPTION if mapping.get("image") is not None and "prompt" not in mapping else JobKind.GENERATE
    if task not in tuple(JobKind):
        message = f"must be one of {', '.join(JobKind)}"
        given = written.get("task") or shown(task)
        suggestion = nearest(str(task), JobKind)
        line = lines.get("task")
        return (Problem(file=file, line=line, key="task", message=message, given=given, suggestion=suggestion),)
    model: type[GenerateJob | CaptionJob] = GenerateJob if task == JobKind.GENERATE else CaptionJob
    try:
        # `key:` with nothing behind it is as good as no key, as far as the schema knows the key.
        said = {key: value for key, value in mapping.items() if value is not None or key not in model.model_fields}
        return model.model_validate(said).request()
    except ValidationError as error:
        found = problems_of(error, model, file=file, lines=lines, written=written)
        return tuple(_explained(problem, mapping, str(task)) for problem in found)


def _explained(problem: Problem, mapping: Mapping[str, object], task: str) -> Problem:
    """What pydantic cannot know: keys of the other task, what is missing, ratios that look alike and are not near."""
    other = CaptionJob if task == JobKind.GENERATE else GenerateJob
    if problem.message.startswith("unknown key") and problem.key in other.model_fields:
        message = f"`{problem.key}` does not go with `task: {task}`"
        if problem.key == "image" and mapping.get("task") is None:
            message = "goes with `task: caption`: add that line, and the prompt is how the caption begins"
        return replace(problem, message=message, suggestion="")
    if problem.message == MISSING:
        question = "what should be drawn?" if problem.key == "prompt" else "which image should be captioned?"
        return replace(problem, message=f"{MISSING}: {question}")
    return replace(problem, suggestion="") if ":" in problem.suggestion else problem


def request_to_dict(request: Request) -> dict[str, object]:
    """For the journal."""
    kind = JobKind.GENERATE if isinstance(request, GenerateRequest) else JobKind.CAPTION
    return {"task": kind.value, **asdict(request)}


def request_from_dict(fields: Mapping[str, Any]) -> Request:
    """From the journal."""
    values = {key: value for key, value in fields.items() if key != "task"}
    return GenerateRequest(**values) if fields["task"] == JobKind.GENERATE else CaptionRequest(**values)


def job_schema() -> dict[str, Any]:
    """JSON Schema of one document of a job file: what it accepts is accepted.

    The parser takes more than an editor should offer: other tools' spellings of schedulers and ratios, and space
    around text. Text may be written as a number or a boolean: it is taken as text.
    """
    generate, caption = GenerateJob.model_json_schema(), CaptionJob.model_json_schema()
    definitions = {**generate.pop("$defs", {}), **caption.pop("$defs", {})}
    for schema in (generate, caption):
        for key in TEXT_KEYS & set(schema["properties"]) - {"aspect_ratio", "image"}:
            field = schema["properties"][key]
            field["type"] = ["string", "number", "boolean"] + (["null"] if key not in schema["required"] else [])
            field["pattern"] = f"^{_TEXT_CHARACTER}*$"
    generate["properties"]["prompt"]["pattern"] = rf"^(?=[\s\S]*\S){_TEXT_CHARACTER}*$"
    caption["properties"]["image"]["pattern"] = _IMAGE_PATTERN
    caption["required"] = ["image"]
    caption["dependentRequired"] = {"prompt": ["task"]}  # a prompt with an image and no task could mean either
    return {
        "$id": "urn:aura-daemon:job:1",
        "title": "aura-daemon job",
        "description": "One document of a job file.",
        "anyOf": [generate, caption],
        "examples": [{"prompt": "a lighthouse at dawn, oil painting", "aspect_ratio": "16:9"}],
        "$defs": definitions,
    }
