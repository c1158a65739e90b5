"""Which images of the inbox a job file may name: those that its owner may read. In: paths. Out: yes or no.

The daemon may read every user's files. Without this rule, one user's job file could have another user's picture
described, copied into a folder of theirs, or put away. The owner of the inbox, root and the daemon's own user may name
all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from aura_daemon.intake.claims import Claims
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Source
from aura_daemon.system.files.reading_rights import NOBODY_KNOWN, may_read
from aura_daemon.system.permissions import user_id

MayName: TypeAlias = Callable[[str, Path], bool]
"""Takes the path of an image below the inbox, and where it lies now."""


class NamingRights:
    """The rights of those whose job files lie in one inbox."""

    def __init__(self, claims: Claims, journal: Journal) -> None:
        self._claims = claims
        self._journal = journal

    def of(self, path: str) -> MayName:
        """The right of the owner of the job file at `path`; raises OSError where the file system cannot tell."""
        owner, inbox = self._owner(path), self._claims.inbox
        if owner in (user_id(), 0, inbox.stat().st_uid):
            return _may_all

        def may_name(image: str, file: Path) -> bool:
            folders = (inbox / folder for folder in list(PurePosixPath(image).parents)[:-1])
            try:
                return may_read(owner, file, folders=(folder for folder in folders if folder.is_dir()))
            except OSError:  # it has gone, or is gone for this process
                return False

        return may_name

    def may_take(self, path: str, image: Source) -> bool:
        """Whether the job file at `path` may name an image that was claimed, or is archived by now."""
        claimed = self._claims.file_of(image)
        return self.of(path)(image.path, claimed if claimed.exists() else self._claims.done / image.path)

    def _owner(self, path: str) -> int:
        """Who owns a job file: as it was claimed, else as it lies in the inbox."""
        source = self._journal.latest_source(path)
        places = [self._claims.inbox / path]
        if source is not None and not self._claims.is_copy(claimed := self._claims.file_of(source)):
            places.insert(0, claimed)
        for place in places:
            try:
                return place.lstat().st_uid
            except (FileNotFoundError, NotADirectoryError):
                continue
        return NOBODY_KNOWN if source is not None else user_id()


def _may_all(image: str, file: Path) -> bool:
    return True
