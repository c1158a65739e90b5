"""What a job file may say. In: bytes of a job file or prompt text. Out: requests, or every problem of every document.

Every key, with its bounds, is in `jobkeys`; the descriptions there are the error messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from aura_daemon.core import yamltext
from aura_daemon.core.captionkeys import CaptionJob
from aura_daemon.core.defaults import FolderDefaults, regenerates, taken
from aura_daemon.core.generatekeys import GenerateJob
from aura_daemon.core.job import (
    CaptionRequest,
    Embedded,
    GenerateRequest,
    Hires,
    ImageFormat,
    JobKind,
    Lora,
    Metadata,
    RegenerateRequest,
    Request,
)
from aura_daemon.core.jobkeys import TEXT_KEYS
from aura_daemon.core.keytypes import MOST_PROMPT_CHARACTERS
from aura_daemon.core.problems import MISSING, MOST_PROBLEMS, capped, nearest, problems_of, shown
from aura_daemon.core.regeneratekeys import REGENERATE, RegenerateJob
from aura_daemon.core.yamltext import MOST_BYTES, NOT_TEXT, Unreadable
from aura_daemon.errors import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the keys of one job ask for."""

    request: Request
    priority: int = 0
    """Higher runs first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedAgain:
    """What the keys of one job ask for, together with the picture that it names."""

    request: RegenerateRequest
    priority: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedJob:
    """One job of a file, with its own bytes, so that it can be handed back alone."""

    asked: Asked | AskedAgain
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

TASKS: Final = (*JobKind, REGENERATE)
"""What a job file may say under `task`."""


def parse_job_file(content: bytes, *, file: str, folders: Sequence[FolderDefaults] = ()) -> ParseResult:
    """A YAML job file; `file` is its name for the problems, `folders` the settings of its folders, nearest first."""
    jobs: list[ParsedJob] = []
    problems: list[Problem] = []
    documents = yamltext.parse(content, file=file, text_keys=TEXT_KEYS)
    for read in documents:
        if isinstance(read, Unreadable):
            problems += read.problems
        else:
            check = again if read.mapping.get("task") == REGENERATE else validated
            found = check(read.mapping, file=file, lines=read.lines, written=read.written, folders=folders)
            if isinstance(found, tuple):
                problems += found
            else:
                jobs.append(ParsedJob(asked=found, text=read.text.encode()))
        if len(problems) > MOST_PROBLEMS:
            break
    if not jobs and not problems:
        problems.append(Problem(file=file, message="the file holds nothing; it needs at least `prompt: …`"))
    if problems:
        return Rejected(problems=capped(problems, file=file, are_all=next(documents, None) is None))
    return Parsed(jobs=tuple(jobs))


def parse_prompt_text(content: bytes, *, file: str, folders: Sequence[FolderDefaults] = ()) -> ParseResult:
    """A text file that is one prompt."""
    if len(content) > MOST_BYTES:
        message = (
            f"the file is longer than {MOST_BYTES:,} bytes; a prompt has at most {MOST_PROMPT_CHARACTERS:,} characters"
        )
        return Rejected(problems=(Problem(file=file, message=message),))
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
    asked = _valid({"prompt": prompt}, folders)
    return Parsed(jobs=(ParsedJob(asked=asked, text=content),))


def for_image(folders: Sequence[FolderDefaults]) -> Asked | AskedAgain:
    """What is asked of an image that was dropped alone."""
    if not regenerates(folders):
        return _valid({"task": JobKind.CAPTION.value}, folders)
    asked = again({"task": REGENERATE}, file="", folders=folders)
    if isinstance(asked, tuple):
        raise ValueError(str(asked[0]))
    return asked


def _valid(mapping: Mapping[str, object], folders: Sequence[FolderDefaults]) -> Asked:
    """What keys of our own ask for, with settings that `parse_defaults` has let through."""
    asked = validated(mapping, file="", folders=folders)
    if isinstance(asked, tuple):
        raise ValueError(str(asked[0]))
    return asked


def validated(
    mapping: Mapping[str, object],
    *,
    file: str,
    lines: Mapping[str, int] | None = None,
    written: Mapping[str, str] | None = None,
    folders: Sequence[FolderDefaults] = (),
) -> Asked | tuple[Problem, ...]:
    """What the keys of one job ask for, or every problem. `lines` and `written` as in `yamltext.Document`."""
    lines, written = lines or {}, written or {}
    task = mapping.get("task")
    if task is None:
        is_caption = mapping.get("image") is not None and mapping.get("prompt") is None
        task = JobKind.CAPTION if is_caption else JobKind.GENERATE
    if task not in tuple(JobKind):
        message = f"must be one of {', '.join(TASKS)}"
        given = written.get("task") or shown(task)
        suggestion = nearest(str(task), TASKS)
        line = lines.get("task")
        return (Problem(file=file, line=line, key="task", message=message, given=given, suggestion=suggestion),)
    model: type[GenerateJob | CaptionJob] = GenerateJob if task == JobKind.GENERATE else CaptionJob
    try:
        # `key:` with nothing behind it is as good as no key, as far as the schema knows the key.
        said = {key: value for key, value in mapping.items() if value is not None or key not in model.model_fields}
        job = model.model_validate(taken(said, str(task), folders))
        return Asked(request=job.request(), priority=job.priority)
    except ValidationError as error:
        found = problems_of(error, model, file=file, lines=lines, written=written)
        return tuple(_explained(problem, mapping, str(task)) for problem in found)


def again(
    mapping: Mapping[str, object],
    *,
    file: str,
    lines: Mapping[str, int] | None = None,
    written: Mapping[str, str] | None = None,
    folders: Sequence[FolderDefaults] = (),
) -> AskedAgain | tuple[Problem, ...]:
    """The same for a job of `task: regenerate`."""
    fields = RegenerateJob.model_fields
    said = {key: value for key, value in mapping.items() if value is not None or key not in fields}
    keys = taken(said, REGENERATE, folders)
    try:
        job = RegenerateJob.model_validate(keys)
    except ValidationError as error:
        found = problems_of(error, RegenerateJob, file=file, lines=lines or {}, written=written or {})
        return tuple(_explained(problem, mapping, REGENERATE) for problem in found)
    not_drawn = {"task", "image", "priority", "" if job.prompt else "prompt"}
    drawn = {key: value for key, value in keys.items() if key not in not_drawn}
    return AskedAgain(request=RegenerateRequest(image=job.image, keys=drawn), priority=job.priority)


def _explained(problem: Problem, mapping: Mapping[str, object], task: str) -> Problem:
    """What pydantic cannot know: keys of the other task, what is missing, ratios that look alike and are not near."""
    known = GenerateJob.model_fields.keys() | CaptionJob.model_fields.keys()
    if problem.message.startswith("unknown key") and problem.key in known:
        message = f"`{problem.key}` does not go with `task: {task}`"
        return replace(problem, message=message, suggestion="")
    if problem.message == MISSING:
        return replace(problem, message=f"{MISSING}: what should be drawn?")
    return replace(problem, suggestion="") if ":" in problem.suggestion else problem


def request_to_dict(request: Request) -> dict[str, object]:
    """For the journal."""
    kind = JobKind.GENERATE if isinstance(request, GenerateRequest) else JobKind.CAPTION
    return {"task": kind.value, **asdict(request)}


def request_from_dict(fields: Mapping[str, Any]) -> Request:
    """From the journal; what an older version did not know yet has its default."""
    values = {key: value for key, value in fields.items() if key != "task"}
    if fields["task"] != JobKind.GENERATE:
        return CaptionRequest(**values)
    values["loras"] = tuple(Lora(**lora) for lora in values.get("loras", ()))
    values["tags"] = tuple(values.get("tags", ()))
    values["hires"] = Hires(**values["hires"]) if values.get("hires") else None
    if values.get("embedded"):
        values["embedded"] = Embedded(**{**values["embedded"], "lost": tuple(values["embedded"]["lost"])})
    for key, choice in (("format", ImageFormat), ("metadata", Metadata)):
        values[key] = choice(values[key]) if values.get(key) else None
    return GenerateRequest(**values)
