"""Finds the pictures of a set: those below the inbox whose paths match the patterns of a job file, in order.

Left out is what is never a job: hidden files and our own, conflict copies, what `ignore` names, links. So are pictures
in companion folders that no pattern names, and those that the owner of the job file may not read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aura_daemon import file_names
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, PICTURE_EXTENSIONS, extension_of
from aura_daemon.intake.companions import COMPANION_S
from aura_daemon.intake.owners.naming_rights import MayName, NamingRights
from aura_daemon.jobfile.keys.image_patterns import PatternsBelow, begins_with_a_name, folder_of
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Source
from aura_daemon.watch import ignored_names
from aura_daemon.watch.ignored_names import name_to_be

MOST_KNOWN: Final = 200_000
"""Names remembered that are known to be no private ones: a large set is looked at many times."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundSet:
    """The pictures that lie in the inbox now."""

    patterns: PatternsBelow
    pictures: tuple[str, ...] = ()
    """Paths below the inbox, by name."""
    unmatched: tuple[str, ...] = ()
    """Patterns that match nothing."""
    coming: tuple[str, ...] = ()
    """Unfinished files of other tools that become pictures of the set."""


@dataclass(kw_only=True, slots=True)
class _Matches:
    """What was found below one folder."""

    pictures: set[str] = field(default_factory=set)
    coming: list[str] = field(default_factory=list)
    matched: set[str] = field(default_factory=set)


class SetFinder:
    """Finds sets below one inbox. Folders that vanish or cannot be entered are left out."""

    def __init__(
        self,
        inbox: Path,
        journal: Journal | None,
        *,
        ignore: Sequence[str],
        take: Sequence[str],
        companions: Sequence[str],
        now: Callable[[], float],
        rights: NamingRights | None = None,
    ) -> None:
        """`ignore`, `take` and `companions`: as configured. `now`: seconds since the epoch.

        Without a journal nothing was claimed. Without `rights` every picture that this process sees may be named.
        """
        self._rights = rights
        self._inbox = inbox
        self._journal = journal
        self._ignore = ignore
        self._take = take
        self._companions = frozenset(companions)
        self._now = now
        self._known: set[str] = set()

    def found(self, job: str, images: Sequence[str]) -> FoundSet:
        """The set that the job file at `job` names: from its folder, or else from the top of the inbox."""
        folder = job.rpartition("/")[0]
        may_name = self._rights.of(job) if self._rights is not None else None
        near = self._found(PatternsBelow(folder=folder, patterns=tuple(images)), may_name)
        if near.pictures or near.coming or not folder or not all(map(begins_with_a_name, images)):
            return near
        far = self._found(PatternsBelow(folder="", patterns=tuple(images)), may_name)
        return far if far.pictures or far.coming else near

    def may_name(self, job: str, picture: str) -> bool:
        """Whether the owner of the job file at `job` may read a picture in the inbox."""
        return self._rights is None or self._rights.of(job)(picture, self._inbox / picture)

    def claimed(self, job: str, patterns: PatternsBelow) -> list[Source]:
        """The pictures that match and were claimed by themselves not long ago, before anybody knew of a set."""
        if (journal := self._journal) is None:
            return []
        return [
            image
            for start in patterns.starts
            for image in journal.images_taken(start, since=self._now() - COMPANION_S)
            if any(True for _ in patterns.matched_by(image.path))
            and not journal.namers(image.path, image.size_bytes, image.modified_ns)
            and (self._rights is None or self._rights.may_take(job, image))
        ]

    def unmatched(self, job: str, found: FoundSet) -> list[str]:
        """The patterns of a job file that match nothing in the inbox, nor what was claimed just before."""
        if not found.unmatched:
            return []
        claimed = {
            pattern for image in self.claimed(job, found.patterns) for pattern in found.patterns.matched_by(image.path)
        }
        return [pattern for pattern in found.unmatched if pattern not in claimed]

    def _found(self, patterns: PatternsBelow, may_name: MayName | None) -> FoundSet:
        found = _Matches()
        for start in patterns.starts:
            for path in self._files(start):
                name = path.rpartition("/")[2]
                if extension_of(name) in IMAGE_EXTENSIONS:
                    matched = [one for one in patterns.matched_by(path) if self._may_be_of(path, patterns.folder, one)]
                    if not matched or (may_name is not None and not may_name(path, self._inbox / path)):
                        continue
                    if self._is_job(path):
                        found.pictures.add(path)
                        found.matched.update(matched)
                elif extension_of(later := name_to_be(name)) in PICTURE_EXTENSIONS:
                    becomes = path[: len(path) - len(name)] + later
                    is_of_set = any(True for _ in patterns.matched_by(becomes))
                    found.coming += [path] * (is_of_set and (may_name is None or may_name(path, self._inbox / path)))
        return FoundSet(
            patterns=patterns,
            pictures=tuple(sorted(found.pictures)),
            unmatched=tuple(one for one in patterns.patterns if one not in found.matched),
            coming=tuple(found.coming),
        )

    def _files(self, start: str) -> Iterator[str]:
        """Every regular file below a folder of the inbox; hidden ones too, as they may be on their way."""
        if start and file_names.is_out_of_bounds(f"{start}/x"):
            return
        folders = [start]
        while folders:
            folder = folders.pop()
            before = f"{folder}/" if folder else ""
            try:
                with os.scandir(self._inbox / folder) as entries:
                    for entry in entries:
                        path = before + entry.name
                        if entry.is_file(follow_symlinks=False):
                            yield path
                        elif entry.is_dir(follow_symlinks=False) and not file_names.is_out_of_bounds(f"{path}/x"):
                            folders.append(path)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue

    def _may_be_of(self, path: str, folder: str, pattern: str) -> bool:
        """Whether a picture lies in no companion folder, but where the pattern names that."""
        named = f"{folder}/{folder_of(pattern)}".strip("/")
        return self._companions.isdisjoint(path[len(named) :].split("/")[:-1])

    def _is_job(self, path: str) -> bool:
        """Whether nothing in its name says that a picture is none."""
        if path in self._known:
            return True
        if file_names.is_out_of_bounds(path):
            return False
        if ignored_names.verdict(path, ignore=self._ignore, take=self._take) is not None:
            return False
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known.add(path)
        return True
