"""`check`: what the daemon would say of files, without running them."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, astuple, fields, is_dataclass, replace
from pathlib import Path
from typing import Final, assert_never

from aura_daemon.config.loading import load
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.explain import path_below
from aura_daemon.daemon.file_contents import FileContents
from aura_daemon.errors import Problem
from aura_daemon.file_names import escaped
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, JOB_FILE_EXTENSIONS, extension_of
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.intake.folder_listings import FolderListings
from aura_daemon.intake.sets.finding import SetFinder
from aura_daemon.jobfile.folder_defaults import FolderDefaults, is_settings, parse_defaults
from aura_daemon.jobfile.parser import ParsedFile
from aura_daemon.jobfile.recipes.merging import is_recipe, task_of_pictures
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    GridRequest,
    Hires,
    Lora,
    MatchRequest,
    PictureCheck,
    RegenerateRequest,
    Request,
    UpscaleRequest,
    kind_of,
)
from aura_daemon.jobs.sources import Accept
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import why_denied

FAILED = 1

MOST_BYTES: Final = 200_000_000
"""Of a file; a longer one is a problem."""

_VERBS: Final = {
    GenerateRequest: "draw",
    CaptionRequest: "caption",
    UpscaleRequest: "enlarge",
    RegenerateRequest: "draw again",
    BenchmarkRequest: "measure",
}

_ALWAYS_SHOWN: Final = frozenset({"prompt", "seed", "check"})
"""Keys that the line of a job shows even where all jobs of the file agree."""

_OURS: Final = frozenset({"described", "picture"})
"""What a request has that no key says."""


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
        self._settings = settings
        self._expand = expand
        self._contents = FileContents(settings, frozenset(Accept))

    def check(self, file: Path) -> list[str] | tuple[Problem, ...]:
        """Lines about a valid file, or everything that is wrong with it."""
        name = escaped(str(file))
        # A path outside the inbox has no folders with settings, and neither has the settings' own file.
        below = "" if is_settings(file.name) else path_below(file.absolute(), self._inbox) or ""
        folders = self._contents.folders_above(below, shown=name)
        if isinstance(folders, Problem):
            return (folders,)
        try:
            content = regular_files.read(file, most_bytes=MOST_BYTES).content
        except OSError as error:
            return (Problem(file=name, message=f"cannot be read: {why_denied(error, file.absolute())}"),)
        if is_settings(file.name):
            defaults = parse_defaults(content, file=name, sha256="")
            return defaults if isinstance(defaults, tuple) else [f"{name}: {_of_settings(defaults)}"]
        found = self._contents.read(file.name, content, folders, shown=name, file=file, path=below)
        if isinstance(found, tuple):
            return found
        if isinstance(found, str):
            return [f"{name}: {found}"]
        warnings = dict.fromkeys(warning for job in found.jobs for warning in job.warnings)
        if picture := _picture_beside(file):
            warnings = {f"it lies beside {picture}, so the daemon leaves it alone": None, **warnings}
        return [
            f"{name}: {_summary(found, lambda images: self._matching(file, below, images))}",
            *(_job_lines(found) if self._expand else self._made(found) if is_recipe(folders) else ()),
            *(escaped(f"warning: {name}: {warning}") for warning in warnings),
        ]

    def _made(self, parsed: ParsedFile) -> Iterator[str]:
        return _made_by_recipe(parsed, drawn_seeds=self._contents.drawn_seeds)

    def _matching(self, file: Path, below: str, images: Sequence[str]) -> int:
        """How many pictures match patterns now; a file elsewhere counts as one at the top of the inbox, too."""
        settings = self._settings
        count = 0
        for root, job in [(self._inbox, below)] if below else [(file.absolute().parent, ""), (self._inbox, "")]:
            finder = SetFinder(
                root,
                None,
                ignore=settings.ignore,
                take=settings.take,
                companions=settings.companions,
                now=time.time,
            )
            count = count or len(finder.found(job, images).pictures)
        return count


def _of_settings(defaults: FolderDefaults) -> str:
    """What a folder's settings are for."""
    if not is_recipe([defaults]):
        return "the settings of its folder"
    verbs = {"generate": "drawn from", "regenerate": "made again", "reflect": "described and drawn, round after round"}
    verb = verbs.get(task_of_pictures([defaults]), "captioned")
    return f"the recipe of its folder: pictures that are dropped there are {verb}"


def _picture_beside(file: Path) -> str:
    """The picture whose caption a text or table is by its name; empty where there is none."""
    if extension_of(file.name) in (*JOB_FILE_EXTENSIONS, *IMAGE_EXTENSIONS):
        return ""
    listing = FolderListings(file.absolute().parent, now=time.monotonic).of("", since=0.0)
    return next(listing.pictures_of(file.name), "")


def _summary(parsed: ParsedFile, matching: Callable[[Sequence[str]], int]) -> str:
    """How many jobs a file asks for, by what they do. `matching`: how many pictures match patterns now."""
    sets = [job.spec for job in parsed.jobs if isinstance(job.spec, JobSpec) and job.spec.images]
    counts = Counter(type(job.spec.request) for job in parsed.jobs if job.spec not in sets)
    parts = [f"{counts[kind]} to {verb}" for kind, verb in _VERBS.items() if counts[kind]]
    for spec in sets:
        number = matching(spec.images)
        now = f"{number:,} now" if number else "none matches now"
        parts.append(f"one for each picture that matches {', '.join(spec.images)} ({now})")
    return f"{len(parsed.jobs)} job{'s' * (len(parsed.jobs) != 1)}: {', '.join(parts)}"


def _made_by_recipe(parsed: ParsedFile, *, drawn_seeds: Collection[int]) -> Iterator[str]:
    """The keys of the first job as its folder's recipe makes them."""
    spec = parsed.jobs[0].spec
    request = spec.request
    said: dict[str, object]
    if isinstance(request, RegenerateRequest):
        said = {"task": "regenerate", **request.keys}
    else:
        of_spec = {key: _simple(value) for key in ("rounds", "images") if (value := getattr(spec, key))}
        said = {"task": "reflect" if "rounds" in of_spec else kind_of(request).value, **of_spec}
        said |= {key: value for key, value in _plain(request).items() if value is not None and key not in _OURS}
        if said.get("seed") in drawn_seeds:  # another one is drawn for the daemon
            del said["seed"]
    more = ", the first job (--expand lists all)" if len(parsed.jobs) > 1 else ""
    yield f"  as its folder's recipe makes it{more}:"
    yield from (escaped(f"    {line}") for line in to_yaml(said).splitlines())
    if isinstance(request, GenerateRequest) and request.described is not None:
        yield "  `{caption}` is written first, by the captioner"


def _plain(request: Request) -> dict[str, object]:
    """What a request says beyond what is usual."""
    usual = {one.name: one.default for one in fields(request)}
    said = {name: getattr(request, name) for name in usual if getattr(request, name) != usual[name]}
    if isinstance(check := said.pop("check", None), PictureCheck):  # said by three keys
        keys = {"verify": check.verify or (True if check.verify is not None else None)}
        said |= keys | {"tries": check.tries, "best_of": check.best_of}
    return {name: _simple(value) for name, value in said.items()}


def _simple(value: object) -> object:
    match value:
        case str():
            return str(value)
        case tuple():
            return [_simple(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {key: _simple(item) for key, item in asdict(value).items() if item is not None}
        case _:
            return value


def _job_lines(parsed: ParsedFile) -> Iterator[str]:
    """For each job its number, its seed, the keys in which jobs of the file differ, and its prompt; then the sheets."""
    from rich.console import Console  # for `--expand` alone
    from rich.text import Text

    width = Console().width if sys.stdout.isatty() else None
    requests = [_one_of_set(job.spec) for job in parsed.jobs]
    differing = _differing([request for request in requests if isinstance(request, GenerateRequest)])
    for number, request in enumerate(requests, start=1):
        line = Text(escaped(f"{number:>5}  {_job_text(request, differing)}"))
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        yield line.plain
    for sheet, _ in parsed.sheets:
        yield f"       and a sheet of the {sheet.cells} pictures, {sheet.columns} in a row"


def _one_of_set(spec: JobSpec | RegenerateSpec) -> Request | RegenerateRequest:
    """What a job asks for; of a set, for each picture."""
    if not isinstance(spec, JobSpec) or not spec.images or not isinstance(spec.request, CaptionRequest):
        return spec.request
    return replace(spec.request, image=f"each picture that matches {', '.join(spec.images)}")


def _differing(requests: Sequence[GenerateRequest]) -> list[str]:
    """Keys for which the jobs have more than one value."""
    keys = [field.name for field in fields(GenerateRequest) if field.name not in _ALWAYS_SHOWN | _OURS]
    return [key for key in keys if len({getattr(request, key) for request in requests}) > 1]


def _job_text(request: Request | RegenerateRequest, differing: list[str]) -> str:
    match request:
        case RegenerateRequest():
            return f"{request.image or 'the image that is called as the file'}, drawn again"
        case BenchmarkRequest():
            sizes = ", ".join(f"{width}x{height}" for width, height in request.sizes) or "the model's own size"
            what = f"drawing at {sizes}" if request.picture is not None else "captions"
            return f"benchmark of {what}, {request.repeats} runs each after one to warm up"
        case MatchRequest():
            return f"a comparison with {len(request.texts)} texts"
        case GridRequest():
            return f"a sheet of {len(request.cells)} pictures"
        case CaptionRequest():
            image = request.image or "the image that is called as the file"
            return "  ".join(filter(None, (f"caption of {image}", *_writing(request), request.prompt)))
        case UpscaleRequest():
            image = request.image or "the image that is called as the file"
            return "  ".join(filter(None, (f"{image}, enlarged", *_enlarging(request.upscale))))
        case DatasetRequest():
            return f"the captions of {', '.join(request.images)}, put together"
        case GenerateRequest():
            seed = "drawn" if request.seed is None else str(request.seed)
            values = [f"{key}={_value_text(getattr(request, key))}" for key in differing]
            if request.regions and "regions" not in differing:
                values.append(f"regions={_value_text(request.regions)}")
            values += _checks(request.check) if request.check is not None else ()
            return "  ".join((f"seed {seed}", *values, " ".join(request.prompt.split())))
        case _:  # pragma: no cover
            assert_never(request)


def _enlarging(upscale: Upscale) -> Iterator[str]:
    """How a picture is enlarged, as far as the job says."""
    for key in ("scale", "model", "tile"):
        if (value := getattr(upscale, key)) is not None:
            yield f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"


def _writing(request: CaptionRequest) -> Iterator[str]:
    """How the words of a caption are found, as far as the job says."""
    if (sampling := request.sampling) is not None:
        yield f"seed {'drawn' if sampling.seed is None else sampling.seed}"
    for key in ("beams", "candidates", "max_words"):
        if (value := getattr(request, key)) is not None:
            yield f"{key}={value}"


def _checks(check: PictureCheck) -> Iterator[str]:
    """What becomes of a picture once it is drawn, as the job says it."""
    if check.verify is not None:
        yield f"verify={check.verify:g}" if check.verify else "verify=true"
    for key in ("tries", "best_of"):
        if (value := getattr(check, key)) is not None:
            yield f"{key}={value}"


def _value_text(value: object) -> str:
    match value:
        case None:
            return "default"
        case tuple():
            return "[" + ", ".join(map(_value_text, value)) + "]"
        case Lora() | Hires():
            return ":".join(map(str, astuple(value)))
        case Region():
            box = ", ".join(f"{edge:g}" for edge in value.box or ())
            return f"{value.prompt!r} in {value.mask if value.mask is not None else box}"
        case str():
            return value if value and value.isprintable() and " " not in value else repr(value)
        case _:
            return str(value)
