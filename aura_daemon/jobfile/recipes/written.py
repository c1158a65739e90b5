"""What is wrong with a recipe as it is written. In: the keys of a `_defaults.yaml`. Out: problems, with their lines.

Its values are held to what a job may say; the names of images are, with an example in the place of a placeholder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from aura_daemon.errors import Problem
from aura_daemon.formats.yaml_reader import Document
from aura_daemon.jobfile.keys.benchmark import BENCHMARK
from aura_daemon.jobfile.keys.caption import CaptionJob
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.guidance.guidance_keys import NAMING
from aura_daemon.jobfile.keys.matrix import ABOUT_ALL, lists_of, problems_of_matrix
from aura_daemon.jobfile.keys.neighbours import advice_for_task, task_meant
from aura_daemon.jobfile.keys.reflect import REFLECT, ReflectJob
from aura_daemon.jobfile.keys.regenerate import REGENERATE, RegenerateJob
from aura_daemon.jobfile.keys.upscale import UpscaleJob
from aura_daemon.jobfile.recipes.checking import problems_of_placeholders
from aura_daemon.jobfile.recipes.filling import IMAGES, with_images_named
from aura_daemon.jobfile.recipes.subject import Subject, name_of
from aura_daemon.jobs.requests import JobKind
from aura_daemon.problems import nearest, problems_of, shown

_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    JobKind.GENERATE: GenerateJob,
    JobKind.CAPTION: CaptionJob,
    JobKind.UPSCALE: UpscaleJob,
    REGENERATE: RegenerateJob,
    REFLECT: ReflectJob,
}

TASKS_OF_RECIPES: Final = tuple(str(task) for task in _MODELS)
"""What a folder can have done to pictures that are dropped."""

_EXAMPLE: Final = Subject(path="folder/photo.png", is_picture=True, date="2026-11-28")
_CAN_VARY: Final = tuple(key for key in GenerateJob.model_fields if key not in ABOUT_ALL)
_ITSELF: Final = "_defaults.y"


def problems_of_recipe(keys: Mapping[str, Any], document: Document, *, file: str) -> Iterator[Problem]:
    """Everything that is wrong with `task`, `prompt`, `image`, `mask` and `matrix`, and with placeholders."""
    task = keys.get("task")
    if task is not None and task not in TASKS_OF_RECIPES:
        yield _of_task(task, document, file)
        return
    said = {key: keys[key] for key in ("prompt", *IMAGES, *NAMING, "images", "matrix") if key in keys}
    is_strict = bool(said) or task not in (None, REGENERATE)
    task = str(task or (JobKind.CAPTION if "images" in said else JobKind.GENERATE))
    of_itself = [key for key in IMAGES if _is_settings(said.get(key))]
    for key in of_itself:
        message = "the recipe names itself: `{file}` stands for the picture that is dropped"
        yield Problem(file=file, line=document.lines.get(key), key=key, message=message)
        del said[key]
    for problem in problems_of_placeholders(keys, task, has_picture=True, is_strict=is_strict):
        line = document.lines.get(problem.key, document.lines.get(problem.key.partition(".")[0]))
        yield replace(problem, file=file, line=line)
    named = with_images_named({"image": "photo.png", **said} if "mask" in said else said, _EXAMPLE)
    yield from _wrong_values(named, task, document, file)
    if "rounds" in keys:
        yield from _wrong_values({"rounds": keys["rounds"]}, REFLECT, document, file)
    if task != JobKind.GENERATE:
        return
    yield from problems_of_matrix(keys, _CAN_VARY, file=file, lines=document.lines)
    for key, values in lists_of(named, _CAN_VARY).items():
        for index, value in enumerate(values):
            path = f"matrix.{key}"
            needed = {"image": "photo.png"} if key in ("mask", "strength") else {}
            for problem in _wrong_values({**needed, key: value}, task, document, file):
                yield replace(problem, key=f"{path}.{index}", line=document.lines.get(path))


def _wrong_values(keys: Mapping[str, Any], task: str, document: Document, file: str) -> Iterator[Problem]:
    """What is wrong with values that a job of this task takes; with keys that it does not take, too."""
    model = _MODELS[task]
    needed = {JobKind.GENERATE: {"prompt": "x"}, REFLECT: {"image": "photo.png"}}.get(task, {})
    try:
        model.model_validate({"task": task, **needed, **keys})
    except ValidationError as error:
        for problem in problems_of(error, model, file=file, lines=document.lines, written=document.written):
            if problem.message.startswith("unknown key"):
                problem = replace(problem, message=f"does not go with `task: {task}`", suggestion="")
            yield problem


def _of_task(task: object, document: Document, file: str) -> Problem:
    message = f"must be one of {', '.join(TASKS_OF_RECIPES)}"
    advice = advice_for_task(str(task))
    if task == BENCHMARK:
        advice = "a job file asks for a benchmark"
    meant = "" if advice else task_meant(str(task)) or nearest(str(task), TASKS_OF_RECIPES)
    message += f": {advice}" if advice else ""
    line, given = document.lines.get("task"), document.written.get("task") or shown(task)
    return Problem(file=file, line=line, key="task", message=message, given=given, suggestion=meant)


def _is_settings(name: object) -> bool:
    return isinstance(name, str) and name_of(name).casefold().startswith(_ITSELF)
