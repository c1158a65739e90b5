"""A daemon with jobs on a cluster, something that happens to one of them, and what became of the jobs.

The daemon is `tests.support.light_daemon`: all is the product's but the engines. Every job has exactly one fate, by the
hash ledger of the torture; the witness file tells how often each was really drawn.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.deadline import DEADLINE_S
from tests.support.house import House
from tests.support.programs import Program
from tests.support.ray_nodes import Nodes
from tests.support.script_runner import WITNESS
from tests.torture.ledger import Ledger

PATIENCE_S: Final = DEADLINE_S

LOST_AFTER_S: Final = 5

_LINE: Final = re.compile(r"^\S+ \S+ +(?:WARNING|ERROR|INFO|DEBUG) +")
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(kw_only=True, slots=True)
class Fault:
    """What is tried."""

    name: str
    act: Callable[[Trial], None]
    says: str
    """A pattern of the line of the daemon's log that tells of it; empty: nothing is to be told, as nothing is lost."""
    jobs: int = 24
    script: str = "steps 8 0.1"
    first: str = ""
    """The script of the first jobs, one a worker; empty: the same."""
    workers: int = 3
    fails: int = 0
    """How many jobs must fail."""
    counts: int = 0
    """How many attempts may be counted at most, as nobody can tell whether the job was at fault."""
    variables: dict[str, str] = field(default_factory=dict)
    waits: bool = True
    """Whether all workers are busy before it happens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What came of it."""

    name: str
    jobs: int
    done: int
    failed: int
    lost: int
    doubled: int
    drawn: int
    """How often a job was drawn to its end: what is more than `done` came too late, and was dropped."""
    counted: int
    """Attempts that were held against a job."""
    said_s: float | None
    words: str
    seconds: float
    complaints: tuple[str, ...]


class Trial:
    """One daemon, and its jobs."""

    def __init__(self, fault: Fault, nodes: Nodes, root: Path) -> None:
        self.fault = fault
        self.nodes = nodes
        self.house = House(root)
        self.ledger = Ledger(self.house)
        self.program = Program(self.house, **self.variables())
        self.since_s = 0.0
        """When it happened."""
        self._lines: list[tuple[float, str]] = []
        self._over = threading.Event()
        self.tag = root.name

    def variables(self) -> dict[str, str]:
        """The configuration of the daemon."""
        workers = {
            "KIND": "ray",
            "ADDRESS": self.nodes.address,
            "COUNT": str(self.fault.workers),
            "GPUS": "0",
            "CPUS": "1",
            "TOKEN_FILE": self.nodes.token,
            "LOST_AFTER": str(LOST_AFTER_S),
        }
        named = {f"AURA_WORKERS__{key}": value for key, value in workers.items()}
        return {**named, "AURA_BATCH": "1", **self.fault.variables}

    def run(self) -> Row:
        """Tries it."""
        began_s = time.monotonic()
        for number in range(self.fault.jobs):
            script = self.fault.first if self.fault.first and number < self.fault.workers else self.fault.script
            content = f"prompt: {script} {self.tag}-{number:03}\n".encode()
            self.ledger.note(f"{number:03}.yaml", content)
            self.house.drop(f"{number:03}.yaml", content)
        watching = threading.Thread(target=self._watch, daemon=True)
        watching.start()
        self.happens()
        self.program.start("run")
        try:
            if self.fault.waits:
                self.until(self.all_are_busy, "all workers are busy")
            self.happens()
            self.fault.act(self)
            self.ledger.wait(self.program, patience_s=PATIENCE_S)
            time.sleep(0.5)  # a second result would come soon
        finally:
            ended = self.end()
            self._over.set()
            watching.join()
        return self._row(time.monotonic() - began_s, ended)

    def end(self) -> bool:
        """Ends the daemon; whether it went when it was told to."""
        with suppress(Exception):
            self.program.end()
            return True
        self.program.close()
        return False

    def restart(self, *, without: Collection[str]) -> None:
        """Ends the daemon and starts it again, without some of its variables."""
        self.end()
        left = {name: value for name, value in self.variables().items() if name not in without}
        self.program = Program(self.house, **left)
        self.program.start("run")

    def happens(self) -> None:
        """Now."""
        self.since_s = time.monotonic()

    def until(self, is_so: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> None:
        """Waits; raises AssertionError where it takes too long."""
        deadline_s = time.monotonic() + patience_s
        while not is_so():
            assert time.monotonic() < deadline_s, f"{self.fault.name}: not so: {what}\n{self.program.log()[-3000:]}"
            time.sleep(0.05)

    def witnessed(self, what: str) -> list[str]:
        """The scripts that were begun, or ended, by whom."""
        with suppress(OSError):
            lines = Path(os.environ[WITNESS]).read_text(encoding="utf-8").splitlines()
            return [line for line in lines if line.startswith(what) and f" {self.tag}-" in line]
        return []

    def all_are_busy(self) -> bool:
        """Whether as many jobs have begun as there are workers, and one has ended where the first are not long."""
        begun, ended = len(self.witnessed("begun")), len(self.witnessed("ended"))
        return begun - ended >= self.fault.workers and (ended > 0 or bool(self.fault.first))

    def said(self) -> tuple[float, str] | None:
        """When, after what happened, and in which words the daemon told of it."""
        for at_s, line in self._lines:
            if self.fault.says and at_s >= self.since_s and re.search(self.fault.says, line):
                return at_s - self.since_s, _LINE.sub("", line)
        return None

    def _watch(self) -> None:
        log = self.house.root / "log"
        place, rest = 0, b""
        while True:
            is_over = self._over.is_set()
            if log.exists():
                with log.open("rb") as book:
                    book.seek(place)
                    new = book.read()
                place += len(new)
                *lines, rest = (rest + new).split(b"\n")
                now_s = time.monotonic()
                self._lines += [(now_s, _COLOUR.sub("", line.decode(errors="replace"))) for line in lines]
            if is_over:
                return
            time.sleep(0.03)

    def _row(self, seconds: float, ended: bool) -> Row:
        fault, fates = self.fault, self.ledger.fates()
        documents = [self.house.sidecar(name) for name in self.house.results() if name.endswith(".json")]
        failed = [name for name in self.house.failed() if name.endswith(".yaml")]
        counted = sum(len(document["tried"][:-1]) for document in documents)
        told = self.said()
        row = Row(
            name=fault.name,
            jobs=fault.jobs,
            done=len(documents),
            failed=len(failed),
            lost=fault.jobs - len(fates),
            doubled=sum(count > 1 for count in fates.values()),
            drawn=len(self.witnessed("ended")),
            counted=counted,
            said_s=told[0] if told is not None else None,
            words=told[1] if told is not None else "",
            seconds=seconds,
            complaints=(),
        )
        wrong = {
            "a job is lost": row.lost > 0,
            "a job is doubled": row.doubled > 0,
            f"{len(failed)} jobs failed, not {fault.fails}": len(failed) != fault.fails,
            f"{counted} attempts are held against jobs": counted > fault.counts,
            "nothing was said": bool(fault.says) and told is None,
            "the daemon had to be killed": not ended,
        }
        complaints = tuple(f"{fault.name}: {what}" for what, is_so in wrong.items() if is_so)
        if complaints:
            complaints += (self.program.log()[-6000:],)
        return Row(**{name: getattr(row, name) for name in Row.__slots__} | {"complaints": complaints})
