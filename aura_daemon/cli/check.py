"""`check`: what the daemon would say of files, without running them."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from io import BytesIO
from pathlib import Path
from typing import Final, assert_never

from rich.console import Console
from rich.text import Text

from aura_daemon.config.loading import load
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.explain import path_below
from aura_daemon.errors import Problem
from aura_daemon.file_names import escaped
from aura_daemon.formats.file_types import JOB_FILE_EXTENSIONS, extension_of
from aura_daemon.formats.image_ends import ends_properly
from aura_daemon.formats.image_signatures import ImageSignature, format_of
from aura_daemon.intake.admission import drawn_seed
from aura_daemon.intake.catalogue import CatalogueReader
from aura_daemon.intake.folder_defaults import FolderDefaultsReader
from aura_daemon.intake.folder_listings import FolderListings
from aura_daemon.intake.triage import MEND_HEIC, UNREAD_HEIC
from aura_daemon.jobfile import from_sidecar
from aura_daemon.jobfile.folder_defaults import FolderDefaults, is_settings, parse_defaults, regenerates
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile
from aura_daemon.jobfile.prompt_lists import reading
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
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
from aura_daemon.system.library_versions import is_installed
from aura_daemon.system.permissions import why_denied
from aura_daemon.watch import file_kinds
from aura_daemon.watch.completeness import CompletenessTracker
from aura_daemon.watch.decisions import Leave
from aura_daemon.watch.file_kinds import HEAD_BYTES

FAILED = 1

MOST_BYTES: Final = 200_000_000
"""Of a file; a longer one is a problem."""

_VERBS: Final = {
    GenerateRequest: "draw",
    CaptionRequest: "caption",
    RegenerateRequest: "draw again",
    BenchmarkRequest: "measure",
}

_ALWAYS_SHOWN: Final = frozenset({"prompt", "seed"})
"""Keys that the line of a job shows even where all jobs of the file agree."""


def check(files: list[Path], config: Path | None = None, *, expand: bool = False) -> int:
    """Prints a line for each valid file, then every problem of the others; 1 where there is any.

    Names are held to what the configuration allows; in the inbox its folders' settings count. `expand`: also a line
    for each job.
    """
    checker = _Checker(load(config).settings, expand=expand)
    problems: list[Problem] = []
    for file in files:
        outcome = checker.check(file)
        if isinstance(outcome, tuple):
            problems.extend(outcome)
        else:
            print("\n".join(outcome))
    for problem in problems:
        print(f"error: {problem}")
    return FAILED if problems else 0


class _Checker:
    def __init__(self, settings: Settings, *, expand: bool) -> None:
        self._inbox = settings.inbox
        self._expand = expand
        self._prompt_lines = settings.prompt_lines
        self._catalogue = CatalogueReader(settings.generate).now()
        self._folder_defaults = FolderDefaultsReader(settings.inbox, CompletenessTracker(0, now=time.monotonic))

    def check(self, file: Path) -> list[str] | tuple[Problem, ...]:
        """Lines about a valid file, or everything that is wrong with it."""
        name = escaped(str(file))
        try:
            # A path outside the inbox has no folders with settings, and neither has the settings' own file.
            below = "" if is_settings(file.name) else path_below(file.absolute(), self._inbox) or ""
            folders = self._folder_defaults.above(below)
        except OSError as error:
            return (Problem(file=name, message=f"its folder's settings cannot be used: {error.strerror}"),)
        try:
            content = durable_files.read(file, most_bytes=MOST_BYTES).content
        except OSError as error:
            return (Problem(file=name, message=f"cannot be read: {why_denied(error, file.absolute())}"),)
        if is_settings(file.name):
            defaults = parse_defaults(content, file=name, sha256="")
            return defaults if isinstance(defaults, tuple) else [f"{name}: the settings of its folder"]
        found = self._contents(file.name, name, content, folders)
        if isinstance(found, tuple):
            return found
        if isinstance(found, str):
            return [f"{name}: {found}"]
        warnings = dict.fromkeys(warning for job in found.jobs for warning in job.warnings)
        if picture := _picture_beside(file):
            warnings = {f"it lies beside {picture}, so the daemon leaves it alone": None, **warnings}
        return [
            f"{name}: {_summary(found)}",
            *(_job_lines(found) if self._expand else ()),
            *(escaped(f"warning: {name}: {warning}") for warning in warnings),
        ]

    def _contents(
        self, file_name: str, name: str, content: bytes, folders: tuple[FolderDefaults, ...]
    ) -> ParsedFile | str | tuple[Problem, ...]:
        """What a file asks for, or what is wrong with it. `name`: as it is printed."""
        route = file_kinds.route(file_name, content[:HEAD_BYTES], frozenset(Accept))
        match route:
            case SourceKind.JOB_FILE | SourceKind.PROMPT_TEXT | SourceKind.PROMPT_TABLE:
                parsed = reading.parse(
                    route,
                    content,
                    file=name,
                    folders=folders,
                    catalogue=self._catalogue,
                    draw=drawn_seed,
                    prompt_lines=self._prompt_lines,
                )
                return parsed.problems if isinstance(parsed, RejectedFile) else parsed
            case SourceKind.SIDECAR:
                document = from_sidecar.parse(content, file=name, catalogue=self._catalogue)
                return document if isinstance(document, tuple) else "a sidecar: 1 job, makes the same again"
            case SourceKind.IMAGE:
                if format_of(content) is ImageSignature.HEIC and not is_installed("pi_heif"):
                    return (Problem(file=name, message=f"would be left alone: {UNREAD_HEIC}; {MEND_HEIC}"),)
                if ends_properly(BytesIO(content)) is False:
                    return (Problem(file=name, message="the end of the image is missing; the daemon waits for it"),)
                return "an image: 1 job, draws it again" if regenerates(folders) else "an image: 1 caption job"
            case Leave():
                return (Problem(file=name, message=f"would be left alone: {escaped(str(route))}"),)
            case file_kinds.Mismatch():
                return (Problem(file=name, message=route.reason),)
            case file_kinds.Unfinished():
                return (Problem(file=name, message="is empty or holds nothing but zeros"),)
            case _:  # pragma: no cover
                assert_never(route)


def _picture_beside(file: Path) -> str:
    """The picture whose caption a text or table is by its name; empty where there is none."""
    if extension_of(file.name) in JOB_FILE_EXTENSIONS:
        return ""
    listing = FolderListings(file.absolute().parent, now=time.monotonic).of("", since=0.0)
    return next(listing.pictures_of(file.name), "")


def _summary(parsed: ParsedFile) -> str:
    """How many jobs a file asks for, by what they do."""
    counts = Counter(type(job.spec.request) for job in parsed.jobs)
    parts = [f"{counts[kind]} to {verb}" for kind, verb in _VERBS.items() if counts[kind]]
    return f"{len(parsed.jobs)} job{'s' * (len(parsed.jobs) != 1)}: {', '.join(parts)}"


def _job_lines(parsed: ParsedFile) -> Iterator[str]:
    """For each job its number, its seed, the keys in which jobs of the file differ, and its prompt; then the sheets."""
    width = Console().width if sys.stdout.isatty() else None
    requests = [job.spec.request for job in parsed.jobs]
    differing = _differing([request for request in requests if isinstance(request, GenerateRequest)])
    for number, request in enumerate(requests, start=1):
        line = Text(escaped(f"{number:>5}  {_job_text(request, differing)}"))
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        yield line.plain
    for sheet, _ in parsed.sheets:
        yield f"       and a sheet of the {sheet.cells} pictures, {sheet.columns} in a row"


def _differing(requests: Sequence[GenerateRequest]) -> list[str]:
    """Keys for which the jobs have more than one value."""
    keys = [field.name for field in fields(GenerateRequest) if field.name not in _ALWAYS_SHOWN]
    return [key for key in keys if len({getattr(request, key) for request in requests}) > 1]


def _job_text(request: Request | RegenerateRequest, differing: list[str]) -> str:
    match request:
        case RegenerateRequest():
            return f"{request.image or 'the image that is called as the file'}, drawn again"
        case BenchmarkRequest():
            sizes = ", ".join(f"{width}x{height}" for width, height in request.sizes) or "the model's own size"
            what = f"drawing at {sizes}" if request.picture is not None else "captions"
            return f"benchmark of {what}, {request.repeats} runs each after one to warm up"
        case GridRequest():
            return f"a sheet of {len(request.cells)} pictures"
        case CaptionRequest():
            return f"caption of {request.image or 'the image that is called as the file'}  {request.prompt}".rstrip()
        case GenerateRequest():
            seed = "drawn" if request.seed is None else str(request.seed)
            values = [f"{key}={_value_text(getattr(request, key))}" for key in differing]
            return "  ".join((f"seed {seed}", *values, " ".join(request.prompt.split())))
        case _:  # pragma: no cover
            assert_never(request)


def _value_text(value: object) -> str:
    match value:
        case None:
            return "default"
        case tuple():
            return "[" + ", ".join(map(_value_text, value)) + "]"
        case Lora() | Hires():
            return ":".join(map(str, astuple(value)))
        case str():
            return value if value and value.isprintable() and " " not in value else repr(value)
        case _:
            return str(value)
