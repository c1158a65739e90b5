"""What is wrong with placeholders. In: the keys of a job, or of a recipe. Out: problems, and what may be misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.picture_metadata.exif_tags import NAMES, tag_named
from aura_daemon.jobfile.keys.output_name import FIELDS
from aura_daemon.jobfile.keys.reflect import REFLECT
from aura_daemon.jobfile.recipes.filling import IMAGES, OUTPUT, PROMPTS, texts_in
from aura_daemon.jobs.prompts.placeholders import CAPTION, EXIF, PLACEHOLDERS, names_in
from aura_daemon.jobs.requests import JobKind
from aura_daemon.problems import cut, nearest

_IN_BRACES: Final = re.compile(r"(?<![\\$%{])\{([A-Za-z_][\w:. -]{0,40})\}(?!\})")
"""A word in braces, which is no choice."""

_KNOWN: Final = f"known are {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)} and {{{EXIF}TAG}}"
_NEED_A_LOOK: Final = (CAPTION, "text")
_IN_IMAGES: Final = ("file", "stem", "folder", "date")


def problems_of_placeholders(
    keys: Mapping[str, object], task: object, *, has_picture: bool, is_strict: bool = False
) -> list[Problem]:
    """Everything that is wrong; `is_strict`: a word in braces that is no placeholder is one, too."""
    found: list[Problem] = []
    for key, text in texts_in(keys):
        found += (Problem(key=key, message=message) for message in _wrong(key, text, task, has_picture=has_picture))
        unknown = _unknown(key, text) if is_strict else ()
        found += (Problem(key=key, message=_of_unknown(name, key), suggestion=near) for name, near in unknown)
    return found


def misspelt(keys: Mapping[str, object]) -> Iterator[str]:
    """Of words in braces that are nearly placeholders, that they are drawn as they stand."""
    for key, text in texts_in(keys):
        for name, near in _unknown(key, text):
            if near and key.rpartition(".")[0] in ("", "matrix.prompt", "matrix.negative_prompt"):
                yield f"{key}: `{{{cut(name)}}}` is no placeholder and stays as it is; did you mean `{near}`?"


def _wrong(key: str, text: str, task: object, *, has_picture: bool) -> Iterator[str]:
    base = key.removeprefix("matrix.").partition(".")[0]
    for name in names_in(text):
        if base == OUTPUT and name in FIELDS:
            continue
        if base in IMAGES and name not in _IN_IMAGES:
            yield f"`{{{name}}}` has no place in the name of an image; {_listed(_IN_IMAGES)} have"
        elif name == CAPTION and task == JobKind.CAPTION:
            yield "a caption cannot hold itself: `{caption}` is for jobs that draw"
        elif name == CAPTION and base not in PROMPTS:
            yield "`{caption}` is known only when the picture is drawn: it stands in `prompt` and `negative_prompt`"
        elif name == CAPTION and task not in (JobKind.GENERATE, REFLECT):
            yield f"`{{caption}}` does not go with `task: {task}`"
        elif name.startswith(EXIF) and not tag_named(name.removeprefix(EXIF)):
            near = nearest(name.removeprefix(EXIF), NAMES)
            meant = f"; did you mean `{{{EXIF}{near}}}`?" if near else ""
            yield f"`{{{cut(name)}}}` is no tag that is read; known are {', '.join(NAMES)}{meant}"
        elif not has_picture and (name in _NEED_A_LOOK or name.startswith(EXIF)):
            yield f"`{{{name}}}` is about a picture, and this job has none: say `image`, or a `prompt` without it"


def _unknown(key: str, text: str) -> Iterator[tuple[str, str]]:
    """Words in braces that are no placeholders, each with the one that may be meant."""
    own = FIELDS if key == OUTPUT else ()
    for name in dict.fromkeys(_IN_BRACES.findall(text)):
        if name not in names_in(f"{{{name}}}") and name.partition(":")[0] not in own:
            near = nearest(name, PLACEHOLDERS)
            yield name, f"{{{near}}}" if near else ""


def _of_unknown(name: str, key: str) -> str:
    if name == key:
        return f"`{{{name}}}` would stand for itself; {_KNOWN}"
    return f"`{{{cut(name)}}}` is no placeholder; {_KNOWN}; " + r"`\{" + f"{cut(name)}}}` is text"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{{{name}}}`" for name in names)
