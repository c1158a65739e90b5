"""Claimed bytes -> jobs in the journal, or the reason why there are none. The only door in.

`admit` reads the claimed bytes once; what a job needs beside them (the image it names) is copied, so that later changes
do not matter.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from loguru import logger

from aura_daemon import durable
from aura_daemon.claims import Claims
from aura_daemon.core import names, request, routing, sidecar
from aura_daemon.core.job import CaptionRequest, Failure, FailureKind, GenerateRequest, Request, kind_of
from aura_daemon.core.request import Asked, ParsedJob, Rejected
from aura_daemon.core.routing import Accept, SourceKind
from aura_daemon.errors import Problem
from aura_daemon.journal import Journal
from aura_daemon.judging import HEAD_BYTES
from aura_daemon.records import JobRow, SourceRow, in_64_bits
from aura_daemon.references import References

SEED_BELOW: Final = 2**32
"""Seeds drawn by us fit everywhere, A1111's fields included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IntakeSettings:
    """What admission needs to know of the configuration."""

    accept: frozenset[Accept]
    skips_redeliveries: bool
    max_image_bytes: int


class Intake:
    """One inbox's door."""

    def __init__(self, settings: IntakeSettings, claims: Claims, references: References, journal: Journal) -> None:
        self._settings = settings
        self._claims = claims
        self._references = references
        self._journal = journal

    def admit(self, source: SourceRow) -> tuple[JobRow, ...]:
        """Reads the claimed bytes, once, and journals the jobs or the reason why there are none.

        Raises OSError, with nothing journaled, where the file system may say otherwise later.
        """
        file = self._claims.file_of(source)
        try:
            found = durable.read(file, most_bytes=self._settings.max_image_bytes + 1)
        except (FileNotFoundError, PermissionError, durable.NotARegularFile) as error:
            if isinstance(error, FileNotFoundError) and not self._claims.work.is_dir():
                raise  # everything of ours is away, not this file alone
            return self._refuse(
                source,
                f"it cannot be read: {error.strerror}",
                "Mend its permissions, then move it back.",
            )
        whole = found.status.st_size <= len(found.content)
        source = replace(source, sha256=found.sha256 if whole else durable.sha256_of(file))
        if self._settings.skips_redeliveries and self._journal.succeeded(source):
            self._journal.admit(source, ())
            logger.info("{} redelivery of {}, done before: not run again", source.id, names.escaped(source.path))
            return ()
        kind, parsed = self._parse(source.path, found.content)
        source = replace(source, kind=kind)
        if isinstance(parsed, Rejected):
            return self._refuse_problems(source, parsed.problems)
        several = len(parsed.jobs) > 1
        jobs = tuple(
            self._job(source, job, number if several else None) for number, job in enumerate(parsed.jobs, start=1)
        )
        obstacle = self._take_images(source, jobs)
        if obstacle is not None:
            return self._refuse(source, *obstacle)
        self._journal.admit(source, jobs)
        for row in jobs:
            logger.info("{} queued {} from {}", row.id, row.kind, names.escaped(source.path))
        return jobs

    def _refuse(self, source: SourceRow, message: str, mend: str) -> tuple[()]:
        """Journals why a file asks for nothing."""
        failure = Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
        self._journal.admit(replace(source, failure=failure), ())
        logger.info("{} refused: {}", source.id, message)
        return ()

    def _refuse_problems(self, source: SourceRow, problems: tuple[Problem, ...]) -> tuple[()]:
        """Journals everything that is wrong with what a person wrote."""
        message = problems[0].message if len(problems) == 1 else f"{len(problems)} problems, see the list"
        mend = "Mend what the list of problems names, then move the file back into the inbox."
        failure = Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
        self._journal.admit(replace(source, failure=failure, problems=problems), ())
        for problem in problems:
            logger.info("{} refused: {}", source.id, problem)
        return ()

    def _parse(self, path: str, content: bytes) -> tuple[SourceKind, request.Parsed | Rejected]:
        """What the bytes ask for, as their name and their beginning say."""
        file = names.escaped(path)
        route = routing.route(PurePosixPath(path).name, content[:HEAD_BYTES], self._settings.accept)
        match route:
            case SourceKind.JOB_FILE:
                return route, request.parse_job_file(content, file=file)
            case SourceKind.PROMPT_TEXT:
                return route, request.parse_prompt_text(content, file=file)
            case SourceKind.SIDECAR:
                document = sidecar.parse(content, file=file)
                if isinstance(document, tuple):
                    return route, Rejected(problems=document)
                return route, _one_job(sidecar.request_of(document), content)
            case SourceKind.IMAGE:
                if len(content) > self._settings.max_image_bytes:
                    message = f"the image is larger than {self._settings.max_image_bytes:,} bytes"
                    return route, Rejected(problems=(Problem(file=file, message=message),))
                return route, _one_job(CaptionRequest(), b"")
            case routing.Mismatch():
                return SourceKind.IMAGE, Rejected(problems=(Problem(file=file, message=route.reason),))
            case routing.Unfinished():
                message = "the file is empty" if not content else "the file holds nothing but zeros: it never arrived"
                return SourceKind.IMAGE, Rejected(problems=(Problem(file=file, message=message),))
            case routing.Foreign():  # it was a job by its first bytes when it was judged
                return SourceKind.IMAGE, Rejected(problems=(Problem(file=file, message=route.reason),))

    def _job(self, source: SourceRow, parsed: ParsedJob, number: int | None) -> JobRow:
        path = PurePosixPath(source.path)
        wanted = parsed.asked.request
        if isinstance(wanted, GenerateRequest) and wanted.seed is None:
            wanted = replace(wanted, seed=secrets.randbelow(SEED_BELOW))
        return JobRow(
            id=source.id if number is None else f"{source.id}-{number:03d}",
            source_id=source.id,
            number=number,
            kind=kind_of(wanted),
            request=wanted,
            text=parsed.text,
            folder="" if str(path.parent) == "." else str(path.parent),
            stem=names.output_stem(path.stem, number),
            priority=parsed.asked.priority,
        )

    def _take_images(self, source: SourceRow, jobs: tuple[JobRow, ...]) -> tuple[str, str] | None:
        """Copies the images that jobs name, so that later changes do not matter; of the first without, why and mend."""
        for job in jobs:
            wanted = job.request
            if not isinstance(wanted, CaptionRequest) or not wanted.image:
                continue
            name, target = names.escaped(wanted.image), self._claims.inputs / job.id
            absent = (
                f"the image it names did not arrive: {name}",
                "Put the image beside the job file, then move the job file back into the inbox.",
            )
            image = self._references.find(source.path, wanted.image)
            if image is None:
                return absent
            target.unlink(missing_ok=True)
            try:
                durable.copy(image, target, temp_folder=self._claims.temp)
            except (FileNotFoundError, durable.NotARegularFile):  # taken away since it was found
                return absent
            except PermissionError as error:
                if error.filename != os.fspath(image):  # a folder of ours, which concerns every file
                    raise
                return (
                    f"the image it names cannot be read: {name}: {error.strerror}",
                    "Mend the image's permissions, then move the job file back into the inbox.",
                )
        return None

    def image_of(self, job: JobRow, source: SourceRow) -> durable.Content | None:
        """The bytes a caption job is about; None for a generate job. Raises OSError where they are gone."""
        if not isinstance(job.request, CaptionRequest):
            return None
        if job.request.image:
            return durable.read(self._claims.inputs / job.id)
        return durable.read(self._claims.file_of(source))

    def recorded(self, source: SourceRow, job: JobRow, image: durable.Content | None) -> SourceRow:
        """The source as it runs: a writer that held the image open over the claim may have gone on writing."""
        asked = job.request
        if image is None or not isinstance(asked, CaptionRequest) or asked.image or image.sha256 == source.sha256:
            return source
        logger.warning("{} was written to after it was claimed: what is there now runs", source.id)
        status = image.status
        source = replace(
            source, sha256=image.sha256, size_bytes=status.st_size, modified_ns=in_64_bits(status.st_mtime_ns)
        )
        self._journal.correct(source)
        return source


def _one_job(asked: Request, text: bytes) -> request.Parsed:
    return request.Parsed(jobs=(ParsedJob(asked=Asked(request=asked), text=text),))
