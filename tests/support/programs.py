"""Starts real processes for tests, waits for them with a deadline, and always ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import psutil

from tests.support.deadline import DEADLINE_S as DEADLINE_S
from tests.support.house import House

ROOT = Path(__file__).parents[2]

LIGHT = "tests.support.light_daemon"
REAL = "aura_daemon"


class Program:
    """`aura-daemon` on a house's folders, as a process."""

    def __init__(self, house: House, module: str = LIGHT, *, under: tuple[str, ...] = (), **variables: str) -> None:
        """`under`: a command that runs the program, such as `setpriv …`; `variables`: of its environment."""
        self.house = house
        self.module = module
        self._under = under
        self._variables = variables
        self.process: subprocess.Popen[str] | None = None

    def environment(self) -> dict[str, str]:
        """An environment without this machine's settings, with short waits."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
        return {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "XDG_CONFIG_HOME": str(self.house.root / "no-config"),
            "AURA_INBOX": str(self.house.inbox),
            "AURA_OUTBOX": str(self.house.outbox),
            "AURA_STATE": str(self.house.state),
            "AURA_SETTLE": "0.2",
            "AURA_PAIR_WAIT": "0.2",
            "AURA_STOP_TIMEOUT": "0",
            "AURA_RETRY_FIRST": "0.5",
            **self._variables,
        }

    def call(self, *arguments: str, timeout_s: float = DEADLINE_S) -> subprocess.CompletedProcess[str]:
        """Runs a command and waits for its end."""
        return subprocess.run(
            [*self._under, sys.executable, "-m", self.module, *arguments],
            cwd=self.house.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout_s,
            check=False,
        )

    def start(self, *arguments: str) -> None:
        """Starts a command and returns at once."""
        with (self.house.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._under, sys.executable, "-m", self.module, *arguments],
                cwd=self.house.root,
                env=self.environment(),
                stderr=log,
                stdout=log,
                text=True,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal, waits, and returns the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def until(self, is_it: Callable[[], Any], what: str = "") -> None:
        """Waits until a condition holds; fails where the process ends first."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not is_it():
            assert self.process is None or self.process.poll() is None, self.log()
            assert time.monotonic() < deadline_s, f"{what}\n{self.log()}"
            time.sleep(0.02)

    def health(self) -> dict[str, Any]:
        """The health document of this process; empty before the first one is written."""
        with suppress(OSError):
            found: dict[str, Any] = json.loads((self.house.state / "health.json").read_bytes())
            return found if self.process is None or found["pid"] == self.process.pid else {}
        return {}

    def is_running_a_job(self) -> bool:
        """Whether the worker has made a step of a job."""
        return bool((self.health().get("current") or {}).get("step"))

    def worker(self) -> psutil.Process:
        """The child that holds the models."""
        (child,) = psutil.Process(self.pid).children()
        return child

    def log(self) -> str:
        """The log so far."""
        return (self.house.root / "log").read_text(errors="replace")

    def close(self) -> None:
        """Kills the process where it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE_S)


Start: TypeAlias = Callable[..., Program]
"""Starts `aura-daemon run`, or another command, with variables of the environment."""


@contextmanager
def starter(house: House, *, under: tuple[str, ...] = ()) -> Iterator[Start]:
    """Starts programs, and ends those that still run."""
    programs: list[Program] = []

    def do(*arguments: str, **variables: str) -> Program:
        program = Program(house, LIGHT, under=under, **variables)
        programs.append(program)
        program.start(*(arguments or ("run",)))
        return program

    yield do
    for program in programs:
        program.close()


def running_job(house: House, start: Start, gate: Path, **variables: str) -> Program:
    """A daemon in the middle of a job that ends when the gate file exists."""
    house.drop("cat.yaml", f"prompt: wait {gate}\n".encode())
    program = start(**variables)
    program.until(program.is_running_a_job)
    return program
