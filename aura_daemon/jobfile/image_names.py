"""Which images a job file or a table names. In: its bytes. Out: the names.

The intake asks this at every look at a job file that waits for its images, so no job is expanded here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import TypeAlias

from aura_daemon.errors import Problem
from aura_daemon.formats.file_types import TABLE_EXTENSIONS, extension_of
from aura_daemon.formats.yaml_reader import Document
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.expansion import MOST_JOBS, rows
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.keys.guidance.guidance_keys import NAMING, images_named
from aura_daemon.jobfile.keys.matrix import lists_of
from aura_daemon.jobfile.keys.regenerate import REGENERATE
from aura_daemon.jobfile.keys.types import image_path
from aura_daemon.jobfile.parser import JobPlans, added_documents, documents_of
from aura_daemon.jobfile.prompt_lists.prompt_tables import added_rows, keys_of_rows
from aura_daemon.jobfile.recipes.filling import with_images_named
from aura_daemon.jobfile.recipes.merging import with_recipes
from aura_daemon.jobfile.recipes.subject import Subject
from aura_daemon.jobfile.validation import task_of
from aura_daemon.jobs.requests import JobKind

Named: TypeAlias = Callable[[], Catalogue]


def image_names(
    content: bytes, *, file: str, folders: Sequence[FolderDefaults] = (), catalogue: Named | None = None
) -> tuple[str | None, ...]:
    """Each name once, in the order of the jobs; None stands for the image that is called like the job file.

    `folders`: the settings of its folders, nearest first. `photos/*.jpg` is a name that stands for several. `catalogue`
    returns what jobs may name at the moment; only of a file that names images it is asked. Without it every name is
    allowed.

    Empty where the file names no image, or the parser refuses the file. A file that names images is therefore checked,
    except for problems that only the expanded jobs show: a sheet that is too large, a prompt that a choice leaves
    blank, a combination with a mask and without an image.
    """
    is_table, subject = extension_of(file) in TABLE_EXTENSIONS, Subject(path=file)

    def plans() -> JobPlans:
        names = catalogue() if catalogue is not None else None
        return JobPlans(file=file, folders=folders, catalogue=names, may_name_sets=not is_table)

    def named(keys: Mapping[str, object]) -> Iterator[str | None]:
        return _names_in(with_images_named(with_recipes(keys, folders, subject), subject))

    if is_table:
        in_rows = dict.fromkeys(name for keys in keys_of_rows(content, file=file) for name in named(keys))
        is_refused = bool(in_rows) and _is_refused(jobs := plans(), added_rows(jobs, content))
        return () if is_refused else tuple(in_rows)
    documents = list(documents_of(content, file=file))
    names = dict.fromkeys(
        name for document in documents if isinstance(document, Document) for name in named(document.mapping)
    )
    return () if not names or _is_refused(jobs := plans(), added_documents(jobs, documents)) else tuple(names)


def image_sets(
    content: bytes, *, file: str, folders: Sequence[FolderDefaults] = (), catalogue: Named | None = None
) -> tuple[tuple[str, ...], ...]:
    """The patterns of each set of images in a job file; empty where the parser refuses it, and for a table.

    Only files are read that hold the word, or lie where a folder says it: most hold no set. `folders` and
    `catalogue`: as for `image_names`.
    """
    may_hold_any = b"images" in content or any("images" in folder.keys for folder in folders)
    if not may_hold_any or extension_of(file) in TABLE_EXTENSIONS:
        return ()
    jobs = JobPlans(file=file, folders=folders, catalogue=catalogue() if catalogue is not None else None)
    is_refused = _is_refused(jobs, added_documents(jobs, documents_of(content, file=file)))
    return () if is_refused else jobs.image_sets


def _is_refused(jobs: JobPlans, added: Iterator[Sequence[Problem]]) -> bool:
    return jobs.rejected(added) is not None or jobs.problem_of_number() is not None


def _names_in(keys: Mapping[str, object]) -> Iterator[str | None]:
    """The names in one document that has not been checked yet."""
    if keys.get("task") == JobKind.BENCHMARK:
        return
    image = keys.get("image")
    _, first = next(rows(keys))
    if task_of(first) != JobKind.GENERATE:
        if keys.get("images") is not None:  # `image_sets` tells of these
            return
        yield image_path(image) if isinstance(image, str) else None
        if task_of(first) == REGENERATE:
            yield from map(image_path, images_named(keys))
        return
    lists = lists_of(keys, ("image", "mask", *NAMING))
    for values, _ in zip(product(*lists.values()), range(MOST_JOBS), strict=False):  # more jobs are refused
        cell = {**keys, **dict(zip(lists, values, strict=True))}
        named = (*(cell.get(key) for key in ("image", "mask")), *images_named(cell))
        yield from (image_path(name) for name in named if isinstance(name, str))
