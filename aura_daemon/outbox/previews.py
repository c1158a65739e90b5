"""Small pictures of jobs that run, where they were asked for: `outbox/previews/NAME.JOB.jpg`, gone when the job ends.

In: a job, a JPEG. A preview is no result: one that cannot be written is let be.
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
"""What `_place` makes; anything else there is somebody's."""


class Previews:
    """Of one outbox."""

    def __init__(self, outbox: Delivery) -> None:
        self._outbox = outbox
        self._folder = outbox.root / FOLDER

    def show(self, job: Job, content: bytes) -> None:
        """Puts a preview in the place of the one before."""
        try:
            self._outbox.presence.require()
            durable_files.write(self._place(job), content, temp_folder=self._outbox.temp_folder, replace=True)
        except OSError as error:
            logger.debug("{} has no preview: {}", job.id, error.strerror)

    def end(self, job: Job) -> None:
        """Removes the preview of a job that runs no more."""
        with suppress(OSError):
            self._place(job).unlink()
            self._folder.rmdir()

    def clear(self) -> None:
        """Removes what a killed daemon left."""
        with suppress(OSError):
            for place in self._folder.iterdir():
                if _OURS.fullmatch(place.name):
                    place.unlink()
            self._folder.rmdir()

    def _place(self, job: Job) -> Path:
        return self._folder / f"{file_names.output_stem(job.stem, None)}.{job.id}.jpg"
