"""Makes jobs of keys. In: the documents of a job file, or keys from another format. Out: jobs, or every problem.

`validation` checks the keys of one job; `expansion` makes several jobs of one document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import count
from typing import Final, TypeAlias

from aura_daemon.errors import Problem
from aura_daemon.file_names import escaped
from aura_daemon.formats import yaml_reader
from aura_daemon.formats.yaml_reader import Document, Unreadable
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.jobfile import expansion
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.contact_sheet import MOST_CELLS, ContactSheet, sheet_of
from aura_daemon.jobfile.expansion import ExpansionPlan
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.keys.benchmark import BENCHMARK
from aura_daemon.jobfile.keys.matrix import problems_of_matrix
from aura_daemon.jobfile.keys.reflect import REFLECT
from aura_daemon.jobfile.keys.regenerate import REGENERATE
from aura_daemon.jobfile.keys.seeds import step_of
from aura_daemon.jobfile.keys.types import image_path
from aura_daemon.jobfile.recipes.applying import AppliedRecipe, applied
from aura_daemon.jobfile.recipes.merging import task_of_pictures
from aura_daemon.jobfile.recipes.subject import NOBODY, Subject
from aura_daemon.jobfile.remarks import remarks_on_request, remarks_on_texts
from aura_daemon.jobfile.schema import PROSE, TEXT_KEYS
from aura_daemon.jobfile.validation import TEXTS, JobSpec, RegenerateSpec, task_of, validated
from aura_daemon.jobfile.wildcards import WildcardParser
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, JobKind, PictureCheck
from aura_daemon.problems import MOST_PROBLEMS, capped


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedJob:
    """One job of a file, with text of its own, so that the job can be handed back alone."""

    spec: JobSpec | RegenerateSpec
    text: bytes
    """The file or document that asks for this one job; of several jobs of a document, text or table, YAML for this."""
    warnings: tuple[str, ...] = ()
    """What was read otherwise than the writer may have meant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedFile:
    """All jobs of a file, at least one."""

    jobs: tuple[ParsedJob, ...]
    sheets: tuple[tuple[ContactSheet, bytes], ...] = ()
    """The contact sheets of the file, each with the document that asks for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RejectedFile:
    """Everything that is wrong with a file. None of its jobs runs."""

    problems: tuple[Problem, ...]


ParseResult: TypeAlias = ParsedFile | RejectedFile

Draw: TypeAlias = Callable[[], int]


AT_ONCE: Final = 64
"""Small files whose documents are kept: as many as are looked at together, and then read."""

SMALL_BYTES: Final = 4096


def documents_of(content: bytes, *, file: str) -> Iterator[Document | Unreadable]:
    """The documents of a YAML job file. A small file is parsed once for the look at its images and for its jobs."""
    return _read(content, file) if len(content) > SMALL_BYTES else iter(_kept(content, file))


@lru_cache(maxsize=AT_ONCE)
def _kept(content: bytes, file: str) -> tuple[Document | Unreadable, ...]:
    return tuple(_read(content, file))


def _read(content: bytes, file: str) -> Iterator[Document | Unreadable]:
    return yaml_reader.parse(content, file=file, text_keys=TEXT_KEYS, prose=PROSE, list_of="prompt")


def added_documents(jobs: JobPlans, documents: Iterable[Document | Unreadable]) -> Iterator[Sequence[Problem]]:
    """Adds the documents of a job file to the jobs; what is wrong with each."""
    is_empty = True
    for read in documents:
        is_empty = False
        if isinstance(read, Unreadable):
            yield read.problems
        else:
            text = read.text.encode()
            yield jobs.add(read.mapping, text, lines=read.lines, written=read.written, warnings=read.warnings)
    if is_empty:
        yield [Problem(file=jobs.file, message="the file holds nothing; it needs at least `prompt: …`")]


def of_picture(
    folders: Sequence[FolderDefaults], *, subject: Subject, catalogue: Catalogue | None = None, draw: Draw = int
) -> ParseResult:
    """The jobs of a picture that was dropped, as its folders say: those of a recipe, else its caption.

    `parse_defaults` has checked the settings of its folders, but for what the configuration allows.
    """
    task = task_of_pictures(folders)
    if task in (JobKind.GENERATE, REFLECT) and image_path(subject.name) != subject.name:
        message = "no job can say its name, as a backslash is read as `/`: rename the picture"
        return RejectedFile(problems=(Problem(file=escaped(subject.path), message=message),))
    names = catalogue if task in (JobKind.GENERATE, JobKind.UPSCALE) else None
    jobs = JobPlans(file=escaped(subject.path), folders=folders, catalogue=names, subject=subject)
    # What is handed back alone, of several jobs, is a job file beside the folder's recipe.
    text = to_yaml({"task": str(task), "image": subject.name}).encode() if task in (JobKind.GENERATE, REFLECT) else b""
    return jobs.rejected(iter([jobs.add({"task": str(task)}, text)])) or jobs.made(draw)


@dataclass(frozen=True, kw_only=True, slots=True)
class _PlannedDocument:
    """A checked document that is not expanded yet."""

    plan: ExpansionPlan | JobSpec | RegenerateSpec
    text: bytes
    lines: Mapping[str, int]
    warnings: tuple[str, ...]
    recipe: AppliedRecipe


class JobPlans:
    """The documents of one job file, prompts of one text or rows of one table: counted before any job is made."""

    def __init__(
        self,
        *,
        file: str,
        folders: Sequence[FolderDefaults] = (),
        catalogue: Catalogue | None = None,
        subject: Subject = NOBODY,
        may_name_sets: bool = True,
    ) -> None:
        """`file`: its name in problems; `folders`: the settings of its folders, nearest first.

        Without a catalogue no names are checked, and word lists are not expanded. Without a subject no placeholder is
        filled in. `may_name_sets`: whether documents may be about sets of images, by their folders' settings too.
        """
        self.file = file
        self.folders = folders
        self._subject = subject
        self._may_name_sets = may_name_sets
        self._numbers = count()
        self._validated = partial(validated, file=file, folders=folders, catalogue=catalogue)
        self._parser = WildcardParser(catalogue)
        self._found: list[_PlannedDocument] = []

    def add(
        self,
        keys: Mapping[str, object],
        text: bytes,
        *,
        lines: Mapping[str, int] | None = None,
        written: Mapping[str, str] | None = None,
        warnings: tuple[str, ...] = (),
    ) -> tuple[Problem, ...]:
        """Adds a document, or returns everything that is wrong with it."""
        lines = lines or {}
        recipe = applied(keys, self.folders, self._subject, file=self.file, lines=lines, numbers=self._numbers)
        if not isinstance(recipe, AppliedRecipe):
            return recipe
        if recipe.keys.get("images") is not None and not self._may_name_sets:
            by_folder = "" if keys.get("images") is not None else "comes from the folder's settings, and "
            message = f"{by_folder}is for a job file (.yaml): a row is about one picture, its `image`"
            return (Problem(file=self.file, line=lines.get("images", lines.get("")), key="images", message=message),)
        keys, warnings = recipe.keys, (*warnings, *recipe.warnings)

        def keep(plan: ExpansionPlan | JobSpec | RegenerateSpec) -> tuple[()]:
            document = _PlannedDocument(plan=plan, text=text, lines=lines, warnings=warnings, recipe=recipe)
            self._found.append(document)
            return ()

        if task_of(keys) in (JobKind.UPSCALE, REGENERATE, REFLECT, BENCHMARK):
            filled = recipe.filled(keys)
            spec = self._validated(filled.keys, lines=lines, written=written)
            warnings += filled.warnings
            for key in TEXTS:
                texts = [str(keys[key])] if keys.get(key) is not None else []
                warnings += remarks_on_texts(key, texts, are_filled=recipe.fills)
            return spec if isinstance(spec, tuple) else keep(spec)
        first: JobSpec | RegenerateSpec | None = None
        problems: list[Problem] = []
        for index, row in expansion.rows(keys):
            filled = recipe.filled(row, prompts=task_of(row) == JobKind.CAPTION)
            row_spec = self._validated(filled.keys, lines=lines, written=written, is_template=True)
            if isinstance(row_spec, tuple):
                placed = (expansion.problem_in_document(problem, keys, index, lines=lines) for problem in row_spec)
                problems += (problem for problem in placed if problem is not None)
            elif first is None:
                first = row_spec
                if isinstance(row_spec.request, CaptionRequest):
                    warnings += filled.warnings
        if first is not None and isinstance(first.request, CaptionRequest):
            return keep(first)
        problems += problems_of_matrix(keys, expansion.CAN_VARY, file=self.file, lines=lines)
        if problems:
            return tuple(problems)
        warnings += tuple(warning for folder in self.folders for warning in folder.warnings)
        plan = expansion.plan_document(
            keys,
            self._parser,
            file=self.file,
            lines=lines,
            folders=self.folders,
            is_varied_by_folder=recipe.is_varied_by_folder,
            pictures=recipe.pictures,
            are_filled=recipe.fills,
        )
        return plan if isinstance(plan, tuple) else keep(plan)

    @property
    def image_sets(self) -> tuple[tuple[str, ...], ...]:
        """The patterns of each set of images that the documents added so far are about."""
        return tuple(
            found.plan.images for found in self._found if isinstance(found.plan, JobSpec) and found.plan.images
        )

    def rejected(self, added: Iterator[Sequence[Problem]]) -> RejectedFile | None:
        """What is wrong with all that is added; None where nothing is. `added`: problems, part for part of the file."""
        problems: list[Problem] = []
        for found in added:
            problems += found
            if len(problems) > MOST_PROBLEMS:
                break
        are_all = next(added, None) is None
        return RejectedFile(problems=capped(problems, file=self.file, are_all=are_all)) if problems else None

    def problem_of_number(self) -> Problem | None:
        """Why the documents ask for too many jobs; None where they do not."""
        plans = [found.plan for found in self._found if isinstance(found.plan, ExpansionPlan)]
        others = [found.plan for found in self._found if not isinstance(found.plan, ExpansionPlan)]
        rounds = sum(plan.rounds for plan in others if isinstance(plan, JobSpec))
        return expansion.problem_of_number(plans, file=self.file, others=len(others) + rounds)

    def made(self, draw: Draw) -> ParseResult:
        """All jobs, or why they cannot be made.

        `draw` gives the seed of a document that becomes several jobs and has no seed; that of a single job is drawn at
        admission.
        """
        too_many = self.problem_of_number()
        if too_many is not None:
            return RejectedFile(problems=(too_many,))
        jobs: list[ParsedJob] = []
        sheets: list[tuple[ContactSheet, bytes]] = []
        problems: dict[Problem, None] = {}
        for found in self._found:
            first, plan = len(jobs), found.plan
            if not isinstance(plan, ExpansionPlan):
                warnings = (*found.warnings, *remarks_on_request(plan.request))
                jobs.append(ParsedJob(spec=plan, text=found.text, warnings=warnings))
                continue
            for job in plan.expanded(draw, found.recipe.filled):
                spec = self._validated(job.keys, lines=found.lines)
                if isinstance(spec, tuple):
                    problems |= dict.fromkeys(spec)
                else:
                    text = job.text.encode() if job.text is not None else found.text
                    spec = found.recipe.with_described(spec)
                    warnings = (*found.warnings, *job.warnings, *plan.remarks, *remarks_on_request(spec.request))
                    jobs.append(ParsedJob(spec=spec, text=text, warnings=warnings))
            jobs[first:] = _apart(jobs[first:])
            sheet = self._sheet(jobs[first:], first, plan.in_a_row)
            if isinstance(sheet, Problem):
                problems[replace(sheet, line=found.lines.get("grid"))] = None
            elif sheet is not None:
                sheets.append((sheet, found.text))
        if problems:
            return RejectedFile(problems=capped(tuple(problems), file=self.file))
        return ParsedFile(jobs=tuple(jobs), sheets=tuple(sheets))

    def _sheet(self, jobs: Sequence[ParsedJob], first: int, in_a_row: int) -> ContactSheet | Problem | None:
        """The contact sheet of a document that asks for one; a single picture needs no sheet."""
        specs = [job.spec for job in jobs if isinstance(job.spec, JobSpec) and job.spec.grid]
        requests = [spec.request for spec in specs if isinstance(spec.request, GenerateRequest)]
        if len(requests) < 2:
            return None
        if len(requests) > MOST_CELLS:
            count = len(requests)
            message = f"a sheet of {count} pictures is more than {MOST_CELLS}: leave `grid` out, or ask for fewer"
            return Problem(file=self.file, key="grid", message=message)
        return sheet_of(requests, first=first, in_a_row=in_a_row)


def _apart(jobs: Sequence[ParsedJob]) -> list[ParsedJob]:
    """The jobs of one document; what is drawn anew takes no seed with which another of them begins."""
    seeds: list[int] = []
    for job in jobs:
        match job.spec.request:
            case GenerateRequest(check=PictureCheck(), seed=int(seed)):
                seeds.append(seed)
    step = step_of(seeds) if len(seeds) > 1 else 1
    return [_stepping(job, step) for job in jobs] if step > 1 else list(jobs)


def _stepping(job: ParsedJob, step: int) -> ParsedJob:
    request = job.spec.request
    if not isinstance(job.spec, JobSpec) or not isinstance(request, GenerateRequest) or request.check is None:
        return job
    request = replace(request, check=replace(request.check, seed_step=step))
    return replace(job, spec=replace(job.spec, request=request))
