"""inotify on a folder tree, one watch a folder. Hidden folders are not watched, so that our own claims wake nobody.

A folder that appears is watched before it is listed, so that no file in it is missed.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from inotify_simple import INotify, flags

from aura_daemon.file_names import is_out_of_bounds
from aura_daemon.system.watching.events import EventsUnavailable, HeardEvents

_MASK: Final = (
    flags.CREATE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE | flags.CLOSE_WRITE | flags.ATTRIB
    | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR | flags.DONT_FOLLOW | flags.EXCL_UNLINK
)  # fmt: skip
"""MODIFY is left out: a file that is being written is looked at when it is closed, and when it should have settled."""

_LIMITS: Final = {
    errno.ENOSPC: "the system's limit on watches is reached (fs.inotify.max_user_watches)",
    errno.EMFILE: "the system's limit on inotify instances is reached (fs.inotify.max_user_instances)",
    errno.ENFILE: "the system has no more open files to give",
    errno.ENOMEM: "the kernel has no memory for it",
}


class InotifyEvents:
    """Listens to every folder below a root, but for those out of bounds."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths: dict[int, str] = {}
        self._watches: dict[str, int] = {}
        self._ended = ""
        try:
            self._inotify = INotify(nonblocking=True)
        except OSError as error:
            raise EventsUnavailable(_LIMITS.get(error.errno or 0, str(error))) from None
        self._watch_tree("")
        if "" not in self._watches:
            self._ended = self._ended or "the folder cannot be watched"
        if self._ended:
            self.close()
            raise EventsUnavailable(self._ended)

    @property
    def descriptor(self) -> int:
        return int(self._inotify.fileno())

    def hear(self) -> HeardEvents:
        named: dict[str, bool] = {}
        lost = False
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                lost = True
                continue
            folder = self._paths.get(event.wd)
            if folder is None:
                continue  # an event of a folder that has gone in the meantime
            if event.mask & flags.IGNORED:
                self._forget(event.wd)
            elif not event.name:
                self._happened_to_folder(folder, event.mask)
            else:
                path = f"{folder}/{event.name}" if folder else event.name
                if not is_out_of_bounds(path):
                    self._happened(path, event.mask, named)
        if lost:
            self._watch_tree("")  # the event of a new folder may be among those that were lost
        return HeardEvents(named=named, lost=lost, ended=self._ended)

    def close(self) -> None:
        self._inotify.close()

    def _happened(self, path: str, mask: int, named: dict[str, bool]) -> None:
        if mask & flags.ISDIR:
            if mask & (flags.MOVED_FROM | flags.DELETE):
                self._unwatch_tree(path)
            elif mask & (flags.CREATE | flags.MOVED_TO):
                self._watch_tree(path)
            elif mask & flags.ATTRIB and path not in self._watches:
                self._watch_tree(path)  # a folder that could not be entered may be readable now
        named[path] = bool(mask & flags.MOVED_TO)

    def _happened_to_folder(self, folder: str, mask: int) -> None:
        if folder == "" and mask & (flags.DELETE_SELF | flags.MOVE_SELF | flags.UNMOUNT):
            self._ended = "the folder was moved, deleted or unmounted"

    def _watch_tree(self, path: str) -> None:
        """Watches a folder and all folders below it, each before it is listed."""
        folders = [path]
        while folders and not self._ended:
            current = folders.pop()
            place = os.path.join(self._root, current) if current else os.fspath(self._root)  # noqa: PTH118 - hot
            try:
                watch = self._inotify.add_watch(place, _MASK)
                self._watches[current] = watch
                self._paths[watch] = current
                with os.scandir(place) as entries:
                    inner = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError as error:
                if error.errno in _LIMITS:
                    self._ended = _LIMITS[error.errno]
                continue  # gone again, or not readable: the scan warns of it
            paths = (f"{current}/{name}" if current else name for name in inner)
            folders += [below for below in paths if not is_out_of_bounds(below)]

    def _unwatch_tree(self, path: str) -> None:
        inside = path + "/"
        for folder in [folder for folder in self._watches if folder == path or folder.startswith(inside)]:
            watch = self._watches.pop(folder)
            self._paths.pop(watch, None)
            try:
                self._inotify.rm_watch(watch)
            except OSError:
                continue  # the folder is deleted: the kernel has removed its watch already

    def _forget(self, watch: int) -> None:
        path = self._paths.pop(watch)
        if self._watches.get(path) == watch:
            del self._watches[path]
