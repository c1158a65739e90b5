"""Where an image is that a job file names: beside it, claimed just now, or archived; never outside the inbox."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Final

from aura_daemon import durable
from aura_daemon.claims import Claims, free_names
from aura_daemon.journal import Journal

_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})
"""What file systems answer where nothing of a name lies, or can lie."""


class References:
    """Finds named images."""

    def __init__(self, claims: Claims, journal: Journal) -> None:
        self._claims = claims
        self._journal = journal

    def find(self, path: str, name: str) -> Path | None:
        """The image that the job file at `path` calls `name`; None where there is none."""
        beside = PurePosixPath(path).parent / name
        taken = self._journal.latest_source(str(beside))
        if _lies_below(self._claims.inbox / beside, self._claims.inbox):
            return self._claims.inbox / beside
        if taken is not None and self._claims.file_of(taken).is_file():
            return self._claims.file_of(taken)
        for archived in free_names(self._claims.done / beside):  # several may be archived: the one that came last
            if not _lies_below(archived, self._claims.done):
                return None
            if taken is None or durable.sha256_of(archived) == taken.sha256:
                return archived
        return None


def status_of(place: Path) -> os.stat_result | None:
    """What lies where people's names lead, links followed; None where nothing does, OSError where nobody can tell."""
    try:
        return place.stat()
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise


def _lies_below(place: Path, root: Path) -> bool:
    """Whether a regular file lies below a folder, with no link on the way that leads elsewhere."""
    status = status_of(place)
    if status is None or not stat.S_ISREG(status.st_mode) or place.is_symlink():
        return False
    return place.resolve().is_relative_to(root.resolve())
