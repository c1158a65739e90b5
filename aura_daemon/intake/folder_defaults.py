"""The `_defaults.yaml` of the folders above a file: read once for every state of it, nearest first.

In: a path below the inbox. Out: the settings that count there; Held where one of them is invalid or still written.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from aura_daemon import file_names
from aura_daemon.errors import AuraError, Problem
from aura_daemon.formats.yaml_reader import MOST_BYTES
from aura_daemon.jobfile import folder_defaults
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.system import durable_files
from aura_daemon.watch.completeness import CompletenessTracker


class InvalidFolderDefaults(AuraError, OSError):
    """A folder's settings cannot be used now: the jobs below wait for their mend."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _CachedFile:
    state: tuple[int, int, int, int]
    found: FolderDefaults | tuple[Problem, ...]


class FolderDefaultsReader:
    """Of one inbox."""

    def __init__(self, inbox: Path, steadiness: CompletenessTracker) -> None:
        self._inbox = inbox
        self._steadiness = steadiness
        self._read: dict[str, _CachedFile] = {}

    def above(self, path: str) -> tuple[FolderDefaults, ...]:
        """What the folders of a file say, the nearest first; raises Held, or another OSError."""
        return tuple(self._settings_above(path))

    def _settings_above(self, path: str) -> Iterator[FolderDefaults]:
        for folder in PurePosixPath(path).parents:
            name = str(folder / folder_defaults.FILE_NAME)
            try:
                status = (self._inbox / name).lstat()
            except (FileNotFoundError, NotADirectoryError):
                self._read.pop(name, None)
                continue
            state = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            read = self._read.get(name)
            if read is None or read.state != state:
                self._read[name] = read = _CachedFile(state=state, found=self._settings_in(name))
            if not isinstance(read.found, FolderDefaults):
                raise InvalidFolderDefaults(errno.EINVAL, "; ".join(str(problem) for problem in read.found))
            yield read.found

    def _settings_in(self, name: str) -> FolderDefaults | tuple[Problem, ...]:
        file, shown = self._inbox / name, file_names.escaped(name)
        try:
            waits = self._steadiness.incompleteness(file)
            if waits is not None:
                raise InvalidFolderDefaults(errno.EAGAIN, f"{shown}: {waits.reason}")
            read = durable_files.read(file, most_bytes=MOST_BYTES + 1, below=self._inbox)
        except durable_files.NotARegularFile:
            return (Problem(file=shown, message="is no regular file; only those are opened"),)
        except PermissionError as error:
            return (Problem(file=shown, message=f"cannot be read: {error.strerror}"),)
        return folder_defaults.parse_defaults(read.content, file=shown, sha256=read.sha256)
