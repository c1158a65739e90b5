"""Names of files that are handed in: as is wanted, or as what tells most of them. In: words. Out: fresh names."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Final

from aura_daemon import file_names
from aura_daemon.config.settings import Settings
from aura_daemon.errors import AuraError, Problem
from aura_daemon.file_names import collision_key, escaped
from aura_daemon.formats.file_types import (
    SIDECAR_EXTENSION,
    SUBMITTED_EXTENSIONS,
    extension_of,
)
from aura_daemon.formats.plain_text import NOT_TEXT
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.outbox.outbox_files import PAYLOAD_EXTENSIONS
from aura_daemon.system.files import regular_files
from aura_daemon.watch import ignored_names

MOST_NAME_CHARACTERS: Final = 48
"""Of a name that is made from a prompt."""

_TAGS: Final = re.compile(r"<[^<>]*>|__[^_]+__|[{}]")
_WORDS: Final = re.compile(r"[^\W_]+")


def placed(settings: Settings, name: str, telling: str) -> tuple[str, str] | Problem:
    """Folder and stem of a draft, from a wanted name or what tells most; or why the name cannot be had."""
    if not name:
        return "", file_names.output_stem(sane(telling), None)
    path = PurePosixPath(name.strip())
    end = extension_of(path.name)
    if end in SUBMITTED_EXTENSIONS:
        path = path.with_name(path.name[: -len(end)])
    shown = escaped(name)
    text = path.as_posix()
    if path.is_absolute() or ".." in path.parts or "\\" in name or file_names.is_out_of_bounds(f"{text}.yaml"):
        return Problem(key="name", message="must stay in the inbox: no absolute, hidden or `..` path", given=shown)
    if not path.name or NOT_TEXT.search(text) or any(file_names.portable(part) != part for part in path.parts):
        message = 'must be a name that every system can hold: no control character and none of <>:"|?*\\'
        return Problem(key="name", message=message, given=shown)
    if ignored := ignored_names.verdict(f"{text}.yaml", ignore=settings.ignore, take=settings.take):
        return Problem(key="name", message=f"such a file would be left alone: {ignored}", given=shown)
    if regular_files.leads_astray((settings.inbox / path).parent, below=settings.inbox):
        return Problem(key="name", message="a link on the way leads out of the inbox", given=shown)
    stem = file_names.output_stem(path.name.lstrip("_") or "job", None)
    return "" if len(path.parts) == 1 else path.parent.as_posix(), stem


def fresh_stems(settings: Settings, folder: str, stem: str, first: Callable[[str], str]) -> Iterator[str]:
    """The stem, then the stem with a number; without those that something has in inbox, journal or outbox.

    `first`: the first file of a stem, which the journal would know.
    """
    taken = _stems_in(settings.inbox / folder)
    for number in count(1):
        candidate = stem if number == 1 else f"{stem}-{number}"
        if collision_key(candidate) not in taken and not _is_known(settings, folder, candidate, first(candidate)):
            yield candidate


def _stems_in(folder: Path) -> set[str]:
    """The names in a folder, with and without extensions, as keys of which equal ones collide."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:  # it is not there yet; whatever else is wrong with it, the write tells
        return set()
    return {collision_key(stem) for name in names for stem in (name, name.rpartition(".")[0])}


def _is_known(settings: Settings, folder: str, stem: str, first: str) -> bool:
    """Whether a file of this name came before, as far as this user may know, or results of this name are there."""
    place = settings.outbox / file_names.portable_folder(folder)
    ends = ("", "-1", *PAYLOAD_EXTENSIONS, SIDECAR_EXTENSION, "-1" + SIDECAR_EXTENSION)
    if any(os.path.lexists(place / (stem + end)) for end in ends):
        return True
    with (
        suppress(AuraError, OSError),
        closing(Journal(settings.state_folder() / FILE_NAME, read_only=True)) as journal,
    ):
        return journal.latest_source(f"{folder}/{first}" if folder else first) is not None
    return False


def slug(prompt: str) -> str:
    """The first words of a prompt, in small letters, joined by `-`."""
    words = _WORDS.findall(unicodedata.normalize("NFC", _TAGS.sub(" ", prompt)).lower())
    slug = ""
    for word in words:
        if slug and len(slug) + len(word) >= MOST_NAME_CHARACTERS:
            break
        slug += f"-{word}" if slug else word[:MOST_NAME_CHARACTERS]
    return slug


def sane(stem: str) -> str:
    """A stem that is a name on every system, and that is neither hidden nor private."""
    return file_names.portable(NOT_TEXT.sub("-", stem).strip(" .-_~#@$")).strip(" .-") or "job"
