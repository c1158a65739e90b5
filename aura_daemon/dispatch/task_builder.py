"""Builds what a worker needs for a job. In: a queued job. Out: its task with all image bytes, or a failure."""

from __future__ import annotations

import os
from dataclasses import dataclass

from aura_daemon import file_names
from aura_daemon.intake.input_images import InputImages, JobImages
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import GridRequest
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.kept_parts import KeptParts
from aura_daemon.system import durable_files


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
        try:
            images = self._input_images.of(job, source) if drawn is None else JobImages()
            cells = self._cells(job)
        except (FileNotFoundError, PermissionError, durable_files.NotARegularFile) as error:
            place = f" ({file_names.escaped(os.fsdecode(error.filename))})" if error.filename else ""
            message = f"the claimed image cannot be read any more: {error.strerror}{place}"
            return _bad_input(message, "Put the image into the inbox again.")
        source = self._input_images.recorded(source, job, images)
        task = Task(
            job_id=job.id,
            request=job.runs,
            image=images.image.content if images.image is not None else drawn,
            image_name=file_names.escaped(source.path),
            mask=images.mask.content if images.mask is not None else None,
            cells=cells,
        )
        return BuiltTask(task=task, source=source)

    def _drawn(self, job: Job) -> bytes | None:
        """The picture of the part that this one looks at; None where it looks at the job's own image, or at none."""
        if job.chain is None or job.chain.looks_at is None:
            return None
        made = self._kept_parts.result(job, job.chain.looks_at)
        if made is None:
            raise PartLost
        return made.payloads[0].content

    def _cells(self, job: Job) -> tuple[bytes | None, ...]:
        """The pictures of a contact sheet, read from the outbox; None for a picture whose job failed."""
        if not isinstance(job.request, GridRequest):
            return ()
        cells = [self._journal.job(cell_id) for cell_id in job.request.cells]
        return tuple(self._delivery.payload(cell) if cell.state is JobState.DONE else None for cell in cells)


def _bad_input(message: str, mend: str) -> Failure:
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
