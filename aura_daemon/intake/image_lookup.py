"""Finds the image that a job file names: beside the file, in a companion folder, anywhere in the inbox, or archived.

In: the path of a job file and the name it gives; no name means the image that is called like the job file. Out: the
image, or all images of that name where the name is ambiguous. Nothing outside the inbox is found, and no link.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from aura_daemon import file_names
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, extension_of
from aura_daemon.intake.claims import Claims, free_names
from aura_daemon.journal.journal import Journal
from aura_daemon.system import durable_files

_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})
"""What file systems answer for a name under which nothing lies, or can lie."""

IMAGE_ENDINGS: Final = (*IMAGE_EXTENSIONS, *(extension.upper() for extension in IMAGE_EXTENSIONS))


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundImage:
    """An image, and where it was delivered."""

    file: Path
    path: str
    """Below the inbox."""
    is_waiting: bool
    """Whether the image lies in the inbox; else it is claimed or archived."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AmbiguousImage:
    """Several images have this name."""

    paths: tuple[str, ...]


Reference: TypeAlias = FoundImage | AmbiguousImage | None


class ImageLookup:
    """Finds named images. Raises OSError where the file system cannot tell now."""

    def __init__(self, claims: Claims, journal: Journal, *, companions: tuple[str, ...]) -> None:
        """`companions`: names of folders whose images are there for job files to name."""
        self._claims = claims
        self._journal = journal
        self._companions = companions
        self._listing: dict[str, list[str]] | None = None

    def look_anew(self) -> None:
        """To be called before the images of another file are looked for, as some may have come since the last time."""
        self._listing = None

    def find(self, path: str, name: str | None) -> Reference:
        """The image that the job file at `path` calls `name`; the nearest that is meant."""
        job = PurePosixPath(path)
        if name is None:
            return self._find_namesake(job)
        near = (self._at(str(place)) for place in self._places(job.parent, name))
        return next((found for found in near if found is not None), None) or self._anywhere(name)

    def is_companion_image(self, path: str) -> bool:
        """Whether an image lies in a companion folder, and is no job by itself."""
        return any(part in self._companions for part in path.split("/")[:-1])

    def _places(self, folder: PurePosixPath, name: str) -> Iterator[PurePosixPath]:
        """Where the image may lie, by precedence: as named from the job file, in companion folders, from the top."""
        yield folder / name
        for above in (folder, *folder.parents):
            for companion in self._companions:
                yield above / companion / name
        yield PurePosixPath(name)

    def _find_namesake(self, job: PurePosixPath) -> Reference:
        found = [image for ending in IMAGE_ENDINGS if (image := self._at(str(job.with_suffix(ending)))) is not None]
        waiting = [image for image in found if image.is_waiting]
        return _only(waiting or found)

    def _at(self, path: str) -> FoundImage | None:
        """The image that was delivered under this path: in the inbox, claimed just now, or archived."""
        inbox = self._claims.inbox
        if lies_below(inbox / path, inbox):
            return FoundImage(file=inbox / path, path=path, is_waiting=True)
        taken = self._journal.latest_source(path)
        if taken is not None and self._claims.file_of(taken).is_file():
            return FoundImage(file=self._claims.file_of(taken), path=path, is_waiting=False)
        for archived in free_names(self._claims.done / path):  # of several, the one claimed last
            if not lies_below(archived, self._claims.done):
                return None
            if taken is None or durable_files.sha256_of(archived) == taken.sha256:
                return FoundImage(file=archived, path=path, is_waiting=False)
        return None

    def _anywhere(self, name: str) -> Reference:
        """The one image whose path ends with `name`; images in the inbox come before those that were claimed."""
        waiting = [found for path in self._below_inbox(name) if (found := self._at(path)) is not None]
        taken = self._journal.images_called(name) if not waiting else []
        return _only(waiting or [found for path in taken if (found := self._at(path)) is not None])

    def _below_inbox(self, name: str) -> Iterator[str]:
        """Paths in the inbox that end in `/name`. The inbox is listed once for many names, until `look_anew`."""
        if self._listing is None:
            self._listing = self._images_below_inbox()
        for path in self._listing.get(PurePosixPath(name).name, ()):
            if f"/{path}".endswith(f"/{name}"):
                yield path

    def _images_below_inbox(self) -> dict[str, list[str]]:
        """Name -> the paths of all images of that name; folders that vanish or cannot be entered are left out."""
        found: dict[str, list[str]] = {}
        root = os.fspath(self._claims.inbox)
        for folder, folders, files in os.walk(root):
            below = folder[len(root) + 1 :] + "/" * (folder != root)
            folders[:] = [inner for inner in folders if not file_names.is_out_of_bounds(f"{below}{inner}/x")]
            for file in files:
                if extension_of(file) in IMAGE_EXTENSIONS:
                    found.setdefault(file, []).append(below + file)
        return found


def status_of(place: Path) -> os.stat_result | None:
    """Status of what lies under a name, links followed, or None; raises OSError where the file system cannot tell."""
    try:
        return place.stat()
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise


def lies_below(place: Path, root: Path) -> bool:
    """Whether a regular file lies below a folder, with no link on the way that leads elsewhere."""
    status = status_of(place)
    if status is None or not stat.S_ISREG(status.st_mode) or place.is_symlink():
        return False
    return place.resolve().is_relative_to(root.resolve())


def _only(found: list[FoundImage]) -> Reference:
    if len(found) > 1:
        return AmbiguousImage(paths=tuple(sorted(image.path for image in found)))
    return found[0] if found else None
