"""What a file asks for -> its jobs, numbered, named and complete. In: specs, pictures of sets. Out: jobs.

Seeds are drawn and templates of names filled in here, so that every attempt at a job is the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from aura_daemon import file_names
from aura_daemon.chains import rounds
from aura_daemon.config.settings import Settings
from aura_daemon.formats.datasets.names import STEM
from aura_daemon.intake.sets.expanding import ExpandedSet
from aura_daemon.jobfile.contact_sheet import ContactSheet
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.keys import output_name
from aura_daemon.jobfile.parser import ParsedJob
from aura_daemon.jobfile.validation import JobSpec
from aura_daemon.jobs.caption_files import CaptionFile, asked
from aura_daemon.jobs.guidance.upscaling import upscaler_label
from aura_daemon.jobs.requests import (
    CaptionRequest,
    GenerateRequest,
    GridRequest,
    JobKind,
    Request,
    UpscaleRequest,
    kind_of,
    shared_fields,
)
from aura_daemon.jobs.results import AppliedDefaults
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.records import Job, Source

SEED_BELOW: Final = 2**32
"""The upper limit of the seeds that the daemon draws; these fit everywhere, A1111's fields included."""

SourcePart: TypeAlias = "tuple[JobSpec, ParsedJob] | ExpandedSet"
"""What one document asks for."""


class JobMaker:
    """Makes the jobs of files."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def jobs(
        self,
        source: Source,
        parts: tuple[SourcePart, ...],
        sheets: Sequence[tuple[ContactSheet, bytes]],
        applied: tuple[FolderDefaults, ...],
    ) -> Iterator[Job]:
        """All jobs of a source, numbered: those of the specs, then sheets, then what puts sets together."""
        total = sum(len(part.members) + 1 if isinstance(part, ExpandedSet) else 1 for part in parts)
        job = partial(self._job, source, folders=applied, of=total)
        number = 0
        jobs: list[Job] = []
        rounds_of: list[int] = []
        ranges: list[slice] = []
        """Of each document, its jobs among all of them."""
        sets: list[tuple[ExpandedSet, slice]] = []
        for part in parts:
            first = number
            for member in part.members if isinstance(part, ExpandedSet) else ():
                number += 1
                of_set = job(member.spec, member.parsed, number)
                jobs.append(replace(of_set, folder=member.folder, stem=member.stem))
            if isinstance(part, ExpandedSet):
                sets.append((part, slice(first, number)))
                rounds_of += [0] * (number - first)
                ranges.append(slice(first, number))
                continue
            number += 1
            jobs.append(job(*part, number))
            rounds_of.append(part[0].round)
            if part[0].round > 1:
                ranges[-1] = slice(ranges[-1].start, number)
            else:
                ranges.append(slice(first, number))
        jobs = list(rounds.linked(jobs, rounds_of, self._settings.generate.format))
        yield from jobs
        for sheet, text in sheets:
            number += 1
            cells = [one for part in ranges[sheet.first : sheet.first + sheet.cells] for one in jobs[part]]
            yield self._contact_sheet(source, cells, sheet, text, _job_id(source, number, total), number)
        for reflection in rounds.sheets(jobs, rounds_of, number=number + 1):
            number += 1
            yield reflection
        for part, members in sets:
            number += 1
            yield self._dataset(source, part, jobs[members], number, job)

    def _dataset(
        self, source: Source, part: ExpandedSet, members: list[Job], number: int, job: Callable[..., Job]
    ) -> Job:
        """The job that puts the captions of a set together, once all of them are made.

        The last job of a set mostly ends last: it stands first, so that a look at what is awaited ends there.
        """
        spec = JobSpec(request=part.request, priority=members[0].priority if members else 0)
        return replace(
            job(spec, part.parsed, number),
            folder=part.folder,
            stem=STEM,
            warnings=(),
            waits_for=tuple(member.id for member in reversed(members)),
        )

    def _job(
        self,
        source: Source,
        spec: JobSpec,
        parsed: ParsedJob,
        number: int,
        *,
        folders: tuple[FolderDefaults, ...],
        of: int,
    ) -> Job:
        """The job of one spec, which of so many of the source."""
        path = PurePosixPath(source.path)
        request = spec.request
        folder = file_names.portable_folder(source.path.rpartition("/")[0])
        shown = number if of > 1 else None
        stem = file_names.portable(file_names.output_stem(path.stem, shown))
        if isinstance(request, CaptionRequest):
            request = self._with_file(request, source)
        if isinstance(request, GenerateRequest):
            seed = request.seed if request.seed is not None else drawn_seed()
            request = replace(request, seed=seed)
        elif isinstance(request, CaptionRequest) and request.sampling is not None and request.sampling.seed is None:
            request = replace(request, sampling=replace(request.sampling, seed=drawn_seed()))
        if isinstance(request, GenerateRequest | UpscaleRequest) and request.output is not None:
            below, stem = output_name.filled(request.output, self._placeholders(request, path, shown))
            folder = "/".join(filter(None, (folder, below)))
        request = self._matched(request)
        return Job(
            id=_job_id(source, number, of) if of > 1 else source.id,
            source_id=source.id,
            number=shown,
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
        picture = source.path if source.kind is SourceKind.IMAGE else request.picture
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

    def _contact_sheet(
        self, source: Source, cells: list[Job], sheet: ContactSheet, text: bytes, job_id: str, number: int
    ) -> Job:
        """The job that lays out the pictures of a document in a contact sheet, once the pictures are made."""
        cell_ids = tuple(cell.id for cell in cells)
        return replace(
            cells[0],
            id=job_id,
            number=number,
            kind=JobKind.GRID,
            request=GridRequest(**shared_fields(sheet, GridRequest) | {"cells": cell_ids}),
            text=text,
            warnings=(),
            stem=file_names.portable(f"{file_names.output_stem(PurePosixPath(source.path).stem, None)}-grid"),
            waits_for=cell_ids,
        )

    def _placeholders(
        self, request: GenerateRequest | UpscaleRequest, file: PurePosixPath, number: int | None
    ) -> dict[str, str | int]:
        """The values of what a template for the name of a result may hold."""
        now = datetime.now(UTC)
        of_drawing: dict[str, str | int] = {}
        if isinstance(request, GenerateRequest):
            model = request.model or self._settings.generate.model
            of_drawing = {"seed": request.seed or 0, "prompt": request.prompt}
        else:
            model = request.upscale.model or upscaler_label(self._settings.upscale.model)
        return {
            **of_drawing,
            "stem": file.stem,
            "file": file.name,
            "folder": file.parent.name,
            "number": number or 1,
            "model": model,
            "date": f"{now:%Y-%m-%d}",
            "time": f"{now:%H%M%S}",
        }


def drawn_seed() -> int:
    """A seed for a job that gives none."""
    return secrets.randbelow(SEED_BELOW)


def each_round(spec: JobSpec) -> tuple[JobSpec, ...]:
    """A spec for each round of a reflection; any other as it is."""
    if not spec.rounds or not isinstance(spec.request, GenerateRequest):
        return (spec,)
    requests = rounds.round_requests(spec.request, spec.rounds, seed=drawn_seed())
    return tuple(replace(spec, request=request, round=number) for number, request in enumerate(requests, start=1))


def _job_id(source: Source, number: int, of: int) -> str:
    """The id of one of several jobs; ids sort by age, so all of a source are as long."""
    return f"{source.id}-{number:0{max(3, len(str(of)))}d}"
