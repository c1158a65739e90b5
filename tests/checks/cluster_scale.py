"""How many jobs a second go through one daemon and a cluster, with jobs that sleep. In: a cluster. Out: figures."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.support.house import House
from tests.support.light_daemon import LIGHT_DRIVER
from tests.support.programs import Program
from tests.support.ray_nodes import Nodes
from tests.support.script_runner import WITNESS

PER_FILE: Final = 100
PATIENCE_S: Final = 1500.0
PATIENCE_A_JOB_S: Final = 0.05
LOOK_S: Final = 0.2
LOOK_A_JOB_S: Final = 50e-6
"""To look takes longer the more results there are; the cores are the daemon's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """What went through."""

    workers: int
    jobs: int
    done: int
    job_s: float
    per_s: float
    """Jobs a second, from when all workers have had a job until few jobs are left."""
    daemon_ms: float
    """Time on a core of the daemon for each job; the same of the driver child."""
    driver_ms: float
    first_ms: float
    """Wall time for each job of the first tenth that all workers shared, and of the last tenth."""
    last_ms: float

    @property
    def share(self) -> float:
        """Of what as many workers would do if nothing but their jobs took time; 0 for jobs that take none."""
        return self.per_s * self.job_s / self.workers if self.job_s else 0.0


class Load:
    """One daemon with so many jobs."""

    def __init__(self, root: Path, nodes: Nodes, *, workers: int, jobs: int, job_s: float) -> None:
        self.house = House(root)
        self._tag = root.name
        self.jobs = jobs
        self._workers, self._job_s = workers, job_s
        variables = {
            "AURA_WORKERS__KIND": "ray",
            "AURA_WORKERS__ADDRESS": nodes.address,
            "AURA_WORKERS__COUNT": str(workers),
            "AURA_WORKERS__GPUS": "0",
            "AURA_WORKERS__CPUS": "1",
            "AURA_WORKERS__TOKEN_FILE": nodes.token,
            "AURA_BATCH": "1",
            "AURA_LOG_LEVEL": "WARNING",
        }
        self.program = Program(self.house, **variables)
        self._begun_s: float | None = None
        self._samples: list[tuple[float, int]] = []
        self._cpu_s: list[tuple[float, float]] = []

    def start(self) -> None:
        """The jobs lie there when the daemon starts."""
        for first in range(0, self.jobs, PER_FILE):
            last = min(first + PER_FILE, self.jobs)
            documents = [f"prompt: steps 1 {self._job_s:g} {self._tag}-{number}\n" for number in range(first, last)]
            self.house.drop(f"{first:06}.yaml", "---\n".join(documents).encode())
        self.program.start("run")

    def look(self) -> bool:
        """Notes how far it is; whether all is done."""
        assert self.program.process is not None
        assert self.program.process.poll() is None, self.program.log()[-3000:]
        if self._begun_s is None:
            if len(self._drawers()) < self._workers:
                return False
            self._begun_s = time.monotonic()
        self._samples.append((time.monotonic(), self._done()))
        self._cpu_s.append(self._cpu())
        return self._samples[-1][1] >= self.jobs

    def flow(self) -> Flow:
        """The figures."""
        (first_s, first), (last_s, last) = self._samples[0], self._when(self.jobs - 2 * self._workers)
        index = self._samples.index((last_s, last))
        count = max(1, last - first)
        tenth = count // 10
        early_s = self._when(first + tenth)[0] - first_s
        late_s = last_s - self._when(last - tenth)[0]
        daemon, driver = (after - before for before, after in zip(self._cpu_s[0], self._cpu_s[index], strict=True))
        return Flow(
            workers=self._workers,
            jobs=self.jobs,
            done=self._samples[-1][1],
            job_s=self._job_s,
            per_s=count / max(last_s - first_s, 0.001),
            daemon_ms=1000 * daemon / count,
            driver_ms=1000 * driver / count,
            first_ms=1000 * early_s / max(tenth, 1),
            last_ms=1000 * late_s / max(tenth, 1),
        )

    def end(self) -> None:
        """Ends the daemon."""
        with suppress(Exception):
            self.program.end()
        self.program.close()

    def _when(self, done: int) -> tuple[float, int]:
        return next((sample for sample in self._samples if sample[1] >= done), self._samples[-1])

    def _done(self) -> int:
        names = os.listdir(self.house.outbox)  # noqa: PTH208 - of thousands
        return sum(name.endswith(".json") and name[0].isdigit() for name in names)

    def _drawers(self) -> set[str]:
        with suppress(OSError):
            lines = Path(os.environ[WITNESS]).read_text(encoding="utf-8").splitlines()
            return {line.split()[1] for line in lines if line.startswith("begun") and f" {self._tag}-" in line}
        return set()

    def _cpu(self) -> tuple[float, float]:
        daemon = psutil.Process(self.program.pid)
        drivers = [child for child in daemon.children() if LIGHT_DRIVER in child.cmdline()]
        return _seconds(daemon), sum(_seconds(driver) for driver in drivers)


def flows(loads: Sequence[Load]) -> list[Flow]:
    """Runs daemons at the same time."""
    try:
        for load in loads:
            load.start()
        jobs = sum(load.jobs for load in loads)
        deadline_s = time.monotonic() + PATIENCE_S + jobs * PATIENCE_A_JOB_S
        left = list(loads)
        while left:
            assert time.monotonic() < deadline_s, left[0].program.log()[-3000:]
            left = [load for load in left if not load.look()]
            time.sleep(max(LOOK_S, jobs * LOOK_A_JOB_S))
        return [load.flow() for load in loads]
    finally:
        for load in loads:
            load.end()


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
