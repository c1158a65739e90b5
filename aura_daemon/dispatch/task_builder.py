"""Builds what a worker needs for a job. In: a queued job. Out: its task with all image bytes, or a failure."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from aura_daemon import file_names
from aura_daemon.dispatch.set_pictures import pictures_of
from aura_daemon.intake.input_images import InputImages, JobImages, NotTaken
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, GridRequest, Request
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.kept_parts import KeptParts
from aura_daemon.system.files import regular_files


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltTask:
    """A task, and its source as the journal has it now."""

    task: Task
    source: Source


class PartLost(Exception):
    """What is kept of a part that is done has gone: the job begins anew."""


class TaskBuilder:
    """Builds tasks from the journal, the claimed images and, for sheets, the outbox."""

    def __init__(self, journal: Journal, input_images: InputImages, delivery: Delivery, kept_parts: KeptParts) -> None:
        self._journal = journal
        self._input_images = input_images
        self._delivery = delivery
        self._kept_parts = kept_parts

    def build(self, job: Job, source: Source) -> BuiltTask | Failure:
        """The task of a job, or the failure that its input causes.

        Raises JournalRefused where the journal takes no writes now, OSError where an image cannot be read now, and
        PartLost.
        """
        obstacle = self._delivery.obstacle(job)
        if obstacle:
            message = f"its folder cannot be made in the outbox: {obstacle}"
            return _bad_input(message, "Rename that or the folder, then move the job back.")
        drawn = self._drawn(job)
        if isinstance(drawn, Failure):
            return drawn
        request = self._with_captions(job)
        try:
            images = self._input_images.of(job, source, drawn=drawn is not None)
            cells = self._cells(job, images)
            pictures = tuple(pictures_of(job, self._journal, self._input_images, self._delivery))
        except (FileNotFoundError, PermissionError, regular_files.NotARegularFile) as error:
            place = f" ({file_names.escaped(os.fsdecode(error.filename))})" if error.filename else ""
            message = f"the claimed image cannot be read any more: {error.strerror}{place}"
            return _bad_input(message, "Put the image into the inbox again.")
        except NotTaken as error:
            return _bad_input(error.message, error.mend)
        source = self._input_images.recorded(source, job, images)
        task = Task(
            job_id=job.id,
            request=request,
            image=images.image.content if images.image is not None else drawn,
            image_name=file_names.escaped(_image_name(job, source)),
            mask=images.mask.content if images.mask is not None else None,
            further_images={name: file.content for name, file in images.further.items()},
            cells=cells,
            pictures=pictures,
        )
        return BuiltTask(task=task, source=source)

    def _drawn(self, job: Job) -> bytes | Failure | None:
        """The picture of a part, or of a job, that this one goes on from; None where it has an image of its own."""
        chain, asked = job.chain, job.request
        if chain is not None and chain.looks_at is not None:
            made = self._kept_parts.result(job, chain.looks_at)
            if made is None:
                raise PartLost
            return made.payloads[0].content
        if not isinstance(asked, GenerateRequest) or asked.follows is None:
            return None
        picture = self._picture(self._journal.job(asked.follows))
        if picture is None:
            mend = "See the report of that round; moved back into the inbox, the file begins anew."
            return _bad_input("the picture of the round before is not there", mend)
        return picture if not isinstance(job.runs, GenerateRequest) or job.runs.image is not None else None

    def _picture(self, job: Job) -> bytes | None:
        """What a job delivered, where it still is; None where the job failed."""
        if job.state is not JobState.DONE:
            return None
        kept = self._kept_parts.picture(job)
        return kept if kept is not None else self._delivery.payload(job)

    def _cells(self, job: Job, images: JobImages) -> tuple[bytes | None, ...]:
        """The pictures of a contact sheet; None for a picture whose job failed."""
        if not isinstance(job.request, GridRequest):
            return ()
        before = (images.image.content,) if images.image is not None else ()
        return (*before, *(self._picture(self._journal.job(cell_id)) for cell_id in job.request.cells))

    def _with_captions(self, job: Job) -> Request:
        """What runs; of a sheet with captions, what the captioner said for each picture."""
        request = job.runs
        if not isinstance(request, GridRequest) or not request.captions:
            return request
        chains = (self._journal.job(cell_id).chain for cell_id in request.cells)
        captions = (chain.done[0].text if chain is not None and chain.done else "" for chain in chains)
        return replace(request, cell_labels=(*request.cell_labels, *captions))


def _image_name(job: Job, source: Source) -> str:
    """What a picture is called in messages: one of a set by its own name."""
    request = job.request
    return request.image or source.path if isinstance(request, CaptionRequest) and request.of_set else source.path


def _bad_input(message: str, mend: str) -> Failure:
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
