"""A daemon in a process of its own, seen as its user sees it. In: prompts, dropped. Out: when what happened to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

COMMAND: Final = (sys.executable, "-P", "-m", "aura_daemon.cli.bench.watched")

WATCHING: Final = "watching"
CLAIMED: Final = "claimed"
"""And read: its jobs are queued."""
STARTED: Final = "started"
"""Given to the worker."""
PLACED: Final = "placed"
"""The worker has imported its libraries and begins with the job."""
STEPPED: Final = "stepped"
"""The first step is done."""
DELIVERED: Final = "delivered"
FAILED: Final = "failed"

PATIENCE_S: Final = 300.0
"""A daemon of which nothing is heard for so long is killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """An event."""

    what: str
    name: str
    """The file in the inbox."""
    at_s: float
    """On the monotonic clock."""


class DaemonFailed(Exception):
    """The daemon did not do what was asked, in words."""


class WatchedDaemon:
    """Watches `inbox` below a new folder, with the configuration's defaults; ends with the block."""

    def __init__(self, root: Path) -> None:
        self._inbox = root / "inbox"
        for name in ("inbox", "outbox", "state"):
            (root / name).mkdir(parents=True)
        environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("AURA_")}
        self._process = subprocess.Popen([*COMMAND, str(root)], stdout=subprocess.PIPE, env=environment, text=True)
        next(self.seen(WATCHING, [""]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def drop(self, name: str, content: str) -> float:
        """Renames a whole file into the inbox; the moment before."""
        temp = self._inbox / f".{name}.tmp"
        temp.write_text(content, encoding="utf-8")
        at_s = time.monotonic()
        temp.rename(self._inbox / name)
        return at_s

    def seen(self, until: str, names: Iterable[str]) -> Iterator[Happening]:
        """What happens, until `until` has happened to each of these files; raises DaemonFailed where one fails."""
        assert self._process.stdout is not None
        left = set(names)
        while left:
            killer = threading.Timer(PATIENCE_S, self._process.kill)
            killer.start()
            line = self._process.stdout.readline()
            killer.cancel()
            if not line:
                raise DaemonFailed(f"the daemon ended with {self._process.wait()}")
            event = Happening(**json.loads(line))
            if event.what == FAILED:
                raise DaemonFailed(f"{event.name} failed")
            yield event
            if event.what == until:
                left.discard(event.name)
