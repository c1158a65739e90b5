"""Where an image is that a job file names: beside it, in a companion folder, anywhere below the inbox, or archived.

In: a job file's path and the name it gives; no name means the image that is called as the job file. Out: the image, or
that several are called so. Never outside the inbox, and never by a link.
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
"""What file systems answer where nothing of a name lies, or can lie."""

IMAGE_ENDINGS: Final = (*IMAGE_EXTENSIONS, *(extension.upper() for extension in IMAGE_EXTENSIONS))


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundImage:
    """An image, and where it was delivered."""

    file: Path
    path: str
    """Below the inbox."""
    is_waiting: bool
    """It lies in the inbox; else it is claimed or archived."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AmbiguousImage:
    """Several images are called so."""

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
        """Before another file's images are looked for: since the last time some may have come."""
        self._listing = None

    def find(self, path: str, name: str | None) -> Reference:
        """The image that the job file at `path` calls `name`; the nearest that is meant."""
        job = PurePosixPath(path)
        if name is None:
            return self._find_namesake(job)
        for place in self._places(job.parent, name):
            found = self._at(str(place))
            if found is not None:
                return found
        return self._anywhere(name)

    def is_companion_image(self, path: str) -> bool:
        """Whether an image lies in a companion folder, and is no job by itself."""
        return any(part in self._companions for part in path.split("/")[:-1])

    def _places(self, folder: PurePosixPath, name: str) -> Iterator[PurePosixPath]:
        """Where it may lie, the likeliest first: as named from the job file, in companion folders, from the top."""
        yield folder / name
        for above in (folder, *folder.parents):
            for companion in self._companions:
                yield above / companion / name
        yield PurePosixPath(name)

    def _find_namesake(self, job: PurePosixPath) -> Reference:
        """An image with the job file's own stem."""
        found = [at for ending in IMAGE_ENDINGS if (at := self._at(str(job.with_suffix(ending)))) is not None]
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
        for archived in free_names(self._claims.done / path):  # several may be archived: the one that came last
            if not lies_below(archived, self._claims.done):
                return None
            if taken is None or durable_files.sha256_of(archived) == taken.sha256:
                return FoundImage(file=archived, path=path, is_waiting=False)
        return None

    def _anywhere(self, name: str) -> Reference:
        """The one image whose path ends so; those that wait in the inbox before those that were taken."""
        waiting = [found for path in self._below_inbox(name) if (found := self._at(path)) is not None]
        taken = self._journal.images_called(name) if not waiting else []
        return _only(waiting or [found for path in taken if (found := self._at(path)) is not None])

    def _below_inbox(self, name: str) -> Iterator[str]:
        """Paths in the inbox that end in `/name`: it is looked through once for many names, until `look_anew`."""
        if self._listing is None:
            self._listing = self._images_below_inbox()
        for path in self._listing.get(PurePosixPath(name).name, ()):
            if f"/{path}".endswith(f"/{name}"):
                yield path

    def _images_below_inbox(self) -> dict[str, list[str]]:
        """Name -> the paths of all images called so; folders that vanish or cannot be entered are passed over."""
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
    """What lies where people's names lead, links followed; None where nothing does, OSError where nobody can tell."""
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
