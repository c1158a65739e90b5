"""Claimed bytes -> jobs in the journal, or the reason why there are none. No job comes into the journal otherwise.

`Admission.admit` reads the claimed bytes once and copies the images that the jobs name, so that later changes do not
matter. A fault of ours that one file brings to light refuses this file, and stops nothing else.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import PurePosixPath

from loguru import logger

from aura_daemon import file_names
from aura_daemon.chains.next_part import chain_of
from aura_daemon.config.settings import Settings
from aura_daemon.errors import BrokenState, Problem
from aura_daemon.formats.plain_text import MOST_BYTES
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.folder_defaults import FolderDefaultsReader
from aura_daemon.intake.input_images import InputImages, NotTaken
from aura_daemon.intake.jobs.making import JobMaker, SourcePart, drawn_seed, each_round
from aura_daemon.intake.recipes.subjects import Subjects
from aura_daemon.intake.sets.expanding import ExpandedSet, SetExpander
from aura_daemon.intake.sets.outcomes import NamedOutcomes
from aura_daemon.jobfile import from_picture, from_sidecar, parser
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.keys.image_patterns import MOST_PICTURES
from aura_daemon.jobfile.parser import ParsedJob, RejectedFile
from aura_daemon.jobfile.prompt_lists import reading
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec
from aura_daemon.jobs.lifecycle import SourceState
from aura_daemon.jobs.requests import (
    CaptionRequest,
)
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, NamedImage, Source
from aura_daemon.problems import cut
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import why_denied
from aura_daemon.watch import file_kinds
from aura_daemon.watch.caption_texts import is_skipped
from aura_daemon.watch.decisions import Leave
from aura_daemon.watch.file_kinds import HEAD_BYTES


class Admission:
    """Admits the claimed files of one inbox."""

    def __init__(
        self,
        settings: Settings,
        claims: Claims,
        input_images: InputImages,
        folder_defaults: FolderDefaultsReader,
        journal: Journal,
        catalogue: Callable[[], Catalogue],
        subjects: Subjects,
        sets: SetExpander,
        outcomes: NamedOutcomes,
    ) -> None:
        """`catalogue` returns what jobs may name at the moment."""
        self._sets = sets
        self._outcomes = outcomes
        self._settings = settings
        self._maker = JobMaker(settings)
        self._claims = claims
        self._input_images = input_images
        self._folder_defaults = folder_defaults
        self._journal = journal
        self._catalogue = catalogue
        self._subjects = subjects

    def admit(self, source: Source) -> tuple[Job, ...]:
        """Reads the claimed bytes once and journals the jobs, or the reason why there are none.

        Raises OSError, with nothing journaled, for a fault of the file system that may pass.
        """
        try:
            return self._admit(source)
        except (OSError, MemoryError, BrokenState):
            raise
        except Exception as error:
            if self._journal.source(source.id).state is not SourceState.CLAIMED:
                raise  # it is admitted
            logger.error("{}", traceback.format_exc())
            first = file_names.escaped(cut(str(error).partition("\n")[0]))
            message = f"an unforeseen fault: {type(error).__name__}: {first}".removesuffix(": ")
            mend = "This is a mistake of aura-daemon, not of the file: report it; the traceback is in the log."
            return self._refuse(source, message, mend, kind=FailureKind.UNEXPECTED)

    def _admit(self, source: Source) -> tuple[Job, ...]:
        file = self._claims.file_of(source)
        try:
            with regular_files.opened(file) as opened:
                head = opened.read(HEAD_BYTES)
                found = head + opened.read(max(0, self._most_bytes(source.path, head) + 1 - len(head)))
                size_bytes = os.fstat(opened.fileno()).st_size
        except (FileNotFoundError, PermissionError, regular_files.NotARegularFile) as error:
            if isinstance(error, FileNotFoundError) and not self._claims.work.is_dir():
                raise  # the whole work folder is away, not this file alone
            mend = "Give the daemon's user the right to read it, then move it back into the inbox."
            return self._refuse(source, f"it cannot be read: {why_denied(error, file)}", mend)
        whole = size_bytes <= len(found)
        source = replace(source, sha256=sha256(found).hexdigest() if whole else regular_files.sha256_of(file))
        if self._settings.redelivery == "skip" and self._journal.succeeded(source):
            self._journal.admit(source, ())
            logger.info("{} redelivery of {}, done before: not run again", source.id, file_names.escaped(source.path))
            return ()
        folders = self._folder_defaults.above(source.path)
        self._input_images.look_anew()
        kind, parsed = self._parse(source.path, found, folders)
        source = replace(source, kind=kind)
        if isinstance(parsed, RejectedFile):
            return self._refuse_problems(source, parsed.problems)
        if self._is_put_away(source):
            self._journal.admit(source, ())
            return ()
        try:
            specs, named_again = self._resolve_regenerations(source, parsed, found)
            if isinstance(specs, RejectedFile):
                return self._refuse_problems(source, specs.problems)
            specs = [(one, parsed_job) for spec, parsed_job in specs for one in each_round(spec)]
            applied = folders if kind is not SourceKind.SIDECAR else ()
            parts = tuple(self._expanded(source, specs))
            jobs = tuple(self._maker.jobs(source, parts, parsed.sheets, applied))
            jobs, named = self._input_images.take(source, jobs)
            jobs = tuple(job for job in jobs if not self._is_skipped(source, job))
            jobs = tuple(replace(job, chain=chain_of(job.request)) for job in jobs)
        except NotTaken as obstacle:
            return self._refuse(source, obstacle.message, obstacle.mend)
        named_again += tuple(image for part in parts if isinstance(part, ExpandedSet) for image in part.named)
        self._journal.admit(source, jobs, tuple(dict.fromkeys(named_again + named)))
        self._tell(source, jobs)
        for warning in dict.fromkeys(warning for job in jobs for warning in job.warnings):
            logger.warning("{} {}", source.id, warning)
        return jobs

    def withdrawn(self) -> list[Source]:
        """Sources that have lost their jobs to a set since the last call: they are to be disposed of."""
        return self._sets.withdrawn()

    def _tell(self, source: Source, jobs: tuple[Job, ...]) -> None:
        """Logs what was queued; of a set a line for all."""
        path = file_names.escaped(source.path)
        alone = [job for job in jobs if not (isinstance(job.request, CaptionRequest) and job.request.of_set)]
        for job in alone:
            logger.info("{} queued {} from {}", job.id, job.kind, path)
        if len(alone) < len(jobs):
            pictures = "1 picture" if len(jobs) - len(alone) == 1 else f"{len(jobs) - len(alone):,} pictures"
            logger.info("{} queued {} of a set from {}", source.id, pictures, path)

    def _refuse(
        self,
        source: Source,
        message: str,
        mend: str,
        problems: tuple[Problem, ...] = (),
        *,
        kind: FailureKind = FailureKind.BAD_INPUT,
    ) -> tuple[()]:
        """Journals why a file gives no jobs."""
        failure = Failure(kind=kind, message=message, mend=mend)
        self._journal.admit(replace(source, failure=failure, problems=problems), ())
        logger.error("{} refused: {}: {}", source.id, file_names.escaped(source.path), message)
        for problem in problems if len(problems) > 1 else ():
            logger.info("{} refused: {}", source.id, problem)
        return ()

    def _refuse_problems(self, source: Source, problems: tuple[Problem, ...]) -> tuple[()]:
        """Journals every problem of a file that a person wrote."""
        first = problems[0].within(file_names.escaped(source.path))
        message = first if len(problems) == 1 else f"{len(problems)} problems; the first: {first}"
        what = "it" if len(problems) == 1 else "what the list of problems names"
        mend = f"Mend {what}, then move the file back into the inbox."
        return self._refuse(source, message, mend, problems)

    def _most_bytes(self, path: str, head: bytes) -> int:
        """The size of the largest file of this kind; a larger one is refused without being read."""
        route = file_kinds.route(PurePosixPath(path).name, head, self._settings.accept)
        is_text = isinstance(route, SourceKind) and route is not SourceKind.IMAGE
        return MOST_BYTES if is_text else self._settings.limits.image_bytes

    def _parse(
        self, path: str, content: bytes, folders: tuple[FolderDefaults, ...]
    ) -> tuple[SourceKind, parser.ParsedFile | RejectedFile]:
        """Parses the bytes as the kind of file that their name and their beginning tell."""
        file = file_names.escaped(path)
        route = file_kinds.route(PurePosixPath(path).name, content[:HEAD_BYTES], self._settings.accept)
        match route:
            case SourceKind.JOB_FILE | SourceKind.PROMPT_TEXT | SourceKind.PROMPT_TABLE:
                return route, reading.parse(
                    route,
                    content,
                    file=file,
                    folders=folders,
                    catalogue=self._catalogue(),
                    draw=drawn_seed,
                    prompt_lines=self._settings.prompt_lines,
                    subject=self._subjects.of(path),
                )
            case SourceKind.SIDECAR:
                document = from_sidecar.parse(content, file=file, catalogue=self._catalogue())
                if isinstance(document, tuple):
                    return route, RejectedFile(problems=document)
                return route, _one_job(JobSpec(request=from_sidecar.request_of(document)), content)
            case SourceKind.IMAGE:
                if len(content) <= self._settings.limits.image_bytes:
                    subject = self._subjects.of(path, content)
                    names = self._catalogue()
                    return route, parser.of_picture(folders, subject=subject, catalogue=names, draw=drawn_seed)
                most_bytes = self._settings.limits.image_bytes
                message = f"the image is larger than {most_bytes:,} bytes (limits.image_bytes)"
            case file_kinds.Unfinished():
                message = "the file is empty" if not content else "the file holds nothing but zeros: it never arrived"
            case file_kinds.Mismatch() | Leave():  # Leave: the file has changed since triage judged it
                message = route.reason
        return file_kinds.named_kind(path), RejectedFile(problems=(Problem(file=file, message=message),))

    def _resolve_regenerations(
        self, source: Source, parsed: parser.ParsedFile, content: bytes
    ) -> tuple[list[tuple[JobSpec, ParsedJob]] | RejectedFile, tuple[NamedImage, ...]]:
        """Every job with its spec; reads the settings of pictures to be regenerated. Raises NotTaken, or OSError."""
        specs: list[tuple[JobSpec, ParsedJob]] = []
        problems: list[Problem] = []
        named: list[NamedImage] = []
        for job in parsed.jobs:
            spec: JobSpec | RegenerateSpec | tuple[Problem, ...] = job.spec
            if isinstance(spec, RegenerateSpec):
                path, picture = source.path, content
                if source.kind is not SourceKind.IMAGE:
                    path, picture, notes = self._input_images.read(source, spec.request.image)
                    named += notes
                shown = file_names.escaped(path)
                spec = from_picture.made_again(spec, picture, file=shown, catalogue=self._catalogue())
            if isinstance(spec, tuple):
                problems += spec
            else:
                specs.append((spec, job))
        return RejectedFile(problems=tuple(problems)) if problems else specs, tuple(named)

    def _expanded(self, source: Source, specs: list[tuple[JobSpec, ParsedJob]]) -> Iterator[SourcePart]:
        """The specs, with the pictures of those that are about a set; raises NotTaken, or OSError."""
        folders: list[str] = []
        left = MOST_PICTURES
        for spec, parsed in specs:
            if not spec.images:
                yield spec, parsed
                continue
            found = self._sets.expanded(source, spec, parsed, others=folders)
            left -= len(found.members)
            if left < 0:
                message = f"its sets hold more than {MOST_PICTURES:,} pictures together"
                raise NotTaken(message, "Make a file of each set.")
            folders.append(found.folder)
            yield found

    def _is_skipped(self, source: Source, job: Job) -> bool:
        """Whether a job file asks for the caption of a picture that has its text, and says `existing: skip`."""
        request = job.request
        if source.kind is SourceKind.IMAGE or not isinstance(request, CaptionRequest) or not request.picture:
            return False  # of a picture that was dropped `triage` has decided
        if not is_skipped(self._settings.inbox, request.picture, request.file):
            return False
        self._input_images.forget(job)
        logger.info("{} {} has its text: not captioned", source.id, file_names.escaped(request.picture))
        return True

    def _is_put_away(self, source: Source) -> bool:
        """Whether a source is an image of a job file whose jobs are done: it needs no job of its own."""
        if source.kind is not SourceKind.IMAGE:
            return False
        namers = self._journal.namers(source.path, source.size_bytes, source.modified_ns)
        done = next((namer for namer in namers if self._is_done(namer, source.path)), None)
        if done is not None:
            logger.info("{} belongs to {}, which is done: put away", source.id, file_names.escaped(done.path))
        return done is not None

    def _is_done(self, namer: Source, picture: str) -> bool:
        """Whether a file that names a picture has jobs, and those that are about the picture are done."""
        if not self._journal.names_set(namer.id):
            return self._journal.all_done(namer.id)
        return namer.state is SourceState.CLOSED and self._outcomes.went_well(namer, picture)


def _one_job(spec: JobSpec | RegenerateSpec, text: bytes) -> parser.ParsedFile:
    return parser.ParsedFile(jobs=(ParsedJob(spec=spec, text=text),))
