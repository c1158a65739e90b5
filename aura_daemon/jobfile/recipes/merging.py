"""What the recipes of its folders add to a job: task, prompt, image, mask, matrix. In: a job's keys. Out: its keys.

A folder that says one of these is a recipe: what is dropped there is the rest. Whatever a job says itself wins, then
the nearest folder. A recipe is for jobs of its own task alone, so that no prompt becomes the beginning of a caption.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aura_daemon.jobfile.folder_defaults import ABOUT_ONE_JOB, FolderDefaults
from aura_daemon.jobfile.keys.guidance.guidance_keys import NAMING, images_named
from aura_daemon.jobfile.keys.reflect import REFLECT
from aura_daemon.jobfile.keys.regenerate import REGENERATE
from aura_daemon.jobfile.recipes.subject import Subject
from aura_daemon.jobfile.validation import task_of
from aura_daemon.jobs.prompts.placeholders import names_in
from aura_daemon.jobs.requests import JobKind

_OF_FILE: Final = "file"

_OTHER: Final = {"image": "images", "images": "image"}
"""One picture or several: whoever says one of these keys has decided both."""


def is_recipe(folders: Sequence[FolderDefaults]) -> bool:
    """Whether a folder says what else only a job says."""
    return any(folder.keys.keys() & ABOUT_ONE_JOB for folder in folders)


def fills_placeholders(folders: Sequence[FolderDefaults]) -> bool:
    """Whether placeholders have a meaning in all texts of jobs: folders that only make pictures again are older."""
    said = [{**folder.keys} for folder in folders]
    return any(keys.pop("task", None) not in (None, REGENERATE) or keys.keys() & ABOUT_ONE_JOB for keys in said)


def task_of_pictures(folders: Sequence[FolderDefaults]) -> str:
    """What becomes of a picture that is dropped into folders: as they say, else a caption.

    Without a `task` it is drawn from where they say both `image` and `prompt`, as in a job file.
    """
    said = _task_said(folders)
    if said:
        return said
    keys = {key for folder in folders for key in folder.keys}
    return JobKind.GENERATE if {"image", "prompt"} <= keys else JobKind.CAPTION


def with_recipes(keys: Mapping[str, object], folders: Sequence[FolderDefaults], subject: Subject) -> dict[str, Any]:
    """The keys of a job with what the recipes of its folders add."""
    merged = {**keys}
    if not is_recipe(folders):
        return merged
    task = _task(keys, folders)
    own_lists = _lists(keys.get("matrix"))
    for folder in _for_task(task, folders):
        for key in ("prompt", "image", "images", "mask", *NAMING):
            value = folder.get(key)
            is_open = merged.get(key) is None and key not in own_lists and merged.get(_OTHER.get(key, key)) is None
            is_of_file = key != "prompt" and any(map(_is_of_file, (value, *images_named({key: value}))))
            if value is not None and is_open and (subject.is_picture or not is_of_file):
                merged[key] = value
        if merged.get("matrix") is None and folder.get("matrix") is not None:
            merged["matrix"] = _rest(folder["matrix"], keys)
    if subject.is_picture and task == REFLECT:
        merged["image"] = subject.name
    elif subject.is_picture and task != JobKind.GENERATE:
        merged.pop("image", None)  # it is about the picture itself
        merged.pop("images", None)
    has_image = merged.get("image") is not None or "image" in _lists(merged.get("matrix"))
    if not has_image and keys.get("mask") is None:
        merged.pop("mask", None)
    if task_of(merged) != task:
        merged["task"] = str(task)
    return merged


def gives_matrix(keys: Mapping[str, object], folders: Sequence[FolderDefaults]) -> bool:
    """Whether a job's matrix is not its own."""
    return keys.get("matrix") is None and any(folder.keys.get("matrix") is not None for folder in folders)


def _task(keys: Mapping[str, object], folders: Sequence[FolderDefaults]) -> object:
    """The task of a job; where it says neither task nor prompt, that of its folders."""
    if keys.get("task") is not None or keys.get("prompt") is not None or "prompt" in _lists(keys.get("matrix")):
        return task_of(keys)
    said = _task_said(folders)
    if said and said != REGENERATE:  # which is about pictures that are dropped
        return said
    prompts = (folder.keys.get("prompt") or _lists(folder.keys.get("matrix")).get("prompt") for folder in folders)
    if not said and any(prompts):
        return JobKind.GENERATE
    names_set = any(folder.keys.get("images") is not None for folder in folders) and not said
    return JobKind.CAPTION if names_set else task_of(keys)


def _for_task(task: object, folders: Sequence[FolderDefaults]) -> Iterator[Mapping[str, Any]]:
    """What the recipes for a task say, the nearest first."""
    for index, folder in enumerate(folders):
        usual = JobKind.CAPTION if folder.keys.get("images") is not None else JobKind.GENERATE
        if (_task_said(folders[index:]) or usual) == task:
            yield folder.keys


def _task_said(folders: Sequence[FolderDefaults]) -> str:
    """The task that the nearest folder names; empty where none does."""
    return next((str(folder.keys["task"]) for folder in folders if folder.keys.get("task") is not None), "")


def _is_of_file(name: object) -> bool:
    """Whether the name of an image stands for the picture that is dropped, which no job file is."""
    return isinstance(name, str) and _OF_FILE in names_in(name)


def _lists(matrix: object) -> Mapping[str, object]:
    return matrix if isinstance(matrix, Mapping) else {}


def _rest(matrix: Mapping[str, object], keys: Mapping[str, object]) -> dict[str, object]:
    """A folder's matrix without the lists that a job decides itself."""
    settled = {key for key, value in keys.items() if value is not None}
    settled |= {"seed"} if "count" in settled else set()
    return {key: values for key, values in matrix.items() if key not in settled}
