"""Inbox file -> claimed source -> jobs in the journal. The only door in.

`judge` says what is to become of a file that has settled; `claim` makes it ours by a rename within the inbox's file
system (under `keep`, by a private copy in the state folder); `admit` reads the claimed bytes once and journals what
they ask for, or why they ask for nothing. Work folder: `<work>/<source id>/<path below the inbox>`, so that a claim
tells its whole story even when the journal is lost.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from loguru import logger

from aura_daemon import durable
from aura_daemon.core import names, pictures, request, routing, sidecar
from aura_daemon.core.job import CaptionRequest, Failure, FailureKind, GenerateRequest, Request, kind_of
from aura_daemon.core.request import ParsedJob, Rejected
from aura_daemon.core.routing import Accept, SourceKind
from aura_daemon.core.stability import Stamp
from aura_daemon.core.yamltext import MOST_BYTES
from aura_daemon.errors import Problem
from aura_daemon.journal import JobRow, Journal, SourceRow

HEAD_BYTES: Final = 4096
TAIL_BYTES: Final = 65_536

COMPANION_S: Final = 900.0
"""For how long after an image was taken a `.txt` or `.json` of its stem that arrives late still belongs to it."""

SEED_BELOW: Final = 2**32
"""Seeds drawn by us fit everywhere, A1111's fields included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """The file is complete and a job: claim it."""

    kind: SourceKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Not yet: look again when it has been unchanged for `unchanged_s`."""

    unchanged_s: float
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Leave:
    """Never a job: leave it alone and count it, until it changes."""

    reason: str


Judgement: TypeAlias = Ready | Wait | Leave


@dataclass(frozen=True, kw_only=True, slots=True)
class IntakeSettings:
    """What the intake needs to know of the configuration."""

    inbox: Path
    state: Path
    accept: frozenset[Accept]
    keeps: bool
    """Sources stay where they are: claim by copy, remember by path and content."""
    skips_redeliveries: bool
    incomplete_after_s: float
    reference_wait_s: float
    max_image_bytes: int


class Intake:
    """One inbox's door."""

    def __init__(self, settings: IntakeSettings, journal: Journal, *, now: Callable[[], float]) -> None:
        """`now`: seconds since the epoch."""
        self._settings = settings
        self._journal = journal
        self._now = now
        self.inbox = settings.inbox
        self._own = settings.inbox / names.OWN_FOLDER
        self._claims, self._copies = self._own / "work", settings.state / "work"
        self.work = self._copies if settings.keeps else self._claims
        """Where new claims go; those of a time before `sources` was changed stay where they are."""
        self.done = self._own / "done"
        self.inputs = settings.state / "inputs"
        self._temp = settings.state / "copying"

    # -- judging ---------------------------------------------------------------------------------------------------

    def judge(self, path: str, stamp: Stamp, *, unchanged_s: float) -> Judgement:
        """What is to become of a file unchanged for `unchanged_s`; raises OSError where it cannot be read."""
        private = names.verdict(path)
        if private is not None:
            return Leave(reason=private.reason)
        file = self._settings.inbox / path
        try:
            head, tail, status = durable.head_and_tail(file, head_bytes=HEAD_BYTES, tail_bytes=TAIL_BYTES)
        except durable.NotARegularFile:
            return Leave(reason="a link, pipe, socket, device or folder; only regular files are opened")
        route = routing.route(PurePosixPath(path).name, head, self._settings.accept)
        if isinstance(route, routing.Foreign):
            return Leave(reason=route.reason)
        if self._settings.keeps and self._is_remembered(path, stamp):
            return Leave(reason="done already, and kept where it is")
        patient = unchanged_s >= self._settings.incomplete_after_s
        if (status.st_size == 0 or isinstance(route, routing.Unfinished)) and not patient:
            return Wait(unchanged_s=self._settings.incomplete_after_s, reason="it is empty so far")
        if not isinstance(route, SourceKind):
            return Ready(kind=SourceKind.IMAGE)  # admission says what is wrong with it
        match route:
            case SourceKind.IMAGE:
                if not patient and pictures.ends_properly(head, tail, status.st_size) is False:
                    return Wait(
                        unchanged_s=self._settings.incomplete_after_s,
                        reason="the end of the image is missing",
                    )
            case SourceKind.PROMPT_TEXT | SourceKind.SIDECAR:
                if self._is_companion(path, stamp):
                    return Leave(reason="it lies beside an image of the same name")
            case SourceKind.JOB_FILE:
                missing = self._missing_image(file, path)
                if missing and unchanged_s < self._settings.reference_wait_s:
                    return Wait(
                        unchanged_s=min(unchanged_s + 1.0, self._settings.reference_wait_s),
                        reason=f"it waits for {missing}",
                    )
        return Ready(kind=route)

    def _is_remembered(self, path: str, stamp: Stamp) -> bool:
        """Under `keep`: whether this path with this content has been claimed before."""
        seen = [source for source in self._journal.sources_at(path) if source.size_bytes == stamp.size_bytes]
        if any((source.modified_ns, source.inode) == (stamp.modified_ns, stamp.inode) for source in seen):
            return True
        if not seen or not self._settings.skips_redeliveries:
            return False
        sha256 = durable.sha256_of(self._settings.inbox / path)
        # The same time under another inode: mounted anew. Another time: touched, which retries what failed.
        return any(
            source.sha256 == sha256 and (source.modified_ns == stamp.modified_ns or self._journal.all_done(source.id))
            for source in seen
        )

    def _is_companion(self, path: str, stamp: Stamp) -> bool:
        """Whether a `.txt` or `.json` belongs to an image that lies, or lately lay, beside it."""
        if self._journal.is_companion(path, stamp.size_bytes, stamp.modified_ns):
            return True
        stem = path.rpartition(".")[0]
        for extension in routing.IMAGE_EXTENSIONS:
            image = stem + extension
            lies_there = any(
                (self._settings.inbox / (stem + cased)).exists() for cased in (extension, extension.upper())
            )
            taken = None if lies_there else self._journal.latest_source(image)
            lately = taken is not None and self._now() - taken.claimed_at < COMPANION_S
            if lies_there or lately:
                self._journal.add_companion(path, stamp.size_bytes, stamp.modified_ns)
                return True
        return False

    def _missing_image(self, file: Path, path: str) -> str | None:
        """The first image a job file names that is nowhere to be found; None for files that admission will refuse."""
        found = durable.read(file, most_bytes=MOST_BYTES + 1)
        parsed = request.parse_job_file(found.content, file=path)
        if isinstance(parsed, Rejected):
            return None
        wanted = [job.request.image for job in parsed.jobs if isinstance(job.request, CaptionRequest)]
        return next((name for name in wanted if name and self._find_image(path, name) is None), None)

    def _find_image(self, path: str, name: str) -> Path | None:
        """An image named by a job: beside its file, claimed just now, or archived; never outside the inbox."""
        beside = PurePosixPath(path).parent / name
        taken = self._journal.latest_source(str(beside))
        if _lies_below(self._settings.inbox / beside, self._settings.inbox):
            return self._settings.inbox / beside
        if taken is not None and self.work_file(taken).is_file():
            return self.work_file(taken)
        for stem in names.candidates(beside.stem):  # several of this name may be archived: the one that came last
            archived = self.done / beside.with_name(stem + beside.suffix)
            if not _lies_below(archived, self.done):
                return None
            if taken is None or durable.sha256_of(archived) == taken.sha256:
                return archived
        return None

    # -- claiming --------------------------------------------------------------------------------------------------

    def claim(self, path: str, kind: SourceKind, *, settled_s: float) -> SourceRow | None:
        """Makes a file ours and journals it; None where it has gone in the meantime. Raises OSError."""
        source_id = new_id(self._now())
        file, target = self._settings.inbox / path, self.work / source_id / path
        try:
            durable.make_folder(target.parent)
            if self._settings.keeps:
                status = file.lstat()
                durable.copy(file, target, temp_folder=self._temp)
                if not _is_unchanged(file, status):
                    target.unlink()
                    raise OSError(errno.EBUSY, "it changed while it was copied", os.fspath(file))
            else:
                file.rename(target)
                durable.sync_folder(target.parent)
                durable.sync_folder(file.parent)
                status = target.lstat()
        except OSError as error:
            self.forget_work(source_id, path)
            if isinstance(error, FileNotFoundError | durable.NotARegularFile):
                return None
            raise
        source = SourceRow(
            id=source_id,
            path=path,
            kind=kind,
            size_bytes=status.st_size,
            modified_ns=status.st_mtime_ns,
            inode=status.st_ino,
            settled_s=settled_s,
            claimed_at=self._now(),
        )
        self._journal.claim(source)
        logger.info("{} claimed {}", source.id, names.escaped(path))
        return source

    def adopt(self) -> list[SourceRow]:
        """Journals files in the work folder that the journal does not know: a crash came between, or it was lost."""
        adopted = []
        for leftover in self._temp.iterdir() if self._temp.is_dir() else ():
            leftover.unlink(missing_ok=True)
        folders = [
            folder for work in (self._claims, self._copies) if work.is_dir() for folder in sorted(work.iterdir())
        ]
        for folder in folders:
            if not folder.is_dir() or self._journal.knows_source(folder.name):
                continue
            files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
            for file in files[:1]:
                path = file.relative_to(folder).as_posix()
                if folder.parent == self._copies and (self._settings.inbox / path).is_file():
                    file.unlink()  # a copy that was not claimed yet; the file itself will be judged once more
                    files = []
                    break
                status = file.lstat()
                source = SourceRow(
                    id=folder.name,
                    path=path,
                    kind=SourceKind.IMAGE,  # admission looks at the bytes and knows better
                    size_bytes=status.st_size,
                    modified_ns=status.st_mtime_ns,
                    inode=status.st_ino,
                    settled_s=0.0,
                    claimed_at=self._now(),
                )
                self._journal.claim(source)
                logger.warning(
                    "{} found claimed but unknown to the journal, queued again: {}",
                    source.id,
                    names.escaped(path),
                )
                adopted.append(source)
            if not files:
                for inner in sorted((inner for inner in folder.rglob("*") if inner.is_dir()), reverse=True):
                    inner.rmdir()
                folder.rmdir()
        return adopted

    def work_file(self, source: SourceRow) -> Path:
        """Where the claimed bytes are, or were."""
        other = (self._copies if self.work == self._claims else self._claims) / source.id / source.path
        return other if os.path.lexists(other) else self.work / source.id / source.path

    def is_copy(self, file: Path) -> bool:
        """Whether a work file is only a copy of one that stays in the inbox."""
        return file.is_relative_to(self._copies)

    def forget_work(self, source_id: str, path: str) -> None:
        """Removes the emptied folders of a claim; leaves whatever still holds a file."""
        for work in (self._claims, self._copies):
            inner = (work / source_id / path).parent
            while inner != work:
                try:
                    inner.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    break
                inner = inner.parent

    # -- admitting -------------------------------------------------------------------------------------------------

    def admit(self, source: SourceRow) -> tuple[JobRow, ...]:
        """Reads the claimed bytes, once, and journals the jobs or the reason why there are none."""
        try:
            found = durable.read(self.work_file(source), most_bytes=self._settings.max_image_bytes + 1)
        except OSError as error:
            failure = _bad_input(f"it cannot be read: {error.strerror}", "Mend its permissions, then move it back.")
            self._journal.admit(replace(source, failure=failure), ())
            logger.info("{} refused: {}", source.id, failure.message)
            return ()
        whole = found.status.st_size <= len(found.content)
        source = replace(source, sha256=found.sha256 if whole else durable.sha256_of(self.work_file(source)))
        if self._settings.skips_redeliveries and self._journal.succeeded(source):
            self._journal.admit(source, ())
            logger.info("{} redelivery of {}, done before: not run again", source.id, names.escaped(source.path))
            return ()
        kind, parsed = self._parse(source.path, found.content)
        source = replace(source, kind=kind)
        if isinstance(parsed, Rejected):
            reason = (
                parsed.problems[0].message
                if len(parsed.problems) == 1
                else f"{len(parsed.problems)} problems, see the list"
            )
            failure = _bad_input(
                reason, "Mend what the list of problems names, then move the file back into the inbox."
            )
            self._journal.admit(replace(source, failure=failure, problems=parsed.problems), ())
            for problem in parsed.problems:
                logger.info("{} refused: {}", source.id, problem)
            return ()
        several = len(parsed.jobs) > 1
        jobs = tuple(
            self._job(source, job, number if several else None) for number, job in enumerate(parsed.jobs, start=1)
        )
        missing = self._take_images(source, jobs)
        if missing:
            self._journal.admit(
                replace(
                    source,
                    failure=_bad_input(
                        f"the image it names did not arrive: {missing}",
                        "Put the image beside the job file, then move the job file back into the inbox.",
                    ),
                ),
                (),
            )
            logger.info("{} refused: waited for {}", source.id, missing)
            return ()
        self._journal.admit(source, jobs)
        for row in jobs:
            logger.info("{} queued {} from {}", row.id, row.kind, names.escaped(source.path))
        return jobs

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
                return route, request.Parsed(jobs=(ParsedJob(request=sidecar.request_of(document), text=content),))
            case SourceKind.IMAGE:
                if len(content) > self._settings.max_image_bytes:
                    message = f"the image is larger than {self._settings.max_image_bytes:,} bytes"
                    return route, Rejected(problems=(Problem(file=file, message=message),))
                return route, request.Parsed(jobs=(ParsedJob(request=CaptionRequest(), text=b""),))
            case routing.Mismatch():
                return SourceKind.IMAGE, Rejected(problems=(Problem(file=file, message=route.reason),))
            case routing.Unfinished():
                message = "the file is empty" if not content else "the file holds nothing but zeros: it never arrived"
                return SourceKind.IMAGE, Rejected(problems=(Problem(file=file, message=message),))
            case routing.Foreign():  # it was a job by its first bytes when it was judged
                return SourceKind.IMAGE, Rejected(problems=(Problem(file=file, message=route.reason),))

    def _job(self, source: SourceRow, parsed: ParsedJob, number: int | None) -> JobRow:
        path = PurePosixPath(source.path)
        wanted: Request = parsed.request
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
        )

    def _take_images(self, source: SourceRow, jobs: tuple[JobRow, ...]) -> str | None:
        """Copies the images that jobs refer to, so that later changes do not matter; names the first missing one."""
        for job in jobs:
            wanted = job.request
            if not isinstance(wanted, CaptionRequest) or not wanted.image:
                continue
            image = self._find_image(source.path, wanted.image)
            if image is None:
                return wanted.image
            target = self.inputs / job.id
            target.unlink(missing_ok=True)
            try:
                durable.copy(image, target, temp_folder=self._temp)
            except (FileNotFoundError, durable.NotARegularFile):  # taken away since it was found
                return wanted.image
        return None

    def image_of(self, job: JobRow, source: SourceRow) -> durable.Content | None:
        """The bytes a caption job is about; None for a generate job. Raises OSError where they are gone."""
        if not isinstance(job.request, CaptionRequest):
            return None
        if job.request.image:
            return durable.read(self.inputs / job.id)
        return durable.read(self.work_file(source))

    def recorded(self, source: SourceRow, job: JobRow, image: durable.Content | None) -> SourceRow:
        """The source as it runs: a writer that held the image open over the claim may have gone on writing."""
        asked = job.request
        if image is None or not isinstance(asked, CaptionRequest) or asked.image or image.sha256 == source.sha256:
            return source
        logger.warning("{} was written to after it was claimed: what is there now runs", source.id)
        status = image.status
        source = replace(source, sha256=image.sha256, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)
        self._journal.correct(source)
        return source

    def give_back(self, source: SourceRow) -> bool:
        """Puts a claimed file that was written to after it was read back into the inbox, as a new one."""
        file = self.work_file(source)
        if self.is_copy(file):
            return False
        try:
            status = file.lstat()
            if (status.st_size, status.st_mtime_ns) == (source.size_bytes, source.modified_ns):
                return False
            if durable.sha256_of(file) == source.sha256:
                return False
        except OSError:
            return False
        wanted = self._settings.inbox / source.path
        for stem in names.candidates(names.output_stem(wanted.stem, None)):
            try:
                durable.move(file, wanted.with_name(stem + wanted.suffix), temp_folder=self._own / "tmp")
            except FileExistsError:
                continue
            break
        logger.warning("{} was written to after it was read: put back into the inbox as a new file", source.id)
        return True


def new_id(now: float) -> str:
    """A name for a source that sorts by time and can be typed: `20261123T164530.123-3fa9c2`."""
    stamp = datetime.fromtimestamp(now, UTC)
    return f"{stamp:%Y%m%dT%H%M%S}.{stamp.microsecond // 1000:03d}-{secrets.token_hex(3)}"


def _is_unchanged(file: Path, before: os.stat_result) -> bool:
    """Whether a file is still the one, with the content, that it was."""
    now = file.lstat()
    return all(
        getattr(now, name) == getattr(before, name)
        for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
    )


def _lies_below(place: Path, root: Path) -> bool:
    """Whether a regular file lies below a folder, with no link on the way that leads elsewhere."""
    return place.is_file() and not place.is_symlink() and place.resolve().is_relative_to(root.resolve())


def _bad_input(message: str, mend: str) -> Failure:
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
