"""Finds what is said of results and failures, and keeps what was delivered just now. In: rows, events. Out: entries.

Sidecars and thumbnails of fresh results are at hand; those of others are read from the outbox.
"""

from __future__ import annotations

from typing import Final

from aura_daemon.errors import BrokenState
from aura_daemon.formats.file_types import SIDECAR_EXTENSION
from aura_daemon.formats.sidecars.schema import Sidecar
from aura_daemon.gallery import made_entries
from aura_daemon.gallery.entries import GalleryEntry
from aura_daemon.gallery.files import GalleryFiles
from aura_daemon.gallery.webp_size import webp_size
from aura_daemon.jobs.results import Produced
from aura_daemon.journal.ended import EndedRow
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job
from aura_daemon.outbox.delivery import Delivered, Delivery

MOST_WAITING_BYTES: Final = 32 << 20
"""Of thumbnails that could not be written yet; the oldest give way to new ones."""

MOST_FRESH: Final = 200
"""GalleryResults that are kept until their entries are made; further ones are read from journal and outbox."""


class GalleryResults:
    """Of one outbox. Raises OSError where it or the journal refuses."""

    def __init__(self, journal: Journal, delivery: Delivery, files: GalleryFiles) -> None:
        self._journal = journal
        self._delivery = delivery
        self._files = files
        self._fresh: dict[str, tuple[Delivered, Sidecar, tuple[int, int] | None]] = {}
        """Job id -> a job that was delivered just now, its sidecar, and the size of its thumbnail."""
        self._thumbnails: dict[str, bytes] = {}
        """Job id -> a thumbnail that is not written yet."""

    def note(self, delivered: Delivered, produced: Produced) -> None:
        """Keeps what is at hand of a result that everybody may see."""
        try:
            if self.is_for_few(delivered.job):
                return
        except OSError:  # nobody can tell now; its entry is made from journal and sidecar
            return
        if delivered.document is not None and len(self._fresh) < MOST_FRESH:
            size = webp_size(produced.thumbnail) if produced.thumbnail else None
            self._fresh[delivered.job.id] = delivered, delivered.document, size
        if produced.thumbnail:
            self._thumbnails[delivered.job.id] = produced.thumbnail
            waiting = sum(map(len, self._thumbnails.values()))
            while waiting > MOST_WAITING_BYTES:
                lost = next(iter(self._thumbnails))
                waiting -= len(self._thumbnails.pop(lost))
                self._fresh.pop(lost, None)

    def forget(self) -> None:
        """Every entry is made: what is left is of jobs that ended again since."""
        self._fresh.clear()

    @property
    def has_thumbnails(self) -> bool:
        """Whether thumbnails are to be written."""
        return bool(self._thumbnails)

    def write_thumbnail(self) -> None:
        """Writes the oldest thumbnail that is not written yet."""
        job_id = next(iter(self._thumbnails))
        self._files.write_thumbnail(job_id, self._thumbnails[job_id])
        del self._thumbnails[job_id]

    def is_for_few(self, job: Job) -> bool:
        """Whether the folders of a job are not for everybody who may see the gallery."""
        source = self._journal.source(job.source_id).path if job.folder else ""
        return self._delivery.is_for_few(job.folder, source)

    def entry(self, row: EndedRow) -> GalleryEntry | None:
        """The entry of something that has ended; None where the journal has forgotten it, or few may see it."""
        if (fresh := self._fresh.pop(row.id, None)) is not None:
            delivered, document, size = fresh
            name, size = delivered.sidecar.name, size or self._thumbnail_size(row.id)
            return made_entries.of_result(row.number, delivered.job, name, document, thumbnail_size=size)
        job = self._journal.find_job(row.id)
        try:
            source = self._journal.source(job.source_id if job is not None else row.id)
        except BrokenState:
            return None
        folder = job.folder if job is not None else source.path.rpartition("/")[0]
        if self._delivery.is_for_few(folder, source.path):
            return None
        if job is None or job.failure is not None:
            return made_entries.of_failure(row.number, source, job)
        try:
            found = self._delivery.sidecar_of(job)
        except OSError:
            found = None
        name = found[0].name if found is not None else job.stem + SIDECAR_EXTENSION
        size = self._thumbnail_size(job.id)
        told = found[1] if found is not None else None
        return made_entries.of_result(row.number, job, name, told, thumbnail_size=size, source=source)

    def _thumbnail_size(self, job_id: str) -> tuple[int, int] | None:
        waiting = self._thumbnails.get(job_id)
        return webp_size(waiting) if waiting else self._files.thumbnail_size(job_id)
