"""Finds the image that a job file names: beside the file, in a companion folder, anywhere in the inbox, or archived.

In: the path of a job file and the name it gives; no name means the image that is called like the job file. Out: the
image, or all images of that name where the name is ambiguous. An image of exactly this name wins; else the one counts
whose name differs in case, in composed characters or in its ending. Nothing outside the inbox is found, no link, and
nothing that the owner of the job file may not read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from aura_daemon import file_names
from aura_daemon.file_names import collision_key, free_names
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, extension_of
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.folder_listings import FolderListings
from aura_daemon.intake.owners.naming_rights import MayName, NamingRights
from aura_daemon.jobfile.keys.image_patterns import PatternsBelow, normalized
from aura_daemon.jobfile.recipes.pictures import in_order
from aura_daemon.journal.journal import Journal
from aura_daemon.problems import nearest_name
from aura_daemon.system.files import regular_files

_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})
"""What file systems answer for a name under which nothing lies, or can lie."""

_TOP: Final = PurePosixPath()

IMAGE_ENDINGS: Final = (*IMAGE_EXTENSIONS, *(extension.upper() for extension in IMAGE_EXTENSIONS))


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundImage:
    """An image, and where it was delivered."""

    file: Path
    path: str
    """Below the inbox."""
    is_waiting: bool
    """Whether the image lies in the inbox; else it is claimed or archived."""
    is_exact: bool = True
    """Whether the image is spelled as the job file spells it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AmbiguousImage:
    """Several images have this name."""

    paths: tuple[str, ...]


Reference: TypeAlias = FoundImage | AmbiguousImage | None


class ImageLookup:
    """Finds named images. Raises OSError where the file system cannot tell now."""

    def __init__(
        self,
        claims: Claims,
        journal: Journal,
        listings: FolderListings,
        rights: NamingRights,
        *,
        companions: tuple[str, ...],
    ) -> None:
        """`companions`: names of folders whose images are there for job files to name."""
        self._claims = claims
        self._journal = journal
        self._listings = listings
        self._rights = rights
        self._companions = companions
        self._walked: dict[str, list[str]] | None = None

    def look_anew(self) -> None:
        """To be called before the images of another file are looked for, as some may have come since the last time."""
        self._walked = None

    def find(self, path: str, name: str | None) -> Reference:
        """The image that the job file at `path` calls `name`; the nearest that is meant."""
        job, may_name = PurePosixPath(path), self._rights.of(path)
        if name is None:
            return self._find_namesake(job, may_name)
        near = (self._at(str(place), may_name) for place in self._places(job.parent, name))
        exact = next((found for found in near if found is not None), None) or self._anywhere(name, may_name)
        return exact or self._find_alike(job.parent, name, may_name)

    def matching(self, path: str, pattern: str) -> tuple[str, ...]:
        """The images in the inbox that `photos/*.jpg` stands for: beside the job file at `path`, else as for a name."""
        may_name, inbox = self._rights.of(path), self._claims.inbox
        known = [path for paths in self._images_below_inbox().values() for path in paths]
        for place in self._folders(PurePosixPath(path).parent):
            patterns = PatternsBelow(folder="" if place == _TOP else str(place), patterns=(normalized(pattern),))
            matched = (image for image in known if patterns.matched_by(image) and may_name(image, inbox / image))
            if found := in_order(matched):
                return found
        return ()

    def nearest(self, path: str, name: str | None) -> str:
        """The image that the job file at `path` may mean by a name that no image has; empty where none is near.

        It may be done already: an image waits less long for a job file that names it than the job file for its image.
        """
        wanted = PurePosixPath(name) if name is not None else PurePosixPath(path)
        may_name, place = self._rights.of(path), _folder(path)
        known, key = self._images_by_stem(), collision_key(wanted.stem)
        if key in known and name is not None:  # in another folder
            near = key
        else:
            beside = (stem for stem, paths in known.items() if any(_folder(image) == place for image in paths))
            near = nearest_name(key, beside) or (nearest_name(key, known) if name is not None else "")
        images = [image for image in known.get(near, ()) if self._at(image, may_name) is not None]
        return next((image for image in images if _folder(image) == place), next(iter(images), ""))

    def may_read(self, path: str, other: str) -> bool:
        """Whether the owner of the job file at `path` may read another file in the inbox."""
        return self._rights.of(path)(other, self._claims.inbox / other)

    def is_companion_image(self, path: str) -> bool:
        """Whether an image lies in a companion folder, and is no job by itself."""
        return any(part in self._companions for part in path.split("/")[:-1])

    def _places(self, folder: PurePosixPath, name: str) -> Iterator[PurePosixPath]:
        """Where the image may lie, by precedence: as named from the job file, in companion folders, from the top."""
        yield from (place / name for place in self._folders(folder))

    def _folders(self, folder: PurePosixPath) -> Iterator[PurePosixPath]:
        """The folders in which an image may lie that a job file in one of them names."""
        yield folder
        for above in (folder, *folder.parents):
            for companion in self._companions:
                yield above / companion
        yield _TOP

    def _find_namesake(self, job: PurePosixPath, may_name: MayName) -> Reference:
        paths = (str(job.with_suffix(ending)) for ending in IMAGE_ENDINGS)
        exact = [image for path in paths if (image := self._at(path, may_name)) is not None]
        waiting = [image for image in exact if image.is_waiting]
        return _only(waiting or exact) or self._find_namesake_alike(job, may_name)

    def _find_namesake_alike(self, job: PurePosixPath, may_name: MayName) -> Reference:
        """The image beside a job file that is called like it but for case and composed characters."""
        key, folder = collision_key(job.stem), job.parent
        listing = self._listings.of(_folder(str(job)), since=self._listings.asked_at)
        names = [*listing.pictures.get(key, ()), *(name for name, _ in self._journal.images_beside(str(job), key))]
        found = self._only_of(dict.fromkeys(str(folder / name) for name in names if _is_image(name)), may_name)
        return replace(found, is_exact=False) if isinstance(found, FoundImage) else found

    def _at(self, path: str, may_name: MayName) -> FoundImage | None:
        """The image that was delivered under this path, where it may be named."""
        found = self._anybodys_at(path)
        return found if found is not None and may_name(path, found.file) else None

    def _anybodys_at(self, path: str) -> FoundImage | None:
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
            if taken is None or regular_files.sha256_of(archived) == taken.sha256:
                return FoundImage(file=archived, path=path, is_waiting=False)
        return None

    def _anywhere(self, name: str, may_name: MayName) -> Reference:
        """The one image whose path ends with `name`; images in the inbox come before those that were claimed."""
        ending = [path for path in self._images_of(PurePosixPath(name).stem) if f"/{path}".endswith(f"/{name}")]
        return self._only_of(ending, may_name)

    def _find_alike(self, folder: PurePosixPath, name: str, may_name: MayName) -> Reference:
        """The one image whose path is `name` but for case and composed characters, else but for its ending too.

        Images of another ending far away are only near misses: they are rarely the same picture.
        """
        images = self._images_of(PurePosixPath(name).stem)
        for key_of in (collision_key, _key_without_ending):
            keys = {path: key_of(path) for path in images}
            wanted = [key_of(str(place)) for place in self._places(folder, name)]
            fitting = [[path for path in images if keys[path] == key] for key in dict.fromkeys(wanted)]
            if key_of is collision_key:
                fitting.append([path for path in images if f"/{keys[path]}".endswith(f"/{key_of(name)}")])
            for paths in fitting:
                match self._only_of(paths, may_name):
                    case FoundImage() as image:
                        return replace(image, is_exact=False)
                    case AmbiguousImage() as several:
                        return several
        return None

    def _images_of(self, stem: str) -> list[str]:
        """The paths of all images of a stem, in any spelling, in the inbox or claimed."""
        key = collision_key(stem)
        return list(dict.fromkeys((*self._images_below_inbox().get(key, ()), *self._journal.images_like(key))))

    def _images_by_stem(self) -> dict[str, list[str]]:
        """Key of a stem -> the paths of images in the inbox, and of those that were claimed last."""
        found = {key: list(paths) for key, paths in self._images_below_inbox().items()}
        for path in self._journal.recent_images():
            found.setdefault(collision_key(PurePosixPath(path).stem), []).append(path)
        return found

    def _only_of(self, paths: Iterable[str], may_name: MayName) -> Reference:
        """The only image of some; those in the inbox come before those that were claimed."""
        found = [image for path in paths if (image := self._at(path, may_name)) is not None]
        return _only([image for image in found if image.is_waiting] or found)

    def _images_below_inbox(self) -> dict[str, list[str]]:
        """Key of a stem -> the paths of all images of that stem; the inbox is walked once, until `look_anew`.

        Folders that vanish or cannot be entered are left out.
        """
        if self._walked is not None:
            return self._walked
        found: dict[str, list[str]] = {}
        root = os.fspath(self._claims.inbox)
        for folder, folders, files in os.walk(root):
            below = folder[len(root) + 1 :] + "/" * (folder != root)
            folders[:] = [inner for inner in folders if not file_names.is_out_of_bounds(f"{below}{inner}/x")]
            for file in files:
                if _is_image(file):
                    found.setdefault(collision_key(file.rpartition(".")[0]), []).append(below + file)
        self._walked = found
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


def _folder(path: str) -> str:
    """The folder of a path below the inbox; empty at the top."""
    return path.rpartition("/")[0]


def _key_without_ending(path: str) -> str:
    return collision_key(path.rpartition(".")[0])


def _is_image(name: str) -> bool:
    return extension_of(name) in IMAGE_EXTENSIONS and not name.startswith(".")


def _only(found: list[FoundImage]) -> Reference:
    if len(found) > 1:
        return AmbiguousImage(paths=tuple(sorted(image.path for image in found)))
    return found[0] if found else None
