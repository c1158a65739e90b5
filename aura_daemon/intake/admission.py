"""Claimed bytes -> jobs in the journal, or the reason why there are none. No job comes into the journal otherwise.

`Admission.admit` reads the claimed bytes once and copies the images that the jobs name, so that later changes do not
matter.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.chains import rounds
from aura_daemon.chains.next_part import chain_of
from aura_daemon.config.settings import Settings
from aura_daemon.errors import Problem
from aura_daemon.formats.plain_text import MOST_BYTES
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.folder_defaults import FolderDefaultsReader
from aura_daemon.intake.input_images import InputImages, NotTaken
from aura_daemon.intake.recipes.subjects import Subjects
from aura_daemon.jobfile import from_picture, from_sidecar, parser
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.keys import output_name
from aura_daemon.jobfile.parser import ParsedJob, RejectedFile
from aura_daemon.jobfile.prompt_lists import reading
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec
from aura_daemon.jobs.caption_files import CaptionFile, asked
from aura_daemon.jobs.requests import (
    CaptionRequest,
    GenerateRequest,
    GridRequest,
    JobKind,
    Request,
    kind_of,
    shared_fields,
)
from aura_daemon.jobs.results import AppliedDefaults, Failure, FailureKind
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, NamedImage, Source
from aura_daemon.system import durable_files
from aura_daemon.system.permissions import why_denied
from aura_daemon.watch import file_kinds
from aura_daemon.watch.caption_texts import is_skipped
from aura_daemon.watch.decisions import Leave
from aura_daemon.watch.file_kinds import HEAD_BYTES

SEED_BELOW: Final = 2**32
"""The upper limit of the seeds that the daemon draws; these fit everywhere, A1111's fields included."""


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
    ) -> None:
        """`catalogue` returns what jobs may name at the moment."""
        self._settings = settings
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
        file = self._claims.file_of(source)
        try:
            with durable_files.opened(file) as opened:
                head = opened.read(HEAD_BYTES)
                found = head + opened.read(max(0, self._most_bytes(source.path, head) + 1 - len(head)))
                size_bytes = os.fstat(opened.fileno()).st_size
        except (FileNotFoundError, PermissionError, durable_files.NotARegularFile) as error:
            if isinstance(error, FileNotFoundError) and not self._claims.work.is_dir():
                raise  # the whole work folder is away, not this file alone
            mend = "Give the daemon's user the right to read it, then move it back into the inbox."
            return self._refuse(source, f"it cannot be read: {why_denied(error, file)}", mend)
        whole = size_bytes <= len(found)
        source = replace(source, sha256=sha256(found).hexdigest() if whole else durable_files.sha256_of(file))
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
            specs = [(one, parsed_job) for spec, parsed_job in specs for one in _each_round(spec)]
            applied = folders if kind is not SourceKind.SIDECAR else ()
            jobs = tuple(
                self._job(source, spec, parsed_job, number if len(specs) > 1 else None, applied)
                for number, (spec, parsed_job) in enumerate(specs, start=1)
            )
            numbers = [spec.round for spec, _ in specs]
            jobs = rounds.linked(jobs, numbers, self._settings.generate.format)
            jobs += tuple(self._contact_sheets(source, jobs, parsed))
            jobs += tuple(rounds.sheets(jobs, numbers, number=len(jobs) + 1))
            jobs, named = self._input_images.take(source, jobs)
            jobs = tuple(job for job in jobs if not self._is_skipped(source, job))
            jobs = tuple(replace(job, chain=chain_of(job.request)) for job in jobs)
        except NotTaken as obstacle:
            return self._refuse(source, obstacle.message, obstacle.mend)
        self._journal.admit(source, jobs, tuple(dict.fromkeys(named_again + named)))
        for job in jobs:
            logger.info("{} queued {} from {}", job.id, job.kind, file_names.escaped(source.path))
        for warning in dict.fromkeys(warning for job in jobs for warning in job.warnings):
            logger.warning("{} {}", source.id, warning)
        return jobs

    def _refuse(self, source: Source, message: str, mend: str, problems: tuple[Problem, ...] = ()) -> tuple[()]:
        """Journals why a file gives no jobs."""
        failure = Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
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
                    path, picture, notes = self._input_images.read(
                        source, spec.request.image, most_bytes=self._settings.limits.image_bytes
                    )
                    named += notes
                spec = from_picture.made_again(spec, picture, file=file_names.escaped(path))
            if isinstance(spec, tuple):
                problems += spec
            else:
                specs.append((spec, job))
        return RejectedFile(problems=tuple(problems)) if problems else specs, tuple(named)

    def _job(
        self,
        source: Source,
        spec: JobSpec,
        parsed: ParsedJob,
        number: int | None,
        folders: tuple[FolderDefaults, ...],
    ) -> Job:
        """The job of one spec. `number`: which of several jobs of the source; None for the only one."""
        path = PurePosixPath(source.path)
        request = spec.request
        folder = file_names.portable_folder(source.path.rpartition("/")[0])
        stem = file_names.portable(file_names.output_stem(path.stem, number))
        if isinstance(request, CaptionRequest):
            request = self._with_file(request, source)
        if isinstance(request, GenerateRequest):
            seed = request.seed if request.seed is not None else drawn_seed()
            request = replace(request, seed=seed)
            if request.output is not None:
                below, stem = output_name.filled(request.output, self._placeholders(request, seed, path, number))
                folder = "/".join(filter(None, (folder, below)))
        elif isinstance(request, CaptionRequest) and request.sampling is not None and request.sampling.seed is None:
            request = replace(request, sampling=replace(request.sampling, seed=drawn_seed()))
        request = self._matched(request)
        return Job(
            id=source.id if number is None else f"{source.id}-{number:03d}",
            source_id=source.id,
            number=number,
            kind=kind_of(request),
            request=request,
            text=parsed.text,
            warnings=parsed.warnings,
            folder=folder,
            stem=stem,
            priority=spec.priority,
            defaults=tuple(AppliedDefaults(name=file.name, sha256=file.sha256) for file in folders),
        )

    def _with_file(self, request: CaptionRequest, source: Source) -> CaptionRequest:
        """A caption with all that is to be known of its file: a later change of the configuration does not matter."""
        file = request.file_over(self._settings.caption.file())
        picture = source.path if source.kind is SourceKind.IMAGE else ""
        return replace(request, caption=asked(file) if file != CaptionFile() else None, picture=picture)

    def _matched(self, request: Request) -> Request:
        """A request whose results are judged, by the model for matching that is configured now, not later."""
        if self._settings.caption.matching_model is None:
            return request
        if isinstance(request, GenerateRequest) and request.check is not None:
            return replace(request, check=replace(request.check, matched=True))
        if isinstance(request, CaptionRequest) and (request.candidates or 1) > 1:
            return replace(request, matched=True)
        return request

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

    def _contact_sheets(self, source: Source, jobs: tuple[Job, ...], parsed: parser.ParsedFile) -> Iterator[Job]:
        """The jobs that lay out the pictures of a document in contact sheets, once the pictures are made."""
        for number, (sheet, text) in enumerate(parsed.sheets, start=len(jobs) + 1):
            cells = jobs[sheet.first : sheet.first + sheet.cells]
            cell_ids = tuple(cell.id for cell in cells)
            yield replace(
                cells[0],
                id=f"{source.id}-{number:03d}",
                number=number,
                kind=JobKind.GRID,
                request=GridRequest(**shared_fields(sheet, GridRequest) | {"cells": cell_ids}),
                text=text,
                warnings=(),
                stem=file_names.portable(f"{file_names.output_stem(PurePosixPath(source.path).stem, None)}-grid"),
                waits_for=cell_ids,
            )

    def _placeholders(
        self, request: GenerateRequest, seed: int, file: PurePosixPath, number: int | None
    ) -> dict[str, str | int]:
        """The values of what a template for the name of a result may hold."""
        now = datetime.now(UTC)
        return {
            "stem": file.stem,
            "file": file.name,
            "folder": file.parent.name,
            "number": number or 1,
            "seed": seed,
            "prompt": request.prompt,
            "model": request.model or self._settings.generate.model,
            "date": f"{now:%Y-%m-%d}",
            "time": f"{now:%H%M%S}",
        }

    def _is_put_away(self, source: Source) -> bool:
        """Whether a source is an image of a job file whose jobs are done: it needs no job of its own."""
        if source.kind is not SourceKind.IMAGE:
            return False
        namers = self._journal.namers(source.path, source.size_bytes, source.modified_ns)
        done = next((namer for namer in namers if self._journal.all_done(namer.id)), None)
        if done is not None:
            logger.info("{} belongs to {}, which is done: put away", source.id, file_names.escaped(done.path))
        return done is not None


def drawn_seed() -> int:
    """A seed for a job that gives none."""
    return secrets.randbelow(SEED_BELOW)


def _one_job(spec: JobSpec | RegenerateSpec, text: bytes) -> parser.ParsedFile:
    return parser.ParsedFile(jobs=(ParsedJob(spec=spec, text=text),))


def _each_round(spec: JobSpec) -> tuple[JobSpec, ...]:
    """A spec for each round of a reflection; any other as it is."""
    if not spec.rounds or not isinstance(spec.request, GenerateRequest):
        return (spec,)
    requests = rounds.round_requests(spec.request, spec.rounds, seed=drawn_seed())
    return tuple(replace(spec, request=request, round=number) for number, request in enumerate(requests, start=1))
