"""Builds what a worker needs for a job. In: a queued job. Out: its task with all image bytes, or a failure."""

from __future__ import annotations

import os
from dataclasses import dataclass

from aura_daemon import file_names
from aura_daemon.dispatch.set_pictures import pictures_of
from aura_daemon.intake.input_images import InputImages
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import CaptionRequest, GridRequest
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.system import durable_files


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltTask:
    """A task, and its source as the journal has it now."""

    task: Task
    source: Source


class TaskBuilder:
    """Builds tasks from the journal, the claimed images and, for sheets, the outbox."""

    def __init__(self, journal: Journal, input_images: InputImages, delivery: Delivery) -> None:
        self._journal = journal
        self._input_images = input_images
        self._delivery = delivery

    def build(self, job: Job, source: Source) -> BuiltTask | Failure:
        """The task of a job, or the failure that its input causes.

        Raises JournalRefused where the journal takes no writes now, OSError where an image cannot be read now.
        """
        obstacle = self._delivery.obstacle(job)
        if obstacle:
            message = f"its folder cannot be made in the outbox: {obstacle}"
            return _bad_input(message, "Rename that or the folder, then move the job back.")
        try:
            images = self._input_images.of(job, source)
            cells = self._cells(job)
            pictures = tuple(pictures_of(job, self._journal, self._input_images, self._delivery))
        except (FileNotFoundError, PermissionError, durable_files.NotARegularFile) as error:
            place = f" ({file_names.escaped(os.fsdecode(error.filename))})" if error.filename else ""
            message = f"the claimed image cannot be read any more: {error.strerror}{place}"
            return _bad_input(message, "Put the image into the inbox again.")
        source = self._input_images.recorded(source, job, images)
        task = Task(
            job_id=job.id,
            request=job.request,
            image=images.image.content if images.image is not None else None,
            image_name=file_names.escaped(_image_name(job, source)),
            mask=images.mask.content if images.mask is not None else None,
            cells=cells,
            pictures=pictures,
        )
        return BuiltTask(task=task, source=source)

    def _cells(self, job: Job) -> tuple[bytes | None, ...]:
        """The pictures of a contact sheet, read from the outbox; None for a picture whose job failed."""
        if not isinstance(job.request, GridRequest):
            return ()
        cells = [self._journal.job(cell_id) for cell_id in job.request.cells]
        return tuple(self._delivery.payload(cell) if cell.state is JobState.DONE else None for cell in cells)


def _image_name(job: Job, source: Source) -> str:
    """What a picture is called in messages: one of a set by its own name."""
    request = job.request
    return request.image or source.path if isinstance(request, CaptionRequest) and request.of_set else source.path


def _bad_input(message: str, mend: str) -> Failure:
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
