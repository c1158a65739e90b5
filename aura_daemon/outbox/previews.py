"""Small pictures of running jobs that ask for them: `outbox/previews/NAME.JOB.jpg`, removed when the job ends.

In: a job, a JPEG. A preview is no result: if it cannot be written, the job goes on without one.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.journal.records import Job
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.system import durable_files

FOLDER: Final = "previews"

_OURS: Final = re.compile(r".*\.[0-9]{8}T[0-9]{6}\.[0-9]{3}-[0-9a-f]{6}(-[0-9]{3,})?\.jpg", re.DOTALL)
"""The names that `_place` makes; any other file in the folder belongs to someone else."""


class Previews:
    """The previews of one outbox."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._folder = delivery.root / FOLDER
        self._shown: set[str] = set()
        """Ids of jobs that have one."""

    def show(self, job: Job, content: bytes) -> None:
        """Writes a preview over the job's last one; none where few may see the result, as all previews are together."""
        self._shown.add(job.id)
        try:
            self._delivery.presence.require()
            if self._delivery.is_for_few(job.folder, f"{job.folder}/x"):
                return
            durable_files.write(self._place(job), content, temp_folder=self._delivery.temp_folder, replace=True)
        except OSError as error:
            logger.debug("{} has no preview: {}", job.id, error.strerror)

    def end(self, job: Job) -> None:
        """Removes the preview of a job that no longer runs."""
        if job.id not in self._shown:
            return
        self._shown.discard(job.id)
        with suppress(OSError):
            self._place(job).unlink()
            self._folder.rmdir()

    def clear(self) -> None:
        """Removes the previews that a killed daemon left."""
        with suppress(OSError):
            for place in self._folder.iterdir():
                if is_ours(place.name):
                    place.unlink()
            self._folder.rmdir()

    def _place(self, job: Job) -> Path:
        return self._folder / f"{file_names.output_stem(job.stem, None)}.{job.id}.jpg"


def is_ours(name: str) -> bool:
    """Whether a file in the folder is a preview; any other belongs to someone else."""
    return _OURS.fullmatch(name) is not None
