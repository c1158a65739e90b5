"""Events through watchdog, for systems without inotify. The thread of watchdog only notes paths."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from aura_daemon.file_names import is_out_of_bounds
from aura_daemon.system.wakeup import WakeupPipe
from aura_daemon.system.watching.events import EventsUnavailable, HeardEvents


class WatchdogEvents(FileSystemEventHandler):
    """Listens to a folder tree. Handlers only note paths, as an exception in a handler would end watchdog's thread."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._noted: deque[tuple[str, bool]] = deque()
        self._pipe = WakeupPipe()
        self._observer = Observer()
        try:
            self._observer.schedule(self, self._root, recursive=True)
            self._observer.start()
        except OSError as error:
            self._pipe.close()
            raise EventsUnavailable(error.strerror or str(error)) from None

    @property
    def descriptor(self) -> int:
        return self._pipe.fileno()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Notes the paths of one event; runs in watchdog's thread."""
        if event.event_type in ("opened", "closed_no_write"):
            return  # our own reads: each would cause the next
        if event.event_type == "modified" and event.is_directory:
            return  # a name in the folder came or went, which has an event of its own
        is_move = event.event_type == "moved"
        self._noted.append((os.fsdecode(event.src_path), False))
        if is_move:
            self._noted.append((os.fsdecode(event.dest_path), True))
        self._pipe.wake()

    def hear(self) -> HeardEvents:
        self._pipe.clear()
        named: dict[str, bool] = {}
        for _ in range(len(self._noted)):
            place, is_whole = self._noted.popleft()
            with contextlib.suppress(ValueError):
                path = os.path.relpath(place, self._root)
                if not is_out_of_bounds(path):
                    named[path] = is_whole
        alive = self._observer.is_alive() and all(emitter.is_alive() for emitter in self._observer.emitters)
        return HeardEvents(named=named, lost=False, ended="" if alive else "watchdog's thread has ended")

    def close(self) -> None:
        self._observer.stop()
        self._observer.join(timeout=5.0)
        self._pipe.close()
