"""`check`: what the daemon would say of files, without running them."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from aura_daemon import file_names
from aura_daemon.config.loading import load
from aura_daemon.errors import Problem
from aura_daemon.file_names import escaped
from aura_daemon.formats import image_signatures
from aura_daemon.intake.admission import drawn_seed
from aura_daemon.intake.catalogue import CatalogueReader
from aura_daemon.intake.folder_defaults import FolderDefaultsReader
from aura_daemon.jobfile import from_sidecar, parser
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FILE_NAME, FolderDefaults, parse_defaults, regenerates
from aura_daemon.jobfile.parser import ParsedJob
from aura_daemon.jobs.requests import (
    CaptionRequest,
    GenerateRequest,
    GridRequest,
    Hires,
    Lora,
    RegenerateRequest,
    Request,
)
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.system import durable_files
from aura_daemon.watch import file_kinds
from aura_daemon.watch.completeness import CompletenessTracker
from aura_daemon.watch.file_kinds import HEAD_BYTES, TAIL_BYTES

FAILED = 1

_VERBS: Final = {GenerateRequest: "draw", CaptionRequest: "caption", RegenerateRequest: "draw again"}


def check(files: list[Path], config: Path | None = None, *, expand: bool = False) -> int:
    """Prints a line a file that is well, and every problem of the others; 1 where there is any.

    Names are held to what the configuration allows; in the inbox its folders' settings count. `expand`: a line a job.
    """
    problems: list[Problem] = []
    settings = load(config).settings
    catalogue = CatalogueReader(settings.generate).now()
    settings_of_folders = FolderDefaultsReader(settings.inbox, CompletenessTracker(0, now=time.monotonic))
    for file in files:
        name = file_names.escaped(str(file))
        try:
            is_of_a_folder = file.name == FILE_NAME
            folders = () if is_of_a_folder else settings_of_folders.above(_below(file, settings.inbox))
        except OSError as error:
            problems.append(Problem(file=name, message=f"its folder's settings cannot be used: {error.strerror}"))
            continue
        found = _look_at(file, name, catalogue, folders)
        if isinstance(found, tuple):
            problems.extend(found)
            continue
        print(f"{file_names.escaped(str(file))}: {found if isinstance(found, str) else _said(found)}")
        if expand and isinstance(found, parser.ParsedFile):
            for line in lines_of(found.jobs):
                print(line)
            for sheet, _ in found.sheets:
                print(f"       and a sheet of the {sheet.cells} pictures, {sheet.columns} in a row")
    for problem in problems:
        print(f"error: {problem}")
    return FAILED if problems else 0


def _below(file: Path, inbox: Path) -> str:
    """The path below the inbox; empty, which has no folders, where it lies elsewhere."""
    place = file.absolute().parent.resolve() / file.name
    return str(place.relative_to(inbox.resolve())) if place.is_relative_to(inbox.resolve()) else ""


def _look_at(
    file: Path, name: str, catalogue: Catalogue, folders: tuple[FolderDefaults, ...]
) -> parser.ParsedFile | str | tuple[Problem, ...]:
    """What the file asks for, or what is wrong with it; `name` is how it is printed."""
    try:
        content = durable_files.read(file, most_bytes=200_000_000).content
    except OSError as error:
        return (Problem(file=name, message=f"cannot be read: {error.strerror}"),)
    if file.name == FILE_NAME:
        settings = parse_defaults(content, file=name, sha256="")
        return settings if isinstance(settings, tuple) else "the settings of its folder"
    route = file_kinds.route(file.name, content[:HEAD_BYTES], frozenset(Accept))
    match route:
        case SourceKind.JOB_FILE:
            parsed = parser.parse_job_file(content, file=name, folders=folders, catalogue=catalogue, draw=drawn_seed)
            return parsed.problems if isinstance(parsed, parser.RejectedFile) else parsed
        case SourceKind.PROMPT_TEXT:
            parsed = parser.parse_prompt_text(content, file=name, folders=folders, catalogue=catalogue, draw=drawn_seed)
            return parsed.problems if isinstance(parsed, parser.RejectedFile) else parsed
        case SourceKind.SIDECAR:
            document = from_sidecar.parse(content, file=name, catalogue=catalogue)
            return document if isinstance(document, tuple) else "a sidecar: 1 job, makes the same again"
        case SourceKind.IMAGE:
            if image_signatures.ends_properly(content[:HEAD_BYTES], content[-TAIL_BYTES:], len(content)) is False:
                return (Problem(file=name, message="the end of the image is missing: it is truncated"),)
            return "an image: 1 job, draws it again" if regenerates(folders) else "an image: 1 caption job"
        case file_kinds.Foreign():
            return (Problem(file=name, message=f"would be left alone: {file_names.escaped(route.reason)}"),)
        case file_kinds.Mismatch():
            return (Problem(file=name, message=route.reason),)
        case file_kinds.Unfinished():
            return (Problem(file=name, message="is empty or holds nothing but zeros"),)


def _said(parsed: parser.ParsedFile) -> str:
    kinds = Counter(type(job.spec.request) for job in parsed.jobs)
    parts = [f"{kinds[kind]} to {verb}" for kind, verb in _VERBS.items() if kinds[kind]]
    return f"{len(parsed.jobs)} job{'s' * (len(parsed.jobs) != 1)}: {', '.join(parts)}"


_SHOWN_ANYWAY: Final = frozenset({"prompt", "seed"})


def lines_of(jobs: Sequence[ParsedJob]) -> Iterator[str]:
    """Of each job its number, its seed, the keys in which it differs from others of the file, and its prompt."""
    width = Console().width if sys.stdout.isatty() else None
    requests = [job.spec.request for job in jobs]
    differing = _differing([one for one in requests if isinstance(one, GenerateRequest)])
    for number, request in enumerate(requests, start=1):
        line = Text(escaped(f"{number:>5}  {_told(request, differing)}"))
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        yield line.plain


def _differing(requests: Sequence[GenerateRequest]) -> list[str]:
    """Keys of which not all say the same."""
    keys = [field.name for field in fields(GenerateRequest) if field.name not in _SHOWN_ANYWAY]
    return [key for key in keys if len({getattr(request, key) for request in requests}) > 1]


def _told(request: Request | RegenerateRequest, differing: Sequence[str]) -> str:
    if isinstance(request, RegenerateRequest):
        return f"{request.image or 'the image that is called as the file'}, drawn again"
    if isinstance(request, GridRequest):
        return f"a sheet of {len(request.cells)} pictures"
    if not isinstance(request, GenerateRequest):
        return f"caption of {request.image or 'the image that is called as the file'}  {request.prompt}".rstrip()
    seed = "drawn" if request.seed is None else str(request.seed)
    told = [f"{key}={_shown(getattr(request, key))}" for key in differing]
    return "  ".join((f"seed {seed}", *told, " ".join(request.prompt.split())))


def _shown(value: object) -> str:
    """A value of a key, short."""
    match value:
        case None:
            return "default"
        case tuple():
            return "[" + ", ".join(map(_shown, value)) + "]"
        case Lora() | Hires():
            return ":".join(map(str, astuple(value)))
        case str():
            return value if value and value.isprintable() and " " not in value else repr(value)
        case _:
            return str(value)
