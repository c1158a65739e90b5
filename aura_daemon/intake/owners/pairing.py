"""Job files and the images they name: which job file waits for which image, and to which job file an image belongs.

An image that a job file names is no job of its own: the image waits until the jobs of that file have ended, and is put
away with the file. The journal remembers the named image by path, size and time, so that another image of the same name
is a new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from aura_daemon import file_names
from aura_daemon.file_names import collision_key
from aura_daemon.formats.image_ends import ends_properly
from aura_daemon.intake.image_lookup import AmbiguousImage, FoundImage, ImageLookup, status_of
from aura_daemon.intake.sets.arriving import ArrivingSets, MissingPictures
from aura_daemon.intake.sets.outcomes import NamedOutcomes
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.image_names import image_names, image_sets
from aura_daemon.jobfile.keys.types import stands_for_several
from aura_daemon.jobs.lifecycle import SourceState
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import in_64_bits
from aura_daemon.system.files import regular_files
from aura_daemon.watch.completeness import CompletenessTracker


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageOwner:
    """The job file to which an image belongs."""

    path: str
    is_open: bool
    has_failed: bool = False
    source_id: str = ""
    """Empty while the file lies in the inbox."""
    is_of_set: bool = False
    """Whether the file names a set of pictures, maybe thousands."""


class Pairing:
    """Pairs the job files and the images of one inbox."""

    def __init__(
        self,
        inbox: Path,
        image_lookup: ImageLookup,
        journal: Journal,
        tracker: CompletenessTracker,
        sets: ArrivingSets,
        catalogue: Callable[[], Catalogue],
        *,
        pair_wait_s: float,
        incomplete_after_s: float,
    ) -> None:
        """`pair_wait_s`: for how long after a job file another image may come that fits better.

        `catalogue` returns what jobs may name at the moment: a file with another name waits for no image, so that it is
        refused at once.
        """
        self._inbox = inbox
        self._image_lookup = image_lookup
        self._journal = journal
        self._tracker = tracker
        self._pair_wait_s = pair_wait_s
        self._incomplete_after_s = incomplete_after_s
        self._missing: dict[str, set[str]] = {}
        """Key of the stem of a missing image -> the job files that wait for the image."""
        self.outcomes = NamedOutcomes(journal)
        self._sets = sets
        self._catalogue = catalogue
        self._named_by: dict[str, str] = {}
        """Image -> the job file in the inbox that names the image."""
        self._names: dict[str, set[str]] = {}
        """The same the other way round."""

    def missing_pictures(
        self, path: str, content: bytes, folders: Sequence[FolderDefaults] = ()
    ) -> MissingPictures | None:
        """What the sets of pictures of the job file at `path` wait for; None where they are whole, or there is none."""
        return self._sets.missing(path, image_sets(content, file=path, folders=folders, catalogue=self._catalogue))

    def missing_image(
        self, path: str, content: bytes, folders: Sequence[FolderDefaults] = (), *, unchanged_s: float
    ) -> str:
        """The image that the job file at `path` waits for; empty where none is missing or the file will be refused.

        `folders`: the settings of its folders, nearest first.
        """
        self._image_lookup.look_anew()
        names = image_names(content, file=path, folders=folders, catalogue=self._catalogue)
        missing = [self._missing_image(path, one, unchanged_s=unchanged_s) for one in self._each(path, names)]
        return next((reason() for reason in missing if reason is not None), "")

    def waiting_for(self, path: str) -> set[str]:
        """The job files that wait for an image like this one, which has just come."""
        return self._missing.pop(collision_key(PurePosixPath(path).stem), set())

    def gone(self, path: str) -> None:
        """A file is not in the inbox any more."""
        self._sets.forget(path)

    def released(self, path: str) -> set[str]:
        """The images that were held for a job file that has ended; none where another file lies there by now."""
        if path not in self._names or self._is_waiting(path):
            return set()
        images = self._names.pop(path)
        for image in images:
            del self._named_by[image]
        return images

    def owner(self, path: str, size_bytes: int, modified_ns: int) -> ImageOwner | None:
        """The job file to which this image belongs; None for an image that is a job of its own."""
        namers = self._journal.namers(path, size_bytes, modified_ns)
        running = next((source for source in namers if source.state is not SourceState.CLOSED), None)
        if running is not None:
            is_of_set = self._journal.names_set(running.id)
            return ImageOwner(path=running.path, is_open=True, source_id=running.id, is_of_set=is_of_set)
        of_set = self._sets.job_of(path)
        waiting = self._named_by.get(path) or of_set
        if waiting is not None:
            if self._is_waiting(waiting):
                return ImageOwner(path=waiting, is_open=True, is_of_set=waiting == of_set)
            self._let_go(path)
            self._sets.forget(waiting)
        if not namers:
            return None
        done = next((source for source in namers if self.outcomes.went_well(source, path)), None)
        owner = done or namers[-1]
        return ImageOwner(path=owner.path, is_open=False, has_failed=done is None, source_id=owner.id)

    def _hold(self, image: str, path: str) -> None:
        """Notes that the job file at `path` names an image."""
        self._let_go(image)
        self._named_by[image] = path
        self._names.setdefault(path, set()).add(image)

    def _let_go(self, image: str) -> None:
        if (path := self._named_by.pop(image, None)) is not None:
            self._names[path].discard(image)
            if not self._names[path]:
                del self._names[path]

    def _is_waiting(self, path: str) -> bool:
        """Whether a job file lies at `path` whose jobs are still to come or to end."""
        status = status_of(self._inbox / path)
        return status is not None and not self._has_ended(path, status)

    def _has_ended(self, path: str, status: os.stat_result) -> bool:
        """Whether the job file that lies at `path` was claimed and needs nothing more: sources may be kept in place."""
        source = self._journal.latest_source(path)
        if source is None or source.state is not SourceState.CLOSED:
            return False
        return (source.size_bytes, source.modified_ns) == (status.st_size, in_64_bits(status.st_mtime_ns))

    def _each(self, path: str, names: Iterable[str | None]) -> Iterator[str | None]:
        """Names, and of each that stands for several those that are there; itself where none is."""
        for name in names:
            several = self._image_lookup.matching(path, name) if name is not None and stands_for_several(name) else ()
            yield from several or (name,)

    def _missing_image(self, path: str, name: str | None, *, unchanged_s: float) -> Callable[[], str] | None:
        """What tells for what of an image that it calls `name` the job file at `path` waits; None for nothing."""
        key = collision_key(PurePosixPath(name or path).stem)
        match self._image_lookup.find(path, name):
            case None:
                self._missing.setdefault(key, set()).add(path)
                return partial(self._absence, path, name)
            case FoundImage(is_waiting=True) as image:
                if not self._image_lookup.is_companion_image(image.path):
                    self._hold(image.path, path)
                if not image.is_exact and unchanged_s < self._pair_wait_s:  # the exact one may be on its way
                    self._missing.setdefault(key, set()).add(path)
                    return lambda: f"{_named(path, name)}; else {file_names.escaped(image.path)} is meant"
                reason = self._incompleteness(image)
                return (lambda: f"{file_names.escaped(image.path)}: {reason}") if reason else None
            case FoundImage() | AmbiguousImage():
                return None

    def _absence(self, path: str, name: str | None) -> str:
        """Which image is missing, and which one may be meant."""
        near = self._image_lookup.nearest(path, name)
        return _named(path, name) + (f" (did you mean {file_names.escaped(near)}?)" if near else "")

    def _incompleteness(self, image: FoundImage) -> str:
        """Why an image in the inbox is not complete yet; empty where it is, or has not changed for long."""
        unchanged_s = self._tracker.unchanged_s(image.file)
        with regular_files.opened(image.file) as file:
            is_cut = ends_properly(file) is False
        if is_cut and unchanged_s < self._incomplete_after_s:
            return "its end is missing"
        incomplete = self._tracker.incompleteness(image.file)
        return incomplete.reason if incomplete is not None else ""


def _named(path: str, name: str | None) -> str:
    """An image as the job file at `path` names it."""
    return file_names.escaped(name) if name else f"an image called {file_names.escaped(PurePosixPath(path).stem)}"
