"""What a job file holds. In: bytes of a job file or prompt text. Out: its jobs, or every problem of every document.

What the keys of one job may say is in `asked`; how many jobs a document becomes in `expansion`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from aura_daemon.errors import Problem
from aura_daemon.formats import yaml_reader
from aura_daemon.formats.yaml_reader import MOST_BYTES, NOT_TEXT, Document, Unreadable
from aura_daemon.jobfile import expansion
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.contact_sheet import MOST_CELLS, ContactSheet, sheet_of
from aura_daemon.jobfile.expansion import ExpansionPlan
from aura_daemon.jobfile.folder_defaults import FolderDefaults, regenerates
from aura_daemon.jobfile.keys.regenerate import REGENERATE
from aura_daemon.jobfile.keys.types import MOST_PROMPT_CHARACTERS
from aura_daemon.jobfile.schema import TEXT_KEYS
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec, again, validated
from aura_daemon.jobfile.wildcards import WildcardParser
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, JobKind
from aura_daemon.problems import MOST_PROBLEMS, capped


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedJob:
    """One job of a file, with its own bytes, so that it can be handed back alone."""

    asked: JobSpec | RegenerateSpec
    text: bytes
    """What the file says where it is one job, or one of its documents is; of a document that became several jobs, YAML
    that asks for this one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedFile:
    """All jobs of a file, at least one."""

    jobs: tuple[ParsedJob, ...]
    sheets: tuple[tuple[ContactSheet, bytes], ...] = ()
    """Of which jobs the pictures are laid out together besides, and the document that asks for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RejectedFile:
    """Everything that is wrong with a file; none of its jobs is run."""

    problems: tuple[Problem, ...]


ParseResult: TypeAlias = ParsedFile | RejectedFile

Draw: TypeAlias = Callable[[], int]


def parse_job_file(
    content: bytes,
    *,
    file: str,
    folders: Sequence[FolderDefaults] = (),
    catalogue: Catalogue | None = None,
    draw: Draw = int,
) -> ParseResult:
    """A YAML job file; `file` is its name for the problems, `folders` the settings of its folders, nearest first.

    Without a catalogue no names are checked and word lists stay names. `draw` says the seed of a document that becomes
    several jobs and says none (without it: 0); that of one job is drawn at admission.
    """
    documents = yaml_reader.parse(content, file=file, text_keys=TEXT_KEYS)
    plans = plans_of(documents, file=file, folders=folders, catalogue=catalogue)
    return plans if isinstance(plans, RejectedFile) else plans.made(draw)


def plans_of(
    documents: Iterator[Document | Unreadable],
    *,
    file: str,
    folders: Sequence[FolderDefaults] = (),
    catalogue: Catalogue | None = None,
) -> JobPlans | RejectedFile:
    """The checked documents of a job file, before they are expanded into jobs."""
    jobs = JobPlans(file=file, folders=folders, catalogue=catalogue)
    problems: list[Problem] = []
    for read in documents:
        if isinstance(read, Unreadable):
            problems += read.problems
        else:
            problems += jobs.add(read.mapping, read.text.encode(), lines=read.lines, written=read.written)
        if len(problems) > MOST_PROBLEMS:
            break
    if not jobs and not problems:
        problems.append(Problem(file=file, message="the file holds nothing; it needs at least `prompt: …`"))
    if problems:
        return RejectedFile(problems=capped(problems, file=file, are_all=next(documents, None) is None))
    return jobs


def parse_prompt_text(
    content: bytes,
    *,
    file: str,
    folders: Sequence[FolderDefaults] = (),
    catalogue: Catalogue | None = None,
    draw: Draw = int,
) -> ParseResult:
    """A text file that is one prompt; its choices and word lists are those of a job file's."""
    if len(content) > MOST_BYTES:
        message = (
            f"the file is longer than {MOST_BYTES:,} bytes; a prompt has at most {MOST_PROMPT_CHARACTERS:,} characters"
        )
        return RejectedFile(problems=(Problem(file=file, message=message),))
    text = yaml_reader.decoded(content)
    if text is None:
        return RejectedFile(problems=(Problem(file=file, message="the file is no text: save it as UTF-8"),))
    prompt = text.strip()
    strange = NOT_TEXT.search(prompt)
    if strange is not None:
        message = f"the file holds the control character U+{ord(strange[0]):04X}: is it text, saved as UTF-8?"
        return RejectedFile(problems=(Problem(file=file, message=message),))
    if not prompt:
        return RejectedFile(problems=(Problem(file=file, message="the file is blank; it should hold a prompt"),))
    if len(prompt) > MOST_PROMPT_CHARACTERS:
        message = f"the prompt has {len(prompt):,} characters; at most {MOST_PROMPT_CHARACTERS:,} are allowed"
        return RejectedFile(problems=(Problem(file=file, message=message),))
    jobs = JobPlans(file=file, folders=folders, catalogue=catalogue)
    problems = jobs.add({"prompt": prompt}, content)
    return RejectedFile(problems=problems) if problems else jobs.made(draw)


def for_image(folders: Sequence[FolderDefaults]) -> JobSpec | RegenerateSpec:
    """What is asked of an image that was dropped alone, with settings that `parse_defaults` has let through."""
    if regenerates(folders):
        asked: JobSpec | RegenerateSpec | tuple[Problem, ...] = again({"task": REGENERATE}, file="", folders=folders)
    else:
        asked = validated({"task": JobKind.CAPTION.value}, file="", folders=folders)
    if isinstance(asked, tuple):
        raise ValueError(str(asked[0]))
    return asked


class JobPlans:
    """The documents of one job file: their jobs are counted before any is made."""

    def __init__(self, *, file: str, folders: Sequence[FolderDefaults], catalogue: Catalogue | None) -> None:
        self._file = file
        self._folders = folders
        self._catalogue = catalogue
        self._grammar = WildcardParser(catalogue)
        self._found: list[tuple[ExpansionPlan | JobSpec | RegenerateSpec, bytes, Mapping[str, int]]] = []

    def __len__(self) -> int:
        """Documents."""
        return len(self._found)

    def add(
        self,
        keys: Mapping[str, object],
        text: bytes,
        *,
        lines: Mapping[str, int] | None = None,
        written: Mapping[str, str] | None = None,
    ) -> tuple[Problem, ...]:
        """Takes a document, or says everything that is wrong with it."""
        lines = lines or {}
        if keys.get("task") == REGENERATE:
            made_again = again(
                keys,
                file=self._file,
                lines=lines,
                written=written,
                folders=self._folders,
                catalogue=self._catalogue,
            )
            if isinstance(made_again, tuple):
                return made_again
            self._found.append((made_again, text, lines))
            return ()
        first: JobSpec | None = None
        problems: list[Problem] = []
        for index, row in expansion.rows(keys):
            asked = self._validated(row, lines, written)
            if isinstance(asked, JobSpec):
                first = first or asked
                continue
            told = (expansion.placed(problem, keys, index, lines=lines) for problem in asked)
            problems += (problem for problem in told if problem is not None)
        if first is not None and isinstance(first.request, CaptionRequest):
            self._found.append((first, text, lines))
            return ()
        problems += expansion.problems_of_lists(keys, file=self._file, lines=lines)
        if problems:
            return tuple(problems)
        plan = expansion.planned(keys, self._grammar, file=self._file, lines=lines, folders=self._folders)
        if isinstance(plan, tuple):
            return plan
        self._found.append((plan, text, lines))
        return ()

    def problem_of_number(self) -> Problem | None:
        """Says that the documents ask for too many jobs."""
        plans = [plan for plan, _, _ in self._found if isinstance(plan, ExpansionPlan)]
        return expansion.problem_of_number(plans, file=self._file, others=len(self._found) - len(plans))

    def made(self, draw: Draw) -> ParseResult:
        """All jobs, or why they cannot be made."""
        too_many = self.problem_of_number()
        if too_many is not None:
            return RejectedFile(problems=(too_many,))
        jobs: list[ParsedJob] = []
        sheets: list[tuple[ContactSheet, bytes]] = []
        problems: dict[Problem, None] = {}
        for plan, text, lines in self._found:
            first = len(jobs)
            if not isinstance(plan, ExpansionPlan):
                jobs.append(ParsedJob(asked=plan, text=text))
                continue
            for job in plan.expanded(draw):
                asked = self._validated(job.keys, lines, None)
                if isinstance(asked, tuple):
                    problems |= dict.fromkeys(asked)
                else:
                    jobs.append(ParsedJob(asked=asked, text=job.text.encode() if job.text is not None else text))
            sheet = self._sheet(jobs[first:], first, plan.in_a_row)
            if isinstance(sheet, Problem):
                problems[replace(sheet, line=lines.get("grid"))] = None
            elif sheet is not None:
                sheets.append((sheet, text))
        if problems:
            return RejectedFile(problems=capped(tuple(problems), file=self._file))
        return ParsedFile(jobs=tuple(jobs), sheets=tuple(sheets))

    def _sheet(self, jobs: Sequence[ParsedJob], first: int, in_a_row: int) -> ContactSheet | Problem | None:
        """The sheet of a document that asks for one; a single picture needs none."""
        wants = [job.asked for job in jobs if isinstance(job.asked, JobSpec) and job.asked.grid]
        requests = [asked.request for asked in wants if isinstance(asked.request, GenerateRequest)]
        if len(requests) < 2:
            return None
        if len(requests) > MOST_CELLS:
            message = (
                f"a sheet of {len(requests)} pictures is more than {MOST_CELLS}: leave `grid` out, or ask for fewer"
            )
            return Problem(file=self._file, key="grid", message=message)
        return sheet_of(requests, first=first, in_a_row=in_a_row)

    def _validated(
        self, keys: Mapping[str, object], lines: Mapping[str, int], written: Mapping[str, str] | None
    ) -> JobSpec | tuple[Problem, ...]:
        return validated(
            keys, file=self._file, lines=lines, written=written, folders=self._folders, catalogue=self._catalogue
        )
