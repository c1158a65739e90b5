"""What job files may name: models, LoRAs, ControlNets, adapters, word lists. In: the configuration. Out: a catalogue.

The word list in `animals.txt` is `__animals__`, that in `sub/animals.txt` is `__sub/animals__`. A list is read again
only when its file has changed. The catalogue holds the reason why a list cannot be used; links are not followed, so
that nothing outside the folder is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_daemon.config.guidance.adapters import adapter_meant, adapters_named
from aura_daemon.config.guidance.controlnets import controlnets_named
from aura_daemon.config.settings import GenerateConfig, Settings, UpscaleConfig
from aura_daemon.formats.plain_text import NOT_TEXT, decoded
from aura_daemon.formats.prompts.prompt_tags import without_comments
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.keys.types import MOST_PROMPT_CHARACTERS
from aura_daemon.jobs.guidance.upscaling import upscaler_label, upscalers_meant
from aura_daemon.jobs.prompts.lora_names import EXTENSION
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import why_denied
from aura_daemon.watch.file_stamp import FileStamp

MOST_BYTES: Final = 1 << 20
"""The size of the largest word list."""

SUFFIX: Final = ".txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class _CachedList:
    stamp: FileStamp
    found: tuple[str, ...] | str
    """The lines, or why the list cannot be used."""


class WordLists:
    """The word lists in one folder, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, _CachedList] = {}

    def now(self) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
        """The lines of every list by its name, and the reasons why other lists cannot be used."""
        self._read = dict(self._cached_lists())
        lines = {name: read.found for name, read in self._read.items() if not isinstance(read.found, str)}
        unusable = {name: read.found for name, read in self._read.items() if isinstance(read.found, str)}
        return lines, unusable

    def _cached_lists(self) -> Iterator[tuple[str, _CachedList]]:
        for name, file in files_below(self._folder, SUFFIX):
            try:
                stamp = FileStamp.of(file.lstat())
            except FileNotFoundError:  # taken away since it was listed
                continue
            cached = self._read.get(name)
            if cached is None or cached.stamp != stamp:
                cached = _CachedList(stamp=stamp, found=_lines_in(file))
            yield name, cached


def files_below(folder: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """Name (its path below `folder`, without the suffix) and place of every visible file, sorted in each folder."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(suffix) and not name.startswith("."):
                file = Path(place, name)
                yield file.relative_to(folder).as_posix()[: -len(suffix)], file


def _lines_in(file: Path) -> tuple[str, ...] | str:
    """The lines of a list without blank lines and comments, or why the list cannot be used."""
    try:
        content = regular_files.read(file, most_bytes=MOST_BYTES + 1).content
    except regular_files.NotARegularFile:
        return "it is a link or no regular file; only those are opened"
    except (FileNotFoundError, PermissionError) as error:
        return f"it cannot be read: {why_denied(error, file)}"
    if len(content) > MOST_BYTES:
        return f"it has more than {MOST_BYTES:,} bytes"
    text = decoded(content)
    if text is None or NOT_TEXT.search(text):
        return "it is no text: save it as UTF-8"
    written = (line for line in map(str.strip, text.splitlines()) if not line.startswith("#"))
    lines = tuple(line for line in (without_comments(line).text.strip() for line in written) if line)
    if not lines:
        return "it holds no line"
    if max(map(len, lines)) > MOST_PROMPT_CHARACTERS:
        return f"it holds a line of more than {MOST_PROMPT_CHARACTERS:,} characters"
    return lines


class CatalogueReader:
    """Reads the catalogue of one configuration; folders that do not exist hold nothing."""

    def __init__(
        self, configured: GenerateConfig, *, answers: bool = False, upscaling: UpscaleConfig | None = None
    ) -> None:
        """`answers`: whether a model is configured that answers questions about images."""
        self._upscaling = upscaling
        self._answers = answers
        self._models = tuple(dict.fromkeys((configured.model, *configured.models)))
        self._loras = configured.loras
        self._controlnets = configured.controlnets
        self._adapters, self._adapter = configured.adapters, configured.adapter
        self._word_lists = WordLists(configured.wildcards) if configured.wildcards is not None else None

    def now(self) -> Catalogue:
        """Everything that jobs may name at the moment; raises OSError where a folder cannot be read."""
        lists, unusable = self._word_lists.now() if self._word_lists is not None else ({}, {})
        loras = tuple(name for name, _ in files_below(self._loras, EXTENSION)) if self._loras is not None else ()
        return Catalogue(
            models=self._models,
            loras=loras,
            controlnets=controlnets_named(self._controlnets, self._models),
            adapters=adapters_named(self._adapters),
            adapter=adapter_meant(None, self._adapter, self._adapters),
            wildcards=lists,
            unusable=unusable,
            upscalers=upscalers_named(self._upscaling) if self._upscaling is not None else (),
            answers=self._answers,
        )


def upscalers_named(configured: UpscaleConfig) -> tuple[str, ...]:
    """The names of upscalers that jobs may write: the configured one, and those in the folder."""
    folder, label = configured.folder, upscaler_label(configured.model)
    found = [name for name, _ in files_below(folder, EXTENSION)] if folder is not None else []
    return tuple(dict.fromkeys((*(upscalers_meant(label, found) or (label,)), *found)))


def catalogue_reader(settings: Settings) -> CatalogueReader:
    """What reads the catalogue of these settings."""
    answers = settings.caption.question_model is not None
    return CatalogueReader(settings.generate, answers=answers, upscaling=settings.upscale)
