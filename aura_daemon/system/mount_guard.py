"""Tells whether a folder of ours is present or unmounted. In: a folder. Out: why it is absent, or nothing.

A known folder that lacks our marker and lies on another mount than before counts as unmounted. Files written to a bare
mount point are hidden as soon as the mount is back, and an empty inbox there looks as if all files had been removed
(Syncthing has `.stfolder` for the same reason). The state folder, on a local disk, holds which folders were marked and
on which mount they lay: a folder made anew on the same mount is a new folder.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.system import durable_files
from aura_daemon.system.files import regular_files
from aura_daemon.system.filesystems import mount_of
from aura_daemon.system.permissions import why_shut

MARKER: Final = f"{file_names.OWN_FOLDER}/marker"
"""The marker's path in a folder of ours."""

KNOWN_FOLDERS: Final = "known-folders.json"
"""File in the state folder: resolved paths of the folders with our marker, each with its mount point."""

_TEXT: Final = b"aura-daemon works on this folder. While this file is missing it takes the folder for unmounted.\n"


class MountGuard:
    """Tells of one folder whether it is present, or why it is not."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder = folder
        self._known = state / KNOWN_FOLDERS
        self._temp = state / "tmp"
        self._marker = folder / MARKER
        self._mount = self._read_known().get(self._resolved)
        """The mount point of the file system on which the folder was marked; None for a new folder."""

    def mark(self) -> bool:
        """Marks a folder that is present, not yet marked and writable; returns whether it was marked now."""
        if self.absence() or not durable_files.is_writable(self.folder):
            return False
        try:
            mount = mount_of(self.folder)
            if self._marker.is_file() and self._mount == mount:
                return False
            if not self._marker.is_file():
                durable_files.write(self._marker, _TEXT, temp_folder=self._marker.parent / "tmp", replace=True)
            # `json` escapes the surrogates of names that are no text.
            known = json.dumps({**self._read_known(), self._resolved: mount}, indent=2).encode() + b"\n"
            durable_files.write(self._known, known, temp_folder=self._temp, replace=True, is_private=True)
        except OSError as error:
            logger.warning("{} cannot be marked as ours: {}", self.folder, error.strerror)
            return False
        self._mount = mount
        return True

    def lacks_marker(self) -> bool:
        """Whether a folder that was marked has no marker now; where its server cannot tell, it has."""
        try:
            return self._mount is not None and not self._marker.is_file()
        except OSError:
            return False

    def absence(self) -> str:
        """Why the folder must not be used; empty where it may be."""
        try:
            return self._absence()
        except OSError as error:  # shut by its owner, or by a server that knows this user no longer
            for place in (self.folder, self._marker.parent):
                if why := why_shut(place, "x"):
                    return f"{place} {why}"
            return f"{self.folder} is away: {error.strerror}"

    def is_awaited(self) -> bool:
        """Whether a folder that was marked is missing now, as that of a server that starts later than this machine."""
        if self._mount is None:
            return False
        try:
            if self._absence():
                return True
            regular_files.read(self._marker)  # a server is asked at an `open`; the rest NFS may tell from memory
        except (FileNotFoundError, PermissionError):  # a bare mount point may be root's
            return mount_of(self.folder) != self._mount
        except OSError:
            return True
        return False

    def _absence(self) -> str:
        if not self.folder.is_dir():
            return f"{self.folder} is away"
        if self._marker.is_file() or self._mount in (None, mount_of(self.folder)):
            return ""
        return (
            f"{self.folder} lacks its marker {MARKER}, and lies on another mount than before: is it not mounted?"
            f" If it is the right folder, make that file (`mkdir -p {self._marker.parent} && touch {self._marker}`)"
        )

    def require(self) -> None:
        """Raises FileNotFoundError where the folder is absent."""
        if self.absence():
            raise FileNotFoundError(errno.ENOENT, "it is away", os.fspath(self.folder))

    @property
    def _resolved(self) -> str:
        return os.fspath(self.folder.resolve())

    def _read_known(self) -> dict[str, str]:
        try:
            found = json.loads(regular_files.read(self._known).content)
        except (OSError, ValueError):
            return {}
        known = found if isinstance(found, dict) else {}
        return {path: mount for path, mount in known.items() if isinstance(mount, str)}
