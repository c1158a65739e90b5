"""Job files and the images they name: which waits for which, and whose an image is.

An image that a job file names is no job of its own: it waits until that job has ended, and is put away with it. The
journal remembers which very image was named (path, size, time), so that another one of that name is a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from aura_daemon import file_names
from aura_daemon.formats import image_signatures
from aura_daemon.formats.yaml_reader import MOST_BYTES
from aura_daemon.intake.image_lookup import AmbiguousImage, FoundImage, ImageLookup, status_of
from aura_daemon.intake.input_images import named_images
from aura_daemon.jobfile import parser
from aura_daemon.jobfile.parser import RejectedFile
from aura_daemon.jobs.lifecycle import SourceState
from aura_daemon.journal.journal import Journal
from aura_daemon.system import durable_files
from aura_daemon.watch.completeness import CompletenessTracker
from aura_daemon.watch.file_kinds import HEAD_BYTES, TAIL_BYTES


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageOwner:
    """The job file to which an image belongs."""

    path: str
    is_open: bool
    has_failed: bool = False


class Pairing:
    """Of one inbox."""

    def __init__(
        self,
        inbox: Path,
        references: ImageLookup,
        journal: Journal,
        steadiness: CompletenessTracker,
        *,
        incomplete_after_s: float,
    ) -> None:
        self._inbox = inbox
        self._references = references
        self._journal = journal
        self._steadiness = steadiness
        self._incomplete_after_s = incomplete_after_s
        self._missing: dict[str, set[str]] = {}
        """Last part of a missing image's name, or its stem -> the job files that wait for it."""
        self._bound: dict[str, str] = {}
        """Image -> the job file in the inbox that names it."""

    def lack(self, path: str) -> str:
        """What the job file at `path` waits for; empty where nothing is missing, or admission will refuse it anyway."""
        content = durable_files.read(self._inbox / path, most_bytes=MOST_BYTES + 1, below=self._inbox).content
        parsed = parser.parse_job_file(content, file=path)
        if isinstance(parsed, RejectedFile):
            return ""
        self._references.look_anew()
        lacks = [self._lack_of(path, name) for job in parsed.jobs for name in named_images(job.spec.request)]
        return next(filter(None, lacks), "")

    def waiting_for(self, path: str) -> set[str]:
        """The job files that wait for an image like this one, which has just come."""
        place = PurePosixPath(path)
        return self._missing.pop(place.name, set()) | self._missing.pop(place.stem, set())

    def owner(self, path: str, size_bytes: int, modified_ns: int) -> ImageOwner | None:
        """Whose this very image is; None for one that is a job of its own."""
        namers = self._journal.namers(path, size_bytes, modified_ns)
        running = next((source for source in namers if source.state is not SourceState.CLOSED), None)
        if running is not None:
            return ImageOwner(path=running.path, is_open=True)
        waiting = self._bound.get(path)
        if waiting is not None:
            if status_of(self._inbox / waiting) is not None:
                return ImageOwner(path=waiting, is_open=True)
            del self._bound[path]
        if not namers:
            return None
        done = next((source for source in namers if self._journal.all_done(source.id)), None)
        return ImageOwner(path=(done or namers[-1]).path, is_open=False, has_failed=done is None)

    def _lack_of(self, path: str, name: str | None) -> str:
        wanted = name or PurePosixPath(path).stem
        match self._references.find(path, name):
            case None:
                self._missing.setdefault(PurePosixPath(wanted).name, set()).add(path)
                return file_names.escaped(name) if name else f"an image called {file_names.escaped(wanted)}"
            case FoundImage(is_waiting=True) as image:
                if not self._references.is_companion_image(image.path):
                    self._bound[image.path] = path
                reason = self._incompleteness(image)
                return f"{file_names.escaped(image.path)}: {reason}" if reason else ""
            case FoundImage() | AmbiguousImage():
                return ""

    def _incompleteness(self, image: FoundImage) -> str:
        """Why an image in the inbox is not whole yet; empty where it is, or where it has not changed for long."""
        unchanged_s = self._steadiness.unchanged_s(image.file)
        head, tail, status = durable_files.head_and_tail(image.file, head_bytes=HEAD_BYTES, tail_bytes=TAIL_BYTES)
        is_cut = image_signatures.ends_properly(head, tail, status.st_size) is False
        if is_cut and unchanged_s < self._incomplete_after_s:
            return "its end is missing"
        waits = self._steadiness.incompleteness(image.file)
        return waits.reason if waits is not None else ""
