"""What a file's bytes ask for, as the daemon will read them. In: a name and bytes. Out: jobs, or every problem."""

from __future__ import annotations

import time
from collections.abc import Collection
from io import BytesIO
from pathlib import Path
from typing import assert_never

from aura_daemon.config.settings import Settings
from aura_daemon.errors import Problem
from aura_daemon.file_names import escaped
from aura_daemon.formats.image_ends import ends_properly
from aura_daemon.formats.image_signatures import ImageSignature, format_of
from aura_daemon.intake.catalogue import catalogue_reader
from aura_daemon.intake.folder_defaults import FolderDefaultsReader
from aura_daemon.intake.jobs.making import drawn_seed
from aura_daemon.intake.recipes.subjects import SubjectsOnDisk
from aura_daemon.intake.triage import MEND_HEIC, UNREAD_HEIC
from aura_daemon.jobfile import from_sidecar, parser
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.keys.regenerate import REGENERATE
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile
from aura_daemon.jobfile.prompt_lists import reading
from aura_daemon.jobfile.recipes.merging import is_recipe, task_of_pictures
from aura_daemon.jobfile.recipes.subject import NOBODY, Subject
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.system.library_versions import is_installed
from aura_daemon.watch import file_kinds
from aura_daemon.watch.completeness import CompletenessTracker
from aura_daemon.watch.decisions import Leave
from aura_daemon.watch.file_kinds import HEAD_BYTES


class FileContents:
    """Reads bytes as files of one inbox are read; names are held to what the configuration allows now."""

    def __init__(self, settings: Settings, accept: Collection[Accept]) -> None:
        self._accept = accept
        self._prompt_lines = settings.prompt_lines
        self._most_image_bytes = settings.limits.image_bytes
        self.catalogue = catalogue_reader(settings).now()
        """What jobs may name."""
        self._subjects = SubjectsOnDisk(
            settings.inbox, companions=settings.companions, most_image_bytes=settings.limits.image_bytes
        )
        self.drawn_seeds: set[int] = set()
        """What was drawn so far where jobs share a seed that nobody chose."""
        self._folder_defaults = FolderDefaultsReader(settings.inbox, CompletenessTracker(0, now=time.monotonic))

    def folders_above(self, path: str, *, shown: str) -> tuple[FolderDefaults, ...] | Problem:
        """The settings of the folders above a path in the inbox, or why they cannot be used."""
        try:
            return self._folder_defaults.above(path)
        except OSError as error:
            return Problem(file=shown, message=f"its folder's settings cannot be used: {error.strerror}")

    def read(
        self,
        name: str,
        content: bytes,
        folders: tuple[FolderDefaults, ...],
        *,
        shown: str,
        file: Path | None = None,
        path: str = "",
    ) -> ParsedFile | str | tuple[Problem, ...]:
        """The jobs of a file, or in words the one job of an image or sidecar. `shown`: the file in problems.

        `file`: where it lies; without it no placeholder is filled in. `path`: below the inbox.
        """
        route = file_kinds.route(name, content[:HEAD_BYTES], self._accept)
        match route:
            case SourceKind.JOB_FILE | SourceKind.PROMPT_TEXT | SourceKind.PROMPT_TABLE:
                parsed = reading.parse(
                    route,
                    content,
                    file=shown,
                    folders=folders,
                    catalogue=self.catalogue,
                    draw=self._draw,
                    prompt_lines=self._prompt_lines,
                    subject=self._subjects.of(file, path or name) if file is not None else NOBODY,
                )
                return parsed.problems if isinstance(parsed, RejectedFile) else parsed
            case SourceKind.SIDECAR:
                document = from_sidecar.parse(content, file=shown, catalogue=self.catalogue)
                return document if isinstance(document, tuple) else "a sidecar: 1 job, makes the same again"
            case SourceKind.IMAGE:
                problem = self.problem_of_image(content)
                if problem:
                    return (Problem(file=shown, message=problem),)
                if task_of_pictures(folders) == REGENERATE:
                    return "an image: 1 job, draws it again"
                if not is_recipe(folders):
                    return "an image: 1 caption job"
                subject = Subject(path=path or name, is_picture=True)
                if file is not None:
                    subject = self._subjects.of(file, subject.path, content)
                made = parser.of_picture(folders, subject=subject, catalogue=self.catalogue, draw=self._draw)
                return made.problems if isinstance(made, RejectedFile) else made
            case Leave():
                return (Problem(file=shown, message=f"would be left alone: {escaped(str(route))}"),)
            case file_kinds.Mismatch():
                return (Problem(file=shown, message=route.reason),)
            case file_kinds.Unfinished():
                return (Problem(file=shown, message="is empty or holds nothing but zeros"),)
            case _:  # pragma: no cover
                assert_never(route)

    def _draw(self) -> int:
        seed = drawn_seed()
        self.drawn_seeds.add(seed)
        return seed

    def problem_of_image(self, content: bytes) -> str:
        """Why the bytes of an image would not be taken; empty where nothing speaks against them."""
        if len(content) > self._most_image_bytes:
            return f"the image is larger than {self._most_image_bytes:,} bytes (limits.image_bytes)"
        if format_of(content) is ImageSignature.HEIC and not is_installed("pi_heif"):
            return f"would be left alone: {UNREAD_HEIC}; {MEND_HEIC}"
        if ends_properly(BytesIO(content)) is False:
            return "the end of the image is missing; the daemon waits for it"
        return ""
