"""Where an image is that a job file names: beside it, claimed just now, or archived; never outside the inbox."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from aura_daemon import durable
from aura_daemon.claims import Claims
from aura_daemon.core import names
from aura_daemon.journal import Journal


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
        for stem in names.candidates(beside.stem):  # several of this name may be archived: the one that came last
            archived = self._claims.done / beside.with_name(stem + beside.suffix)
            if not _lies_below(archived, self._claims.done):
                return None
            if taken is None or durable.sha256_of(archived) == taken.sha256:
                return archived
        return None


def _lies_below(place: Path, root: Path) -> bool:
    """Whether a regular file lies below a folder, with no link on the way that leads elsewhere."""
    return place.is_file() and not place.is_symlink() and place.resolve().is_relative_to(root.resolve())
