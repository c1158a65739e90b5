"""What happens to a daemon that runs for weeks: new configurations, killed workers, clocks that are set, lost disks."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from tests.soak.daemon import MIXED_WORKER
from tests.support.programs import Program

CLOCKS: Final = (3600, -86400, 86400, 0)
"""Seconds by which the wall clock is off, one after the other."""

CHANGES: Final[tuple[Mapping[str, Any], ...]] = (
    {"health_interval": 200},
    {"threads": 2},
    {"health_interval": 200},
    {"no_such_key": 1},
    {},
)
"""What each new configuration says; `threads` has the worker replaced, an unknown key is refused."""

_SOURCE: Final = Path(__file__).with_name("clock.c")


class Disturbances:
    """Disturbs one daemon; counts what was done."""

    def __init__(self, program: Program, config: Path, clock: Path, settings: Mapping[str, Any]) -> None:
        """`clock`: the file with the seconds by which the clock is off. `settings`: what every configuration says."""
        self._program = program
        self._config = config
        self._clock = clock
        self._settings = settings
        self._changes = itertools.cycle(CHANGES)
        self._clocks = itertools.cycle(CLOCKS)
        self.done: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.configure({})

    def configure(self, changes: Mapping[str, Any]) -> None:
        self._config.write_text(yaml.safe_dump({**self._settings, **changes}))

    def reload(self) -> None:
        """A new configuration, by SIGHUP."""
        self.configure(next(self._changes))
        os.kill(self._program.pid, signal.SIGHUP)
        self.done["configurations read again"] += 1

    def kill_worker(self) -> None:
        """kill -9, whatever the worker does."""
        for child in psutil.Process(self._program.pid).children():
            with suppress(psutil.Error):
                if MIXED_WORKER in child.cmdline():
                    child.kill()
                    self.done["workers killed"] += 1

    def set_clock(self) -> None:
        """Another wall clock, for the daemon and its children."""
        write_clock(self._clock, next(self._clocks))
        self.done["clock steps"] += 1

    def ask(self, name: str) -> None:
        """What a user asks a running daemon."""
        for command in (("status",), ("why", name)):
            told = self._program.call(*command)
            if "Traceback" in told.stderr:
                self.complaints.append(f"{command}: {told.stderr[-500:]}")
        self.done["questions"] += 2


def clock_variables(clock: Path) -> dict[str, str]:
    """Variables under which a program takes the time of day from a file; empty where there is no C compiler."""
    if shutil.which("cc") is None:
        return {}
    write_clock(clock, 0)
    library = clock.with_suffix(".so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, _SOURCE], check=True, capture_output=True)
    return {"LD_PRELOAD": str(library), "AURA_TEST_CLOCK": str(clock)}


def write_clock(clock: Path, off_s: int) -> None:
    """Has the clock be off by so many seconds, at once: the file is mapped by those who read it."""
    with clock.open("r+b" if clock.exists() else "wb") as file:
        file.write(off_s.to_bytes(8, sys.byteorder, signed=True))


def mount(disk: Path, place: Path) -> None:
    subprocess.run(["mount", "--bind", disk, place], check=True, capture_output=True)


def unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", place], check=False, capture_output=True)
