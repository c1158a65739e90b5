"""Reads the folder of word lists: `animals.txt` is `__animals__`, `sub/animals.txt` is `__sub/animals__`.

Each file is read once for every state of it. One that cannot be used is known with the reason; links are not followed,
so that nothing outside the folder is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_daemon.config.settings import GenerateConfig
from aura_daemon.formats.yaml_reader import NOT_TEXT, decoded
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.keys.types import MOST_PROMPT_CHARACTERS
from aura_daemon.system import durable_files

MOST_BYTES: Final = 1 << 20
"""Of one list."""

SUFFIX: Final = ".txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class _CachedList:
    state: tuple[int, int, int]
    found: tuple[str, ...] | str
    """The lines, or why they cannot be used."""


class WordLists:
    """Of one folder, which need not be there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, _CachedList] = {}

    def now(self) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
        """The lists by their names, and why others cannot be used."""
        self._read = dict(self._looked_at())
        lines = {name: read.found for name, read in self._read.items() if not isinstance(read.found, str)}
        unusable = {name: read.found for name, read in self._read.items() if isinstance(read.found, str)}
        return lines, unusable

    def _looked_at(self) -> Iterator[tuple[str, _CachedList]]:
        for name, file in files_below(self._folder, SUFFIX):
            try:
                status = file.lstat()
            except FileNotFoundError:  # taken away since it was listed
                continue
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            before = self._read.get(name)
            yield (
                name,
                before if before is not None and before.state == state else _CachedList(state=state, found=_in(file)),
            )


def files_below(folder: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """Name, with the folders below `folder` and without the suffix, and place of its visible files, in their order."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(suffix) and not name.startswith("."):
                file = Path(place, name)
                yield file.relative_to(folder).as_posix()[: -len(suffix)], file


def _in(file: Path) -> tuple[str, ...] | str:
    """The lines that say something, or why they cannot be used."""
    try:
        content = durable_files.read(file, most_bytes=MOST_BYTES + 1).content
    except durable_files.NotARegularFile:
        return "it is a link or no regular file; only those are opened"
    except (FileNotFoundError, PermissionError) as error:
        return f"it cannot be read: {error.strerror}"
    if len(content) > MOST_BYTES:
        return f"it has more than {MOST_BYTES:,} bytes"
    text = decoded(content)
    if text is None or NOT_TEXT.search(text):
        return "it is no text: save it as UTF-8"
    lines = tuple(line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#"))
    if not lines:
        return "it holds no line"
    if max(map(len, lines)) > MOST_PROMPT_CHARACTERS:
        return f"it holds a line of more than {MOST_PROMPT_CHARACTERS:,} characters"
    return lines


class CatalogueReader:
    """Of one configuration; folders that are not there hold nothing."""

    def __init__(self, configured: GenerateConfig) -> None:
        self._models = tuple(dict.fromkeys((configured.model, *configured.models)))
        self._loras = configured.loras
        self._word_lists = WordLists(configured.wildcards) if configured.wildcards is not None else None

    def now(self) -> Catalogue:
        """Everything there is; raises OSError where a folder falters."""
        lists, unusable = self._word_lists.now() if self._word_lists is not None else ({}, {})
        loras = tuple(name for name, _ in files_below(self._loras, ".safetensors")) if self._loras is not None else ()
        return Catalogue(models=self._models, loras=loras, wildcards=lists, unusable=unusable)
