"""Reads the `_defaults.yaml` of the folders above a file, nearest first, and each again only when it has changed.

`_defaults.yml`, `_Defaults.yaml` and the like count as well, but only one of them in a folder.

In: a path below the inbox. Out: the settings that count for it; InvalidFolderDefaults where one of the files is invalid
or still being written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from aura_daemon import file_names
from aura_daemon.errors import AuraError, Problem
from aura_daemon.formats.plain_text import MOST_BYTES
from aura_daemon.jobfile import folder_defaults
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import why_denied
from aura_daemon.watch.completeness import CompletenessTracker
from aura_daemon.watch.file_stamp import FileStamp


class InvalidFolderDefaults(AuraError, OSError):
    """The settings of a folder cannot be used now: the jobs below wait until somebody mends them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _CachedFile:
    stamp: FileStamp
    found: FolderDefaults | tuple[Problem, ...]


class FolderDefaultsReader:
    """Reads the settings of the folders of one inbox."""

    def __init__(self, inbox: Path, tracker: CompletenessTracker) -> None:
        self._inbox = inbox
        self._root = os.fspath(inbox)
        self._tracker = tracker
        self._read: dict[str, _CachedFile] = {}

    def above(self, path: str) -> tuple[FolderDefaults, ...]:
        """The settings of the folders of a file, nearest first; raises InvalidFolderDefaults, or another OSError."""
        return tuple(self._settings_above(path))

    def _settings_above(self, path: str) -> Iterator[FolderDefaults]:
        for folder in PurePosixPath(path).parents:
            found = self._files_in(str(folder))
            if len(found) > 1:
                names = " and ".join(file_names.escaped(name) for name in found)
                raise InvalidFolderDefaults(errno.EINVAL, f"{names} are both settings of one folder: keep one of them")
            if not found:
                continue
            ((name, stamp),) = found.items()
            read = self._read.get(name)
            if read is None or read.stamp != stamp:
                self._read[name] = read = _CachedFile(stamp=stamp, found=self._settings_in(name))
            if not isinstance(read.found, FolderDefaults):
                raise InvalidFolderDefaults(errno.EINVAL, "; ".join(str(problem) for problem in read.found))
            yield read.found

    def _files_in(self, folder: str) -> dict[str, FileStamp]:
        """The files with the settings of one folder; several names of one file, where case does not count, are one."""
        found: dict[tuple[int, int], tuple[str, FileStamp]] = {}
        for spelling in folder_defaults.SPELLINGS:
            name = f"{folder}/{spelling}" if folder != "." else spelling
            try:
                status = os.lstat(f"{self._root}/{name}")
            except (FileNotFoundError, NotADirectoryError):
                self._read.pop(name, None)
                continue
            found.setdefault((status.st_dev, status.st_ino), (name, FileStamp.of(status)))
        return dict(found.values())

    def _settings_in(self, name: str) -> FolderDefaults | tuple[Problem, ...]:
        file, shown = self._inbox / name, file_names.escaped(name)
        try:
            incomplete = self._tracker.incompleteness(file)
            if incomplete is not None:
                raise InvalidFolderDefaults(errno.EAGAIN, f"{shown}: {incomplete.reason}")
            read = regular_files.read(file, most_bytes=MOST_BYTES + 1, below=self._inbox)
        except regular_files.NotARegularFile:
            return (Problem(file=shown, message="is no regular file; only those are opened"),)
        except PermissionError as error:
            return (Problem(file=shown, message=f"cannot be read: {why_denied(error, file)}"),)
        return folder_defaults.parse_defaults(read.content, file=shown, sha256=read.sha256)
