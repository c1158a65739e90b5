"""Checks the keys of one job. In: its keys, with the settings of its folders. Out: a request, or every problem.

`keys/` defines every key with its bounds; the descriptions of the keys are the error messages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from pydantic import ValidationError

from aura_daemon.errors import Problem
from aura_daemon.file_names import encodable
from aura_daemon.formats.prompts.prompt_tags import (
    MOST_LORA_WEIGHT,
    MOST_LORAS,
    extract_loras,
    lora_spans,
    without_comments,
)
from aura_daemon.jobfile.catalogue import Catalogue, problems_of_names
from aura_daemon.jobfile.folder_defaults import SIZE, FolderDefaults, with_folder_defaults
from aura_daemon.jobfile.keys.benchmark import (
    BENCHMARK,
    BenchmarkJob,
    BenchmarkKeys,
    CaptionBenchmarkJob,
    benchmark_model,
)
from aura_daemon.jobfile.keys.caption import CaptionJob
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.guidance.guidance_keys import adapters_named_in, nets_named, upscale_named_in
from aura_daemon.jobfile.keys.neighbours import advice_for_task, scheduler_meant, task_meant, with_meaning
from aura_daemon.jobfile.keys.reflect import REFLECT, ROUNDS, ReflectJob, ReflectKeys
from aura_daemon.jobfile.keys.regenerate import REGENERATE, RegenerateJob, RegenerateKeys
from aura_daemon.jobfile.keys.upscale import UpscaleJob
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.prompts.lora_names import names_meant
from aura_daemon.jobs.requests import GenerateRequest, JobKind, Lora, RegenerateRequest, Request
from aura_daemon.problems import MISSING, cut, nearest, problems_of, shown

TASKS: Final = (JobKind.GENERATE, JobKind.CAPTION, JobKind.UPSCALE, REGENERATE, REFLECT, BENCHMARK)
"""The values of `task`."""

TEXTS: Final = ("prompt", "negative_prompt")
"""Keys whose text is drawn."""

NO_TEXT: Final = "takes a name with bytes that are no text (UTF-8): rename the picture or its folder"

_Model: TypeAlias = type[GenerateJob | CaptionJob | UpscaleJob | RegenerateKeys | ReflectKeys | BenchmarkKeys]

_MODELS: Final[Mapping[str, _Model]] = {
    JobKind.GENERATE: GenerateJob,
    JobKind.CAPTION: CaptionJob,
    JobKind.UPSCALE: UpscaleJob,
    REGENERATE: RegenerateJob,
    REFLECT: ReflectJob,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSpec:
    """What the keys of one job ask for."""

    request: Request
    priority: int = 0
    """Higher runs first."""
    grid: bool = False
    """Whether a contact sheet of the document's pictures is made too."""
    rounds: int = 0
    """Of a reflection, which becomes a job for each; 0 for any other job."""
    round: int = 0
    """Which of them this is, counted from 1; 0 before they are jobs."""
    images: tuple[str, ...] = ()
    """Patterns of the pictures that are all captioned as `request` says; empty where it is about one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegenerateSpec:
    """What the keys of one job ask for, to be completed by the settings in the picture that it names."""

    request: RegenerateRequest
    priority: int = 0


def validated(
    mapping: Mapping[str, object],
    *,
    file: str,
    lines: Mapping[str, int] | None = None,
    written: Mapping[str, str] | None = None,
    folders: Sequence[FolderDefaults] = (),
    catalogue: Catalogue | None = None,
    is_template: bool = False,
) -> JobSpec | RegenerateSpec | tuple[Problem, ...]:
    """What the keys of one job ask for, or every problem. `lines` and `written` as in `yaml_reader.Document`.

    Nothing is expanded: texts are as they stand. Without a catalogue any name is allowed. In a template the choices are
    open still: of the LoRAs in its prompt only those are checked whose tags hold no choice.
    """
    lines, written = lines or {}, written or {}
    task = task_of(mapping)
    if task not in TASKS:
        message = f"must be one of {', '.join(TASKS)}"
        given = written.get("task") or shown(task)
        advice = advice_for_task(str(task))
        message += f": {advice}" if advice else ""
        suggestion = "" if advice else task_meant(str(task)) or nearest(str(task), TASKS)
        line = lines.get("task")
        return (Problem(file=file, line=line, key="task", message=message, given=given, suggestion=suggestion),)
    model = _model_of(str(task), mapping)
    # A key without a value counts as no key, if the schema knows the key.
    own = {key: value for key, value in mapping.items() if value is not None or key not in model.model_fields}
    keys = with_folder_defaults(own, str(task), folders)
    try:
        job = model.model_validate(keys)
    except ValidationError as error:
        problems = problems_of(error, model, file=file, lines=lines, written=written)
        names = problems_of_names(_names_of(own), catalogue, file=file) if model in (GenerateJob, BenchmarkJob) else ()
        explained = [_explained(problem, mapping, str(task), written.get(problem.key, "")) for problem in problems]
        meant = {problem.suggestion for problem in explained}
        return (
            *(problem for problem in explained if problem.key not in meant or not problem.message.startswith(MISSING)),
            *(_located(problem, own, lines, ()) for problem in names),
        )
    named: Request
    if isinstance(job, RegenerateKeys):
        named = replace(_names_of(keys), prompt=job.prompt)
    else:
        named = job.settings() if isinstance(job, BenchmarkKeys) else job.request()
    if is_template and isinstance(named, GenerateRequest):
        named = replace(named, prompt=_settled(named.prompt), negative_prompt=_settled(named.negative_prompt))
    request = with_loras_of_prompt(named, file=file, lines=lines, catalogue=catalogue)
    if isinstance(request, tuple):
        return request
    unknown = problems_of_names(request, catalogue, file=file)
    if unknown:
        return tuple(_located(problem, own, lines, folders) for problem in unknown)
    if isinstance(job, RegenerateKeys):
        not_drawn = {"task", "image", "priority", "" if job.prompt else "prompt"}
        drawn = {key: value for key, value in keys.items() if key not in not_drawn}
        drawn |= {key: without_comments(str(drawn[key])).text.strip() for key in TEXTS if drawn.get(key) is not None}
        return RegenerateSpec(request=RegenerateRequest(image=job.image, keys=drawn), priority=job.priority)
    if isinstance(job, BenchmarkKeys):
        asked = job.request()
        picture = request if isinstance(request, GenerateRequest) else None
        return JobSpec(request=replace(asked, picture=picture), priority=job.priority)
    if isinstance(job, ReflectKeys):
        return JobSpec(request=request, priority=job.priority, rounds=int(job.rounds or ROUNDS))
    images = job.images if isinstance(job, CaptionJob) else ()
    is_grid = isinstance(job, GenerateJob) and job.grid is True
    return JobSpec(request=request, priority=job.priority, grid=is_grid, images=images)


def _model_of(task: str, keys: Mapping[str, object]) -> _Model:
    """The model of a job's keys."""
    return benchmark_model(keys) if task == BENCHMARK else _MODELS[task]


def task_of(keys: Mapping[str, object]) -> object:
    """The task as the keys give it, unchecked; without one an image alone is to be captioned."""
    if keys.get("task") is not None:
        return keys["task"]
    names_pictures = keys.get("image") is not None or keys.get("images") is not None
    is_caption = names_pictures and keys.get("prompt") is None
    return JobKind.CAPTION if is_caption else JobKind.GENERATE


def with_loras_of_prompt(
    request: Request, *, file: str, lines: Mapping[str, int] | None = None, catalogue: Catalogue | None = None
) -> Request | tuple[Problem, ...]:
    """Adds the LoRAs that the prompt names after the job's own; where both name one, the prompt's weight counts.

    The prompt is left as it is, so the result is the same when this is done twice.
    """
    if not isinstance(request, GenerateRequest):
        return request
    tags, negative_tags = extract_loras(request.prompt), extract_loras(request.negative_prompt)
    wrong = [("prompt", _NO_LORA, shown(tag)) for tag in tags.strange]
    if negative_tags.loras or negative_tags.strange:
        wrong.append(("negative_prompt", "names a LoRA, which belongs into `prompt`", shown(request.negative_prompt)))
    for number, region in enumerate(request.regions):
        named = extract_loras(region.prompt)
        if named.loras or named.strange:
            wrong.append((f"regions.{number}.prompt", _LORA_OF_ALL, shown(region.prompt)))
    loras = {_meant(lora.name, catalogue): lora for lora in (*request.loras, *tags.loras)}
    if len(loras) > MOST_LORAS:
        wrong.append(("prompt", f"names LoRAs beyond the {MOST_LORAS} that a job may have", str(len(loras))))
    if wrong:
        return tuple(
            Problem(file=file, line=(lines or {}).get(key), key=key, message=message, given=given)
            for key, message, given in wrong
        )
    return replace(request, loras=tuple(loras.values()))


def _meant(name: str, catalogue: Catalogue | None) -> str:
    """The name of the file that a LoRA's name means, however the name is written."""
    meant = names_meant(name, catalogue.loras) if catalogue is not None else ()
    return meant[0] if len(meant) == 1 else name


def _settled(template: str) -> str:
    """A template's LoRAs whose tags hold no choice, one of each: how many of them a job has, its choices decide."""
    text = without_comments(template).text
    tags = dict.fromkeys(text[start:end] for start, end, _ in lora_spans(text))
    return "".join([tag for tag in tags if not _OPEN_YET.search(tag)][:MOST_LORAS])


_OPEN_YET: Final = re.compile(r"[{|}\\]|__")
"""What stands in a tag that is not settled yet."""


_KNOWN: Final = frozenset(
    key for model in (GenerateJob, CaptionJob, BenchmarkJob, CaptionBenchmarkJob) for key in model.model_fields
)
"""The keys of any task."""


_NO_LORA: Final = (
    "holds what is no `<lora:NAME>` nor `<lora:NAME:WEIGHT>` with one WEIGHT"
    f" from -{MOST_LORA_WEIGHT} to {MOST_LORA_WEIGHT}: text encoder and U-Net have the same here"
)


_LORA_OF_ALL: Final = "names a LoRA, which belongs into the job's `prompt` or `loras`: it changes all of the picture"


def _explained(problem: Problem, mapping: Mapping[str, object], task: str, written: str) -> Problem:
    """Adds what pydantic cannot know: a key of another task, a missing prompt, a ratio that is no near match."""
    model = _model_of(task, mapping)
    found: object = mapping
    for part in problem.key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else found
    texts = found if isinstance(found, list) else [found]
    if any(isinstance(text, str) and text != encodable(text) for text in texts):
        return replace(problem, message=NO_TEXT)
    if problem.message.startswith("unknown key") and problem.key in _KNOWN:
        advice = ": say it with `sizes`" if problem.key in SIZE and model is BenchmarkJob else ""
        if problem.key == "sampling" and model in (GenerateJob, BenchmarkJob):
            advice = ": the sampler is named with `scheduler`"
        if problem.key == "images":
            is_set = isinstance(mapping["images"], str | list)
            advice = (
                ": write `task: caption`, as without it a `prompt` is drawn"
                if is_set and "task" not in mapping
                else (": so many pictures are asked for with `count`; captions of a set are `task: caption`")
            )
        of = " and `of: caption`" if model is CaptionBenchmarkJob else ""
        message = f"`{problem.key}` does not go with `task: {task}`{of}{advice}"
        return replace(problem, message=message, suggestion="")
    if problem.message.startswith("unknown key") and problem.key == "rounds":
        return replace(problem, message=f"`rounds` goes with `task: {REFLECT}`", suggestion="")
    if problem.message.startswith("unknown key"):
        path = problem.key.split(".")
        return with_meaning(problem, model.model_fields) if len(path) == 1 else problem
    if problem.message == MISSING and written.startswith("#"):
        message = f"{MISSING}: to YAML `{written}` is a comment; a text that begins with `#` needs quotes around it"
        return replace(problem, message=message)
    if problem.message == MISSING:
        what = "which picture is described first?" if problem.key == "image" else "what should be drawn?"
        return replace(problem, message=f"{MISSING}: {what}")
    if problem.key == "scheduler" and problem.message.startswith("must be one of"):
        return replace(problem, suggestion=scheduler_meant(str(mapping.get("scheduler"))) or problem.suggestion)
    return replace(problem, suggestion="") if ":" in problem.suggestion else problem


def _located(
    problem: Problem, keys: Mapping[str, object], lines: Mapping[str, int], folders: Sequence[FolderDefaults]
) -> Problem:
    """Adds the line of a refused name, or the folder's settings that hold it; a LoRA may be named in the prompt."""
    in_prompt = [cut(lora.name) for lora in extract_loras(str(keys.get("prompt") or "")).loras]
    if problem.key == "loras" and problem.given in in_prompt:
        return replace(problem, key="prompt", line=lines.get("prompt"))
    if problem.key in keys:
        return replace(problem, line=lines.get(problem.key))
    return replace(problem, file=next((folder.name for folder in folders if problem.key in folder.keys), problem.file))


def _names_of(keys: Mapping[str, object]) -> GenerateRequest:
    """The names in the keys of a job, however wrong the other keys are."""
    model, loras = keys.get("model"), keys.get("loras")
    items = loras if isinstance(loras, list) else []
    names = [item.get("name") if isinstance(item, Mapping) else item for item in items]
    return GenerateRequest(
        prompt="",
        model=model.strip() or None if isinstance(model, str) else None,
        loras=tuple(Lora(name=name.strip()) for name in names if isinstance(name, str) and name.strip()),
        control=tuple(Control(image="", model=name.strip()) for name in nets_named(keys) if name.strip()),
        like=tuple(PicturePrompt(image="", model=name.strip()) for name in adapters_named_in(keys) if name.strip()),
        upscale=upscale_named_in(keys),
    )
