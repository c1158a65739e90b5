"""The images that jobs are about: copied when a job is admitted, read when the job runs. In: jobs. Out: bytes.

The state folder holds a copy for every job and role, so that later changes in the inbox do not matter.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final, TypeGuard, assert_never

from loguru import logger

from aura_daemon import file_names
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.image_lookup import AmbiguousImage, FoundImage, ImageLookup
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    GridRequest,
    MatchRequest,
    Request,
    UpscaleRequest,
)
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, NamedImage, Source, in_64_bits
from aura_daemon.system import durable_files
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import is_others_link, why_denied

MOST_NAMESAKES: Final = 5
"""How many images of one name a refusal lists."""

IMAGE: Final = ".image"
MASK: Final = ".mask"
FURTHER: Final = ".further"
"""The ends of the names of copies: of a job's image, of its mask, of the others before their numbers."""

PUT_IT_THERE: Final = "Put the image beside the job file, then move the job file back into the inbox."


@dataclass(frozen=True, kw_only=True, slots=True)
class JobImages:
    """The image that a job describes or starts from, its mask, and the others that it names."""

    image: regular_files.Content | None = None
    mask: regular_files.Content | None = None
    further: Mapping[str, regular_files.Content] = field(default_factory=dict)
    """By the names that the request has for them."""


class NotTaken(Exception):
    """An image that a job names cannot be copied; says why."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend


class InputImages:
    """The images that the jobs of one inbox are about."""

    def __init__(self, claims: Claims, image_lookup: ImageLookup, journal: Journal, *, most_bytes: int) -> None:
        """`most_bytes`: a larger image is not read (`limits.image_bytes`)."""
        self._claims = claims
        self._image_lookup = image_lookup
        self._journal = journal
        self._most_bytes = most_bytes

    def look_anew(self) -> None:
        """To be called before the images of another source are looked for."""
        self._image_lookup.look_anew()

    def take(self, source: Source, jobs: tuple[Job, ...]) -> tuple[tuple[Job, ...], tuple[NamedImage, ...]]:
        """Copies the images that jobs name, and returns both; raises NotTaken, or OSError."""
        named: list[NamedImage] = []
        taken = []
        for job in jobs:
            for name, target in self._copies(job):
                if name is None and source.kind is SourceKind.IMAGE:  # it is about the claimed file itself
                    continue
                found = self._found(source, name)
                named += self._named_image(found)
                self._copy(found, target)
                job = replace(job, warnings=job.warnings + _other_spelling(name, found))
                if isinstance(job.request, CaptionRequest):
                    image = PurePosixPath(found.path).name if name is None else name
                    picture = found.path if found.is_waiting else ""
                    job = replace(job, request=replace(job.request, image=image, picture=picture))
                elif isinstance(job.request, UpscaleRequest):
                    image = PurePosixPath(found.path).name if name is None else name
                    job = replace(job, request=replace(job.request, image=image))
            taken.append(job)
        return tuple(taken), tuple(dict.fromkeys(named))

    def read(self, source: Source, name: str | None) -> tuple[str, bytes, tuple[NamedImage, ...]]:
        """Path and bytes of an image whose settings admission reads; raises NotTaken, or OSError."""
        found, copy = self._find(source, name), self._claims.inputs / source.id
        named = self._named_image(found)
        self._copy(found, copy)  # of which nothing changes while it is read
        try:
            content = regular_files.read(copy).content
        finally:
            copy.unlink(missing_ok=True)
        return found.path, content, named

    def of(self, job: Job, source: Source, *, drawn: bool = False) -> JobImages:
        """The bytes of the images that a job is about; raises OSError where they are gone, or NotTaken.

        `drawn`: its image is a picture of a part or job before it, which is not read here.
        """
        if drawn and not isinstance(job.runs, GenerateRequest):
            return JobImages()
        if isinstance(job.runs, CaptionRequest | MatchRequest | UpscaleRequest) and not job.runs.image:
            return JobImages(image=regular_files.read(self._claims.file_of(source)))
        if _is_read_in_place(job.request):
            return JobImages(image=self._in_place(job.request.picture))
        further = self._further(job) if isinstance(job.runs, GenerateRequest) else {}
        # What it described is not drawn upon.
        if drawn or (isinstance(job.runs, GenerateRequest) and job.runs.image is None):
            return JobImages(further=further)
        copies = {copy.suffix: copy for _, copy in self._copies(job)}
        read = {role: regular_files.read(copies[role]) for role in (IMAGE, MASK) if role in copies}
        return JobImages(image=read.get(IMAGE), mask=read.get(MASK), further=further)

    def _further(self, job: Job) -> dict[str, regular_files.Content]:
        """The images beside image and mask."""
        named = ((name, copy) for name, copy in self._copies(job) if copy.suffix.startswith(FURTHER))
        return {name: regular_files.read(copy) for name, copy in named if name is not None}

    def _in_place(self, picture: str) -> regular_files.Content:
        """A picture of a set, as it is now: a library of photos is not copied to be described."""
        inbox = self._claims.inbox
        content = regular_files.read(inbox / picture, most_bytes=self._most_bytes + 1, below=inbox)
        if is_others_link(content.status, inbox):
            message = "a hard link to a file of somebody else"
            raise regular_files.NotARegularFile(errno.EPERM, message, os.fspath(inbox / picture))
        if len(content.content) > self._most_bytes:
            raise _too_large(picture, self._most_bytes)
        return content

    def place_of(self, job: Job) -> Path:
        """Where the picture of a set lies that a job describes."""
        request = job.request
        return self._claims.inbox / request.picture if _is_read_in_place(request) else self._copy_path(job, IMAGE)

    def recorded(self, source: Source, job: Job, images: JobImages) -> Source:
        """Corrects a source in the journal whose image was changed by a writer that had it open over the claim."""
        request, image = job.runs, images.image
        is_source = isinstance(request, CaptionRequest | UpscaleRequest) and not request.image
        if image is None or not is_source or image.sha256 == source.sha256:
            return source
        logger.warning("{} was written to after it was claimed: what is there now runs", source.id)
        size_bytes, modified_ns = image.status.st_size, in_64_bits(image.status.st_mtime_ns)
        source = replace(source, sha256=image.sha256, size_bytes=size_bytes, modified_ns=modified_ns)
        self._journal.correct(source)
        return source

    def forget(self, job: Job) -> None:
        """Removes the copies of a job that has ended."""
        roles = {IMAGE, MASK, *(role for _, role in _names_in(job.request))}
        for role in roles:  # the first two of any job, so that no copy outlives a change of what is asked for
            self._copy_path(job, role).unlink(missing_ok=True)

    def _copies(self, job: Job) -> Iterator[tuple[str | None, Path]]:
        """The names of the images that a job is about (None: it is called like the job file), and their copies."""
        return ((name, self._copy_path(job, role)) for name, role in _names_in(job.request))

    def _named_image(self, image: FoundImage) -> tuple[NamedImage, ...]:
        """What the journal remembers of an image that is no job of its own now."""
        if not image.is_waiting or self._image_lookup.is_companion_image(image.path):
            return ()
        status = image.file.lstat()
        return (NamedImage(path=image.path, size_bytes=status.st_size, modified_ns=status.st_mtime_ns),)

    def _copy_path(self, job: Job, role: str) -> Path:
        return self._claims.inputs / f"{job.id}{role}"

    def _found(self, source: Source, name: str | None) -> FoundImage:
        """The image that a job names; raises NotTaken. A picture that was dropped lies where it was claimed."""
        if source.kind is SourceKind.IMAGE and name == PurePosixPath(source.path).name:
            return FoundImage(file=self._claims.file_of(source), path=source.path, is_waiting=False)
        return self._find(source, name)

    def _find(self, source: Source, name: str | None) -> FoundImage:
        """Finds the image that a job names; raises NotTaken."""
        shown = file_names.escaped(name or PurePosixPath(source.path).stem)
        match self._image_lookup.find(source.path, name):
            case FoundImage() as image:
                return image
            case AmbiguousImage(paths=paths):
                several = ", ".join(file_names.escaped(path) for path in paths[:MOST_NAMESAKES])
                raise NotTaken(f"several images are called {shown}: {several}", "Name it with its folder.")
            case None:
                message = f"the image it names did not arrive: {shown}" + " with any of the known endings" * (
                    name is None
                )
                near = file_names.escaped(self._image_lookup.nearest(source.path, name))
                if near:
                    mend = (
                        f"Correct the name in the job file, or put {shown} beside it, then move it back into the inbox."
                    )
                    raise NotTaken(f"{message} (did you mean {near}?)", mend)
                raise NotTaken(message, PUT_IT_THERE)

    def _copy(self, image: FoundImage, target: Path) -> None:
        """Copies one image to where the job finds it; raises NotTaken, or OSError."""
        name, inbox = file_names.escaped(image.path), self._claims.inbox

        def check(status: os.stat_result) -> None:
            if is_others_link(status, inbox):
                raise NotTaken(f"{name} is a hard link to a file of somebody else", "Put a copy of the image there.")
            if status.st_size > self._most_bytes:
                raise _too_large(image.path, self._most_bytes)

        below = inbox if image.file.is_relative_to(inbox) else None
        target.unlink(missing_ok=True)
        try:
            temp = self._claims.temp
            durable_files.copy(image.file, target, temp_folder=temp, below=below, check=check, is_private=True)
        except (FileNotFoundError, regular_files.NotARegularFile):  # taken away since it was found
            raise NotTaken(f"the image it names did not arrive: {name}", PUT_IT_THERE) from None
        except PermissionError as error:
            if error.filename != os.fspath(image.file):  # a folder of ours cannot be written, which concerns every file
                raise
            mend = "Mend the image's permissions, then move the job file back into the inbox."
            raise NotTaken(
                f"the image it names cannot be read: {name}: {why_denied(error, image.file)}", mend
            ) from None


def _too_large(path: str, most_bytes: int) -> NotTaken:
    message = f"{file_names.escaped(path)} is larger than {most_bytes:,} bytes"
    return NotTaken(message, "Save it smaller, or raise limits.image_bytes.")


def _other_spelling(name: str | None, found: FoundImage) -> tuple[str, ...]:
    """A warning where an image is taken that is not spelled as the job file spells it, to the eye."""
    if name is None or found.is_exact or file_names.as_seen(f"/{found.path}").endswith(file_names.as_seen(f"/{name}")):
        return ()
    return (f"there is no image {file_names.escaped(name)}: {file_names.escaped(found.path)} is taken for it",)


def _is_read_in_place(request: Request) -> TypeGuard[CaptionRequest]:
    """Whether a request is about a picture of a set that lay in the inbox when the job was journaled."""
    return isinstance(request, CaptionRequest) and request.of_set and bool(request.picture)


def _names_in(request: Request) -> Iterator[tuple[str | None, str]]:
    """The names of the images in a request, each with its role; None for the image that is called like the job file."""
    match request:
        case CaptionRequest() | MatchRequest():
            if not _is_read_in_place(request):
                yield request.image, IMAGE
        case UpscaleRequest():
            yield request.image, IMAGE
        case BenchmarkRequest() | DatasetRequest():
            pass
        case GridRequest():
            if request.image is not None:
                yield request.image, IMAGE
        case GenerateRequest():
            image = request.image if request.image is not None else request.described
            of_start = ((image, IMAGE), (request.mask, MASK)) if request.follows is None else ()
            yield from ((name, role) for name, role in of_start if name is not None)
            yield from ((name, f"{FURTHER}{number}") for number, name in enumerate(request.further_images))
        case _:
            assert_never(request)
