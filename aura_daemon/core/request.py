"""What a job file may say. In: bytes of a job file or prompt text. Out: requests, or every problem of every document.

Every key, with its bounds, is in `jobkeys`; the descriptions there are the error messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from aura_daemon.core import expansion, yamltext
from aura_daemon.core.captionkeys import CaptionJob
from aura_daemon.core.catalogue import Catalogue, problems_of_names
from aura_daemon.core.choices import Grammar
from aura_daemon.core.defaults import FolderDefaults, regenerates, taken
from aura_daemon.core.expansion import Plan
from aura_daemon.core.generatekeys import GenerateJob, loras_of
from aura_daemon.core.job import (
    CaptionRequest,
    GenerateRequest,
    JobKind,
    Lora,
    RegenerateRequest,
    Request,
)
from aura_daemon.core.jobkeys import TEXT_KEYS
from aura_daemon.core.keytypes import MOST_PROMPT_CHARACTERS
from aura_daemon.core.problems import MISSING, MOST_PROBLEMS, capped, cut, nearest, problems_of, shown
from aura_daemon.core.promptsyntax import MOST_LORA_WEIGHT, MOST_LORAS, extract_loras
from aura_daemon.core.regeneratekeys import REGENERATE, RegenerateJob
from aura_daemon.core.sheets import MOST_CELLS, Sheet, sheet_of
from aura_daemon.core.yamltext import MOST_BYTES, NOT_TEXT, Unreadable
from aura_daemon.errors import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the keys of one job ask for."""

    request: Request
    priority: int = 0
    """Higher runs first."""
    grid: bool = False
    """All pictures of the file on one sheet besides."""


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
    """What the file says where it is one job, or one of its documents is; of a document that became several jobs, YAML
    that asks for this one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """All jobs of a file, at least one."""

    jobs: tuple[ParsedJob, ...]
    sheets: tuple[tuple[Sheet, bytes], ...] = ()
    """Of which jobs the pictures are laid out together besides, and the document that asks for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """Everything that is wrong with a file; none of its jobs is run."""

    problems: tuple[Problem, ...]


ParseResult: TypeAlias = Parsed | Rejected

TASKS: Final = (JobKind.GENERATE, JobKind.CAPTION, REGENERATE)
"""What a job file may say under `task`."""


Draw: TypeAlias = Callable[[], int]


def parse_job_file(
    content: bytes,
    *,
    file: str,
    folders: Sequence[FolderDefaults] = (),
    catalogue: Catalogue | None = None,
    draw: Draw = int,
) -> ParseResult:
    """A YAML job file; `file` is its name for the problems, `folders` the settings of its folders, nearest first.

    Without a catalogue no names are checked and word lists stay names. `draw` says the seed of a document that becomes
    several jobs and says none (without it: 0); that of one job is drawn at admission.
    """
    jobs = _Jobs(file=file, folders=folders, catalogue=catalogue)
    problems: list[Problem] = []
    documents = yamltext.parse(content, file=file, text_keys=TEXT_KEYS)
    for read in documents:
        if isinstance(read, Unreadable):
            problems += read.problems
        else:
            problems += jobs.add(read.mapping, read.text.encode(), lines=read.lines, written=read.written)
        if len(problems) > MOST_PROBLEMS:
            break
    if not jobs and not problems:
        problems.append(Problem(file=file, message="the file holds nothing; it needs at least `prompt: …`"))
    if problems:
        return Rejected(problems=capped(problems, file=file, are_all=next(documents, None) is None))
    return jobs.made(draw)


def parse_prompt_text(
    content: bytes,
    *,
    file: str,
    folders: Sequence[FolderDefaults] = (),
    catalogue: Catalogue | None = None,
    draw: Draw = int,
) -> ParseResult:
    """A text file that is one prompt; its choices and word lists are those of a job file's."""
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
    jobs = _Jobs(file=file, folders=folders, catalogue=catalogue)
    problems = jobs.add({"prompt": prompt}, content)
    return Rejected(problems=problems) if problems else jobs.made(draw)


def for_image(folders: Sequence[FolderDefaults]) -> Asked | AskedAgain:
    """What is asked of an image that was dropped alone, with settings that `parse_defaults` has let through."""
    if regenerates(folders):
        asked: Asked | AskedAgain | tuple[Problem, ...] = again({"task": REGENERATE}, file="", folders=folders)
    else:
        asked = validated({"task": JobKind.CAPTION.value}, file="", folders=folders)
    if isinstance(asked, tuple):
        raise ValueError(str(asked[0]))
    return asked


class _Jobs:
    """The jobs of one file: all are counted before any is made."""

    def __init__(self, *, file: str, folders: Sequence[FolderDefaults], catalogue: Catalogue | None) -> None:
        self._file = file
        self._folders = folders
        self._catalogue = catalogue
        self._grammar = Grammar(catalogue)
        self._found: list[tuple[Plan | Asked | AskedAgain, bytes, Mapping[str, int]]] = []

    def __len__(self) -> int:
        """Documents."""
        return len(self._found)

    def add(
        self,
        keys: Mapping[str, object],
        text: bytes,
        *,
        lines: Mapping[str, int] | None = None,
        written: Mapping[str, str] | None = None,
    ) -> tuple[Problem, ...]:
        """Takes a document, or says everything that is wrong with it."""
        lines = lines or {}
        if keys.get("task") == REGENERATE:
            made_again = again(
                keys,
                file=self._file,
                lines=lines,
                written=written,
                folders=self._folders,
                catalogue=self._catalogue,
            )
            if isinstance(made_again, tuple):
                return made_again
            self._found.append((made_again, text, lines))
            return ()
        first: Asked | None = None
        problems: list[Problem] = []
        for index, row in expansion.rows(keys):
            asked = self._validated(row, lines, written)
            if isinstance(asked, Asked):
                first = first or asked
                continue
            told = (expansion.placed(problem, keys, index, lines=lines) for problem in asked)
            problems += (problem for problem in told if problem is not None)
        if first is not None and isinstance(first.request, CaptionRequest):
            self._found.append((first, text, lines))
            return ()
        problems += expansion.problems_of_lists(keys, file=self._file, lines=lines)
        if problems:
            return tuple(problems)
        plan = expansion.planned(keys, self._grammar, file=self._file, lines=lines, folders=self._folders)
        if isinstance(plan, tuple):
            return plan
        self._found.append((plan, text, lines))
        return ()

    def made(self, draw: Draw) -> ParseResult:
        """All jobs, or why they cannot be made."""
        plans = [plan for plan, _, _ in self._found if isinstance(plan, Plan)]
        too_many = expansion.problem_of_number(plans, file=self._file, others=len(self._found) - len(plans))
        if too_many is not None:
            return Rejected(problems=(too_many,))
        jobs: list[ParsedJob] = []
        sheets: list[tuple[Sheet, bytes]] = []
        problems: dict[Problem, None] = {}
        for plan, text, lines in self._found:
            first = len(jobs)
            if not isinstance(plan, Plan):
                jobs.append(ParsedJob(asked=plan, text=text))
                continue
            for job in plan.expanded(draw):
                asked = self._validated(job.keys, lines, None)
                if isinstance(asked, tuple):
                    problems |= dict.fromkeys(asked)
                else:
                    jobs.append(ParsedJob(asked=asked, text=job.text.encode() if job.text is not None else text))
            sheet = self._sheet(jobs[first:], first, plan.in_a_row)
            if isinstance(sheet, Problem):
                problems[replace(sheet, line=lines.get("grid"))] = None
            elif sheet is not None:
                sheets.append((sheet, text))
        if problems:
            return Rejected(problems=capped(tuple(problems), file=self._file))
        return Parsed(jobs=tuple(jobs), sheets=tuple(sheets))

    def _sheet(self, jobs: Sequence[ParsedJob], first: int, in_a_row: int) -> Sheet | Problem | None:
        """The sheet of a document that asks for one; a single picture needs none."""
        wants = [job.asked for job in jobs if isinstance(job.asked, Asked) and job.asked.grid]
        requests = [asked.request for asked in wants if isinstance(asked.request, GenerateRequest)]
        if len(requests) < 2:
            return None
        if len(requests) > MOST_CELLS:
            message = (
                f"a sheet of {len(requests)} pictures is more than {MOST_CELLS}: leave `grid` out, or ask for fewer"
            )
            return Problem(file=self._file, key="grid", message=message)
        return sheet_of(requests, first=first, in_a_row=in_a_row)

    def _validated(
        self, keys: Mapping[str, object], lines: Mapping[str, int], written: Mapping[str, str] | None
    ) -> Asked | tuple[Problem, ...]:
        return validated(
            keys, file=self._file, lines=lines, written=written, folders=self._folders, catalogue=self._catalogue
        )


def validated(
    mapping: Mapping[str, object],
    *,
    file: str,
    lines: Mapping[str, int] | None = None,
    written: Mapping[str, str] | None = None,
    folders: Sequence[FolderDefaults] = (),
    catalogue: Catalogue | None = None,
) -> Asked | tuple[Problem, ...]:
    """What the keys of one job ask for, or every problem. `lines` and `written` as in `yamltext.Document`.

    Nothing is expanded: texts are as they stand. Without a catalogue any name will do.
    """
    lines, written = lines or {}, written or {}
    task = mapping.get("task")
    if task is None:
        is_caption = mapping.get("image") is not None and mapping.get("prompt") is None
        task = JobKind.CAPTION if is_caption else JobKind.GENERATE
    if task not in (JobKind.GENERATE, JobKind.CAPTION):
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
    except ValidationError as error:
        found = problems_of(error, model, file=file, lines=lines, written=written)
        named = problems_of_names(_names_of(said), catalogue, file=file) if catalogue is not None else ()
        also = () if model is CaptionJob else (_where_it_is_said(problem, said, lines, ()) for problem in named)
        return (*(_explained(problem, mapping, str(task)) for problem in found), *also)
    wanted = with_loras_of_prompt(job.request(), file=file, lines=lines)
    if isinstance(wanted, tuple):
        return wanted
    asked = Asked(request=wanted, priority=job.priority, grid=isinstance(job, GenerateJob) and job.grid is True)
    unknown = problems_of_names(asked.request, catalogue, file=file) if catalogue is not None else ()
    return tuple(_where_it_is_said(problem, said, lines, folders) for problem in unknown) or asked


def _where_it_is_said(
    problem: Problem, said: Mapping[str, object], lines: Mapping[str, int], folders: Sequence[FolderDefaults]
) -> Problem:
    """The line of a name in the job file, or the settings of the folder that say it; a LoRA may be in the prompt."""
    if problem.key == "loras" and problem.given in _loras_of(said.get("prompt")):
        return replace(problem, key="prompt", line=lines.get("prompt"))
    if problem.key in said:
        return replace(problem, line=lines.get(problem.key))
    return replace(problem, file=next((one.name for one in folders if problem.key in one.keys), problem.file))


def _names_of(said: Mapping[str, object]) -> GenerateRequest:
    """The names that a job says, however wrong it is otherwise."""
    model, loras = said.get("model"), said.get("loras")
    named = [one.get("name") if isinstance(one, Mapping) else one for one in loras] if isinstance(loras, list) else []
    return GenerateRequest(
        prompt="",
        model=model.strip() or None if isinstance(model, str) else None,
        loras=tuple(Lora(name=name.strip()) for name in named if isinstance(name, str) and name.strip()),
    )


def _loras_of(prompt: object) -> list[str]:
    """Those that a prompt names, as a problem shows them."""
    return [cut(lora.name) for lora in extract_loras(str(prompt or "")).loras]


def again(
    mapping: Mapping[str, object],
    *,
    file: str,
    lines: Mapping[str, int] | None = None,
    written: Mapping[str, str] | None = None,
    folders: Sequence[FolderDefaults] = (),
    catalogue: Catalogue | None = None,
) -> AskedAgain | tuple[Problem, ...]:
    """The same for a job of `task: regenerate`; what the picture names is not known yet."""
    lines, written = lines or {}, written or {}
    fields = RegenerateJob.model_fields
    said = {key: value for key, value in mapping.items() if value is not None or key not in fields}
    keys = taken(said, REGENERATE, folders)
    try:
        job = RegenerateJob.model_validate(keys)
    except ValidationError as error:
        found = problems_of(error, RegenerateJob, file=file, lines=lines, written=written)
        return tuple(_explained(problem, mapping, REGENERATE) for problem in found)
    keys_of_names: Any = job  # its class is made of the other's keys
    names = GenerateRequest(prompt=job.prompt, model=keys_of_names.model, loras=loras_of(keys_of_names.loras))
    wanted = with_loras_of_prompt(names, file=file, lines=lines)
    if isinstance(wanted, tuple):
        return wanted
    unknown = problems_of_names(wanted, catalogue, file=file) if catalogue is not None else ()
    if unknown:
        return tuple(_where_it_is_said(problem, said, lines, folders) for problem in unknown)
    not_drawn = {"task", "image", "priority", "" if job.prompt else "prompt"}
    drawn = {key: value for key, value in keys.items() if key not in not_drawn}
    return AskedAgain(request=RegenerateRequest(image=job.image, keys=drawn), priority=job.priority)


def with_loras_of_prompt(
    request: Request, *, file: str, lines: Mapping[str, int] | None = None
) -> Request | tuple[Problem, ...]:
    """The LoRAs that the prompt names come after the job's own; of one that both name, the prompt's weight counts.

    The prompt stays as it is, so doing it twice is as good as once.
    """
    if not isinstance(request, GenerateRequest):
        return request
    named, elsewhere = extract_loras(request.prompt), extract_loras(request.negative_prompt)
    wrong = [("prompt", _NO_LORA, shown(tag)) for tag in named.strange]
    if elsewhere.loras or elsewhere.strange:
        wrong.append(("negative_prompt", "names a LoRA, which belongs into `prompt`", shown(request.negative_prompt)))
    weights = {lora.name: lora.weight for lora in (*request.loras, *named.loras)}
    if len(weights) > MOST_LORAS:
        wrong.append(("prompt", f"names LoRAs beyond the {MOST_LORAS} that a job may have", str(len(weights))))
    if wrong:
        return tuple(
            Problem(file=file, line=(lines or {}).get(key), key=key, message=message, given=given)
            for key, message, given in wrong
        )
    return replace(request, loras=tuple(Lora(name=name, weight=weight) for name, weight in weights.items()))


_NO_LORA: Final = (
    "holds what is no `<lora:NAME>` nor `<lora:NAME:WEIGHT>` with a WEIGHT"
    f" from -{MOST_LORA_WEIGHT} to {MOST_LORA_WEIGHT}"
)


def _explained(problem: Problem, mapping: Mapping[str, object], task: str) -> Problem:
    """What pydantic cannot know: keys of the other task, what is missing, ratios that look alike and are not near."""
    known = GenerateJob.model_fields.keys() | CaptionJob.model_fields.keys()
    if problem.message.startswith("unknown key") and problem.key in known:
        message = f"`{problem.key}` does not go with `task: {task}`"
        return replace(problem, message=message, suggestion="")
    if problem.message == MISSING:
        return replace(problem, message=f"{MISSING}: what should be drawn?")
    return replace(problem, suggestion="") if ":" in problem.suggestion else problem
