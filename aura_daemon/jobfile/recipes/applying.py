"""A job as the recipes of its folders and its placeholders make it. In: its keys, its folders. Out: keys, or problems.

Placeholders are read where a job is about a picture, or lies in the folder of a recipe; elsewhere braces stay what they
are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from aura_daemon.errors import Problem
from aura_daemon.jobfile.folder_defaults import MODELS, FolderDefaults, with_folder_defaults
from aura_daemon.jobfile.keys.benchmark import BENCHMARK
from aura_daemon.jobfile.keys.generate import Pick
from aura_daemon.jobfile.keys.matrix import MOST_IN_LIST
from aura_daemon.jobfile.keys.reflect import REFLECT
from aura_daemon.jobfile.keys.regenerate import REGENERATE
from aura_daemon.jobfile.keys.types import stands_for_several
from aura_daemon.jobfile.recipes.checking import misspelt, problems_of_placeholders
from aura_daemon.jobfile.recipes.filling import (
    Filled,
    filled_in,
    has_placeholders,
    with_choices_kept,
    with_images_named,
)
from aura_daemon.jobfile.recipes.merging import fills_placeholders, gives_matrix, with_recipes
from aura_daemon.jobfile.recipes.pictures import MOST_MATCHES, Pictures
from aura_daemon.jobfile.recipes.subject import NOBODY, Subject
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec, task_of
from aura_daemon.jobs.prompts.placeholders import names_in, waits_for_caption
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.problems import shown

_FROM_FOLDERS: Final = ("negative_prompt", "notes", "tags", "output", "question", "caption")
"""Keys with texts that a folder's settings may hold, recipe or not."""

_ABOUT_ONE: Final[Mapping[object, str]] = {
    JobKind.CAPTION: 'is one picture; a set of them is `images: "photos/*.jpg"`',
    JobKind.UPSCALE: "is one picture: name each in a job of its own, or drop them into a folder that enlarges them",
    REGENERATE: "is one picture: name each in a job of its own",
    REFLECT: "is one picture, with which the reflection begins",
}
"""Tasks whose `image` never stands for several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AppliedRecipe:
    """The keys of a document with what its folders' recipes add."""

    keys: Mapping[str, object]
    subject: Subject
    """`NOBODY` where nothing is filled in."""
    task: object
    pictures: Pictures | None = None
    is_varied_by_folder: bool = False
    fills: bool = False
    """Whether its placeholders have values, now or when the jobs are made."""
    warnings: tuple[str, ...] = ()

    def filled(self, keys: Mapping[str, object], *, prompts: bool = True) -> Filled:
        """The keys of one job with the values of its placeholders."""
        return filled_in(keys, self.task, self.subject, prompts=prompts)

    def with_described(self, spec: JobSpec | RegenerateSpec) -> JobSpec:
        """What a job that draws asks for, with the name of the picture whose caption its prompts still lack."""
        assert isinstance(spec, JobSpec)
        request = spec.request
        if not self.fills:
            return spec
        assert isinstance(request, GenerateRequest)
        name = request.image or (self.subject.name if self.subject.is_picture else None)
        is_open = waits_for_caption(request.prompt) or waits_for_caption(request.negative_prompt)
        return replace(spec, request=replace(request, described=name)) if is_open and name is not None else spec


def applied(
    keys: Mapping[str, object],
    folders: Sequence[FolderDefaults],
    subject: Subject,
    *,
    file: str,
    lines: Mapping[str, int],
    numbers: Iterator[int],
) -> AppliedRecipe | tuple[Problem, ...]:
    """The keys that are to be checked and expanded; or what is wrong with placeholders and names of images.

    `numbers`: counts the jobs of the file.
    """
    if not subject.is_picture and isinstance(image := keys.get("image"), str) and names_in(image):
        message = "the job names itself: placeholders in `image` are about a picture that is dropped; name a picture"
        return (Problem(file=file, key="image", line=lines.get("image"), message=message, given=shown(image)),)
    merged = with_recipes(keys, folders, subject)
    task = task_of(merged)
    has_picture = subject.is_picture or _names_image(merged)
    is_varied_by_folder = gives_matrix(keys, folders) and isinstance(merged.get("matrix"), Mapping)
    fills = has_picture or fills_placeholders(folders)
    warnings: tuple[str, ...] = ()
    defaults = with_folder_defaults(merged, str(task), folders) if folders and _is_known(task) else merged
    if fills:
        merged |= {key: defaults[key] for key in _FROM_FOLDERS if has_placeholders(key, defaults.get(key))}
        problems = problems_of_placeholders(merged, task, has_picture=has_picture)
        if problems:
            return tuple(_placed(problem, keys, folders, file, lines) for problem in problems)
        warnings = tuple(misspelt(merged))
        merged = with_images_named(merged, subject)
        merged = with_choices_kept(merged) if task == JobKind.GENERATE else merged
    else:
        subject = NOBODY
        problems = problems_of_placeholders({"output": defaults.get("output")}, task, has_picture=False)
        if problems:
            return tuple(_placed(problem, keys, folders, file, lines) for problem in problems)
    if not subject.is_picture and stands_for_several(str(merged.get("image") or "")) and task in _ABOUT_ONE:
        problem = Problem(key="image", message=_ABOUT_ONE[task], given=shown(merged["image"]))
        return (_placed(problem, keys, folders, file, lines),)
    pictures = _pictures(merged, defaults.get("pick"), task, subject, numbers)
    if isinstance(pictures, str):
        image = shown(merged.get("image"))
        return (_placed(Problem(key="image", message=pictures, given=image), keys, folders, file, lines),)
    if pictures is None and keys.get("pick") is not None and not _is_several(task, merged.get("image")):
        warnings += ("pick: does nothing, as `image` does not stand for several: `photos/*.jpg`",)
    if pictures is not None and pictures.pick is Pick.ALL:
        lists = merged.get("matrix")
        merged["matrix"] = {"image": list(pictures.names), **(lists if isinstance(lists, Mapping) else {})}
        del merged["image"]
        pictures = None
    elif pictures is not None:
        merged["image"] = pictures.names[0]
    return AppliedRecipe(
        keys=merged,
        subject=subject,
        task=task,
        pictures=pictures,
        is_varied_by_folder=is_varied_by_folder,
        fills=fills,
        warnings=warnings,
    )


def _names_image(keys: Mapping[str, Any]) -> bool:
    matrix = keys.get("matrix")
    return keys.get("image") is not None or (isinstance(matrix, Mapping) and matrix.get("image") is not None)


def _is_known(task: object) -> bool:
    return task in (*MODELS, REGENERATE, REFLECT, BENCHMARK)


def _is_several(task: object, image: object) -> bool:
    return task == JobKind.GENERATE and isinstance(image, str) and stands_for_several(image)


def _pictures(
    keys: Mapping[str, object], pick: object, task: object, subject: Subject, numbers: Iterator[int]
) -> Pictures | str | None:
    """What `image: "photos/*.jpg"` stands for, or why it stands for nothing; None where `image` is one, or unknown."""
    image = keys.get("image")
    names = subject.matching(str(image)) if _is_several(task, image) else None
    if names is None:
        return None
    picked = Pick(str(pick)) if pick in tuple(Pick) else Pick.ALL
    if not names:
        return "stands for no picture: none fits, beside the file or below the inbox: put pictures there, or correct it"
    if len(names) > MOST_MATCHES:
        return f"stands for more than {MOST_MATCHES:,} pictures: name fewer of them"
    if picked is Pick.ALL and len(names) > MOST_IN_LIST:
        message = f"stands for {len(names):,} pictures, and a file makes at most {MOST_IN_LIST}"
        return f"{message}: name fewer, or say `pick: random` or `pick: each`"
    return Pictures(names=names, pick=picked, numbers=numbers)


def _placed(
    problem: Problem,
    own: Mapping[str, object],
    folders: Sequence[FolderDefaults],
    file: str,
    lines: Mapping[str, int],
) -> Problem:
    """A problem with the line of its key, or with the folder's settings that hold it."""
    key = problem.key.partition(".")[0]
    if own.get(key) is not None:
        return replace(problem, file=file, line=lines.get(problem.key, lines.get(key)))
    return replace(problem, file=next((folder.name for folder in folders if key in folder.keys), file))
