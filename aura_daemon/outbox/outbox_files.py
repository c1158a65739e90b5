"""Whose the files in an outbox are, and which names are free there. In: a job. Out: its files, as they lie there now.

Nothing is written here; `delivery` decides names and writes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from aura_daemon import file_names
from aura_daemon.formats.datasets.names import CONTACT_SHEET, METADATA, TABLE
from aura_daemon.formats.file_types import CAPTION_SIDECAR_EXTENSION, SIDECAR_EXTENSION
from aura_daemon.formats.sidecars.schema import Sidecar, TimingRecord
from aura_daemon.intake.late_pictures import texts_of
from aura_daemon.jobfile import from_sidecar
from aura_daemon.jobs.caption_files import CaptionExtension
from aura_daemon.jobs.requests import CaptionRequest, ImageFormat
from aura_daemon.jobs.results import Payload
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job
from aura_daemon.system.files import regular_files

_COPIES_ALONE: Final = (".tif", ".heic")
"""Of pictures that are copied, and never drawn."""
PAYLOAD_EXTENSIONS: Final = (
    *(f".{image_format}" for image_format in ImageFormat),
    *_COPIES_ALONE,
    *map(str, CaptionExtension),
    ".md",
    ".svg",
    METADATA,
    TABLE,
    CONTACT_SHEET,
)
"""Of all kinds of jobs; a benchmark has `.md` and `.svg`, a set of pictures the last three."""
_EXTENSIONS: Final = (*PAYLOAD_EXTENSIONS, SIDECAR_EXTENSION)


class OutboxFiles:
    """The files of jobs in one outbox."""

    def __init__(self, root: Path, journal: Journal, *, overwrites: bool) -> None:
        """`overwrites`: a result replaces a file that has its name."""
        self.root = root
        self._journal = journal
        self._overwrites = overwrites

    def published(self, job: Job) -> float | None:
        """The job's total seconds if its sidecar exists, as after a crash between the sidecar and the journal."""
        return timing.total if (timing := self._published(job)) is not None else None

    def _published(self, job: Job) -> TimingRecord | None:
        if job.payload_sha256 is None:
            return None
        try:
            document = self._document_at(self._sidecar_path(job))
        except OSError:
            return None
        return document.timing_s if document is not None and document.job_id == job.id else None

    def sidecar_of(self, job: Job) -> tuple[Path, Sidecar] | None:
        """The sidecar of a job that is done, and where it lies; None where somebody has taken it away."""
        for extension in (SIDECAR_EXTENSION, CAPTION_SIDECAR_EXTENSION):
            place = self._path(job, job.stem + extension)
            try:
                document = self._document_at(place)
            except FileNotFoundError:
                continue
            if document is not None and document.job_id == job.id:
                return place, document
        return None

    def payload(self, job: Job) -> bytes | None:
        """The picture or text that a job delivered; None if the file is gone or has changed."""
        extension = next((extension for extension in PAYLOAD_EXTENSIONS if self._is_ours(job, extension)), None)
        return regular_files.read(self._path(job, job.stem + extension)).content if extension is not None else None

    def obstacle(self, job: Job) -> str:
        """What is in the way of the job's folder, in words; empty if nothing is."""
        if not job.folder:
            return ""
        for folder in (self.root / folder for folder in PurePosixPath(job.folder, "x").parents):
            if os.path.lexists(folder) and not folder.is_dir():
                return f"a file is called {file_names.escaped(str(folder))}"
            if regular_files.leads_astray(folder, below=self.root):
                return f"{file_names.escaped(str(folder))} is a link that leads out of it"
        return ""

    def _can_continue(self, job: Job, payloads: Sequence[Payload]) -> bool:
        """Whether a delivery that was interrupted has left payloads, and nothing else has come in its way."""
        if os.path.lexists(self._sidecar_path(job)):
            return False
        there = [one for one in payloads if os.path.lexists(self._path(job, job.stem + one.extension))]
        return bool(there) and all(self._is_ours(job, one.extension) for one in there)

    def _is_ours(self, job: Job, extension: str) -> bool:
        """Whether this job wrote the payload, or one of them, under the decided name."""
        if job.payload_sha256 is None:
            return False
        try:
            return regular_files.sha256_of(self._path(job, job.stem + extension)) in job.payload_sha256.split()
        except OSError:
            return False

    def _is_taken(self, job: Job, stem: str, payloads: Sequence[Payload]) -> bool:
        is_promised = self._journal.stem_is_promised(job.folder, stem, but_not_to=job.id)
        if is_promised or file_names.is_reserved_output(job.folder, stem):
            return True
        text = job.request.file.extension if isinstance(job.request, CaptionRequest) else ""
        is_beside_drawn = bool(text) and self._had_its_text_drawn(job)
        own = [payload.extension for payload in payloads]
        extensions = (
            (*own, CAPTION_SIDECAR_EXTENSION) if is_beside_drawn else tuple(dict.fromkeys((*_EXTENSIONS, *own)))
        )
        if self._overwrites:
            # What was drawn from the text is no earlier copy of the picture.
            drawn = [stem + extension for extension in own if is_beside_drawn and extension != text]
            is_drawn = any(os.path.lexists(self._path(job, name)) for name in drawn)
            return is_drawn or any(self._path(job, stem + extension).is_dir() for extension in extensions)
        similar = {stem, *self._journal.stems_like(job.folder, stem, but_not_of=job.id)}
        folder = os.fspath(self._path(job, ""))
        names = (name + extension for name in similar for extension in extensions)
        return any(os.path.lexists(f"{folder}/{name}") for name in names)  # a path object each takes as long again

    def _had_its_text_drawn(self, job: Job) -> bool:
        """Whether a caption's image came after its text was taken for a prompt; the caption has the text's name."""
        if not isinstance(job.request, CaptionRequest):
            return False
        image = self._journal.source(job.source_id)
        if image.kind is not SourceKind.IMAGE:
            return False
        texts = (text for path in texts_of(image.path) for text in self._journal.sources_at(path))
        return any(text.kind is SourceKind.PROMPT_TEXT and text.id < image.id for text in texts)

    def _sidecar_path(self, job: Job) -> Path:
        """Where the sidecar of a result goes; a caption does not take the sidecar of what was drawn from its text."""
        place = self._path(job, job.stem + SIDECAR_EXTENSION)
        if not self._had_its_text_drawn(job) or not os.path.lexists(place):
            return place
        document = self._document_at(place)
        is_ours = document is not None and document.job_id == job.id
        return place if is_ours else self._path(job, job.stem + CAPTION_SIDECAR_EXTENSION)

    def _document_at(self, place: Path) -> Sidecar | None:
        """The sidecar at a place; None for anything else. Raises OSError where nothing can be read."""
        try:
            content = regular_files.read(place, most_bytes=1 << 20).content
        except (PermissionError, regular_files.NotARegularFile):  # a folder, or somebody else's file
            return None
        document = from_sidecar.document_in(content, file=place.name)
        return document if isinstance(document, Sidecar) else None

    def _path(self, job: Job, name: str) -> Path:
        return Path(f"{self.root}/{job.folder}/{name}")
