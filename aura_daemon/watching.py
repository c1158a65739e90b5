"""Inbox -> sightings. Events only wake: a handler notes a path and nothing else; the truth is `scandir` and `lstat`.

`Watch.look` lstats what events named since the last look and, every `scan_interval_s` or when events may have been
lost, everything there is. Hidden names, and `failed/` at the top, are not looked into.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loguru import logger
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from aura_daemon.core.names import FAILED_FOLDER, OWN_FOLDER
from aura_daemon.core.stability import Stamp

_OVERFLOW_LOGGER: Final = "watchdog.observers.inotify_c"
"""The one place where watchdog says that the kernel dropped events."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """What stands under a name now."""

    path: str
    """Below the inbox, `/` between folders."""
    stamp: Stamp
    is_regular: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What one look brought: sightings, and the names that are not there any more."""

    seen: tuple[Sighting, ...]
    gone: tuple[str, ...]
    complete: bool
    """Everything was looked at: a name not in `seen` does not exist."""


class Watch:
    """Watches a folder tree. `start`, then `look` whenever `wake_descriptor` is readable or a scan is due."""

    def __init__(self, root: Path, *, scan_interval_s: float) -> None:
        self._root = root.resolve()  # watchdog gives no events, and no error, for a root that is a symlink
        self._scan_interval_s = scan_interval_s
        self._named: deque[str] = deque()
        self._scan_due_s: float | None = None
        self._events_lost = threading.Event()
        self._observer: BaseObserver | None = None
        self._overflow = _OverflowAlarm(self._lose_events)
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.overflows = 0

    @property
    def wake_descriptor(self) -> int:
        """Readable when there is something to look at."""
        return self._wake_reader

    def start(self) -> None:
        """Begins to listen; where the system gives no events the periodic scan does the work, and the log says so."""
        logging.getLogger(_OVERFLOW_LOGGER).addHandler(self._overflow)
        # watchdog 7.1 says so of a folder made inside one just made, as every claim does below `.aura/work`; no harm.
        warnings.filterwarnings("ignore", message="Callback with id", category=RuntimeWarning)
        observer = Observer()
        try:
            observer.schedule(_Notes(self, self._root), os.fspath(self._root), recursive=True)
            observer.start()
        except OSError as error:
            reason = error.strerror or error
            logger.warning(
                "no file events for {} ({}): scanning every {:g} s instead",
                self._root,
                reason,
                self._scan_interval_s,
            )
            return
        self._observer = observer

    def stop(self) -> None:
        """Stops listening."""
        self._silence()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def restart(self) -> None:
        """Listens anew, to a folder that was away and is back, and looks at everything."""
        self._silence()
        self.start()
        self._scan_due_s = None

    def note(self, path: str) -> None:
        """Called by the handler, in watchdog's thread: something happened at this absolute path."""
        self._named.append(path)
        self.wake()

    def wake(self) -> None:
        """Makes `wake_descriptor` readable; safe in any thread and in a signal handler."""
        with contextlib.suppress(BlockingIOError, OSError):  # full: it is readable already; closed: nobody waits
            os.write(self._wake_writer, b"!")

    def scan_due_s(self) -> float | None:
        """When the next scan of everything is due, on `look`'s clock; None before the first."""
        return self._scan_due_s

    def look(self, now: float, pending: tuple[str, ...]) -> Look:
        """What lies there: everything where a scan is due, else what events named, and `pending`."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_reader, 4096):
                pass
        lost = self._events_lost.is_set()
        if lost:
            self._events_lost.clear()
            self.overflows += 1
            logger.warning("file events were lost: everything is looked at again")
        if lost or self._scan_due_s is None or now >= self._scan_due_s:
            self._scan_due_s = now + self._scan_interval_s
            self._named.clear()
            return Look(seen=tuple(self._walk(self._root)), gone=(), complete=True)
        return self._look_at(pending)

    def _silence(self) -> None:
        logging.getLogger(_OVERFLOW_LOGGER).removeHandler(self._overflow)
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=5.0)
            self._observer = None

    def _look_at(self, pending: tuple[str, ...]) -> Look:
        names = dict.fromkeys(pending)
        for _ in range(len(self._named)):
            with contextlib.suppress(ValueError):
                names[os.path.relpath(self._named.popleft(), self._root)] = None
        seen: dict[str, Sighting] = {}
        gone: list[str] = []
        for name in names:
            if is_hidden(name):
                continue
            try:
                status = (self._root / name).lstat()
            except OSError:
                gone.append(name)
                continue
            if stat.S_ISDIR(status.st_mode):
                seen.update((sighting.path, sighting) for sighting in self._walk(self._root / name))
            else:
                seen[name] = _sighting(name, status)
        return Look(seen=tuple(seen.values()), gone=tuple(gone), complete=False)

    def _walk(self, folder: Path) -> Iterator[Sighting]:
        """Every file below a folder; folders that vanish or cannot be read are passed over, and said once a scan."""
        folders = [folder]
        while folders:
            current = folders.pop()
            try:
                with os.scandir(current) as entries:
                    for entry in entries:
                        name = os.path.relpath(entry.path, self._root)
                        if is_hidden(name):
                            continue
                        with contextlib.suppress(FileNotFoundError):
                            if entry.is_dir(follow_symlinks=False):
                                folders.append(Path(entry.path))
                            else:
                                yield _sighting(name, entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue
            except OSError as error:
                logger.warning("cannot look into {}: {}", current, error.strerror)

    def _lose_events(self) -> None:
        self._events_lost.set()
        self.wake()


def is_hidden(name: str) -> bool:
    """Whether a path below the inbox is out of bounds: hidden in any part, or in `failed/` at the top."""
    parts = name.split("/")
    in_failed = len(parts) > 1 and parts[0].casefold() == FAILED_FOLDER
    return in_failed or any(part.startswith(".") for part in parts)


def _sighting(name: str, status: os.stat_result) -> Sighting:
    stamp = Stamp(
        device=status.st_dev,
        inode=status.st_ino,
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
    )
    return Sighting(path=name, stamp=stamp, is_regular=stat.S_ISREG(status.st_mode))


class _Notes(FileSystemEventHandler):
    """Notes the paths of events. An exception here would kill watchdog's thread for good: nothing else is done."""

    def __init__(self, watch: Watch, root: Path) -> None:
        self._watch = watch
        self._own = os.fspath(root / OWN_FOLDER / "_")[:-1]
        """Our own claims and archive."""

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in ("opened", "closed_no_write"):
            return  # our own reads; answering them would never end
        if event.is_directory and event.event_type == "modified":
            return  # a name in it came or went, which has an event of its own; the folder need not be walked
        for path in (event.src_path, event.dest_path):
            name = os.fsdecode(path)
            if name and not name.startswith(self._own):
                self._watch.note(name)


class _OverflowAlarm(logging.Handler):
    """Turns watchdog's log line about dropped events into a rescan."""

    def __init__(self, alarm: object) -> None:
        super().__init__(level=logging.WARNING)
        self._alarm = alarm

    def emit(self, record: logging.LogRecord) -> None:
        if callable(self._alarm):
            self._alarm()
