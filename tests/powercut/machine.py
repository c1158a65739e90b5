"""A machine in a process: user-mode Linux, whose disk is a file, and which is killed as a power cut would kill it.

Its kernel's page cache dies with the process; what it wrote to its disk, the page cache out here keeps. So a cut takes
exactly what the machine had not told its disk. Its root is this machine's, read-only, by hostfs.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tests.powercut.plan import MARK, Said

KERNEL: Final = "linux.uml"
MODULES: Final = Path("/usr/lib/uml/modules")

MEMORY: Final = "256M"

ROOT: Final = Path(__file__).parents[2]

PLACES: Final = ("/mnt", "/media", "/srv", "/opt")
"""Folders of which the machine hides one behind its own."""

TAIL_CHARACTERS: Final = 2000
"""Of what its kernel said."""


class MachineSilent(Exception):
    """A machine that says nothing more, with what it said last."""


def obstacle() -> str:
    """Why no machine can be started here; empty where one can."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "user-mode Linux runs on Linux on x86-64 alone"
    if shutil.which(KERNEL) is None:
        return f"{KERNEL} is not installed (package user-mode-linux)"
    if not place():
        return "there is no folder that the machine could hide"
    return ""


def place() -> str:
    """A folder that is there and holds nothing that the machine needs."""
    needed = [ROOT, Path(sys.prefix), Path(sys.base_prefix), *map(Path, sys.path)]
    return next(
        (one for one in PLACES if Path(one).is_dir() and not any(path.is_relative_to(one) for path in needed)), ""
    )


class Machine:
    """One machine, from its start to its end."""

    def __init__(self, disk: Path, plan: Path, *, folder: Path, variables: Mapping[str, str]) -> None:
        """Starts it. `folder`: for its own files; `variables`: for its first process."""
        self._console = folder / "console"
        self._rest = b""
        self._serial, its_end = os.pipe()
        own = (f"ubd0={disk}", f"ssl0=null,fd:{its_end}", *(f"{name}={value}" for name, value in variables.items()))
        started = [*command("tests.powercut.guest", folder=folder, memory=MEMORY, own=own), str(plan)]
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                started,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(its_end,),
                env=environment(folder),
            )
        os.close(its_end)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._serial, selectors.EVENT_READ)
        self._lines: deque[tuple[Said, Any]] = deque()
        self._is_over = False

    def hear(self, timeout_s: float) -> tuple[Said, Any] | None:
        """The next that it says; None where it says nothing for so long. Raises MachineSilent once it has ended."""
        deadline_s = time.monotonic() + timeout_s
        while not self._lines:
            if self._is_over:
                raise MachineSilent(self.tail())
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not self._selector.select(left_s):
                return None
            self._read()
        return self._lines.popleft()

    def cut(self) -> list[tuple[Said, Any]]:
        """Ends it at once, with all its processes; returns what it had said before."""
        with suppress(ProcessLookupError):
            # All of them in one call: a process of the machine whose kernel is gone would be one of this machine.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        while not self._is_over:  # the line ends once the last of them has ended
            self._selector.select()
            self._read()
        self._selector.close()
        os.close(self._serial)
        said = list(self._lines)
        self._lines.clear()
        return said

    def tail(self) -> str:
        """What its kernel said last."""
        return self._console.read_text(errors="replace")[-TAIL_CHARACTERS:]

    def _read(self) -> None:
        read = os.read(self._serial, 1 << 16)
        self._is_over = not read
        *lines, self._rest = (self._rest + read).split(b"\n")
        for line in lines:
            mark, _, said = line.decode().strip().partition(" ")
            what, _, value = said.partition(" ")
            if mark == MARK:
                self._lines.append((Said(what), json.loads(value)))


def command(guest: str, *, folder: Path, memory: str, own: Sequence[str] = ()) -> list[str]:
    """Starts a machine whose first process is a module of ours. `own`: what its kernel is given beside."""
    return [
        shutil.which(KERNEL) or KERNEL,
        f"mem={memory}",
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        "con=null",
        "con0=null,fd:1",
        "quiet",
        "panic=1",
        f"uml_dir={folder}",
        *own,
        f"PYTHONPATH={_path()}",
        "PYTHONDONTWRITEBYTECODE=1",
        f"init={sys.executable}",
        "--",
        "-P",
        "-m",
        guest,
    ]


def environment(folder: Path) -> dict[str, str]:
    """Of the kernel itself."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "TMPDIR": _memory()}


def _path() -> str:
    """Where Python finds this project inside, and all that it needs."""
    return os.pathsep.join([str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))])


def _memory() -> str:
    """Where the machine keeps what it takes for its memory: it must be allowed to run programs from there."""
    return next((place for place in ("/dev/shm", "/tmp") if _runs_programs(place)), "/tmp")


def _runs_programs(place: str) -> bool:
    return os.access(place, os.W_OK) and not os.statvfs(place).f_flag & os.ST_NOEXEC
