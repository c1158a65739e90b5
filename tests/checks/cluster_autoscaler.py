"""Nodes that come when files are dropped and go when the inbox is empty: the daemon's jobs as an autoscaler's demand.

In: an autoscaled cluster that begins with no node. Out: when there were how many.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.autoscaled import AutoscaledCluster, autoscaled
from tests.support.house import House
from tests.support.programs import Program
from tests.torture.ledger import Ledger

MOST: Final = 2
JOBS: Final = 16
UNLOAD_AFTER_S: Final = 5
PATIENCE_S: Final = 240.0
EMPTY_S: Final = 5.0
"""How long the daemon runs without a file, and no node may come."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When there were how many nodes."""

    after_s: float
    nodes: int
    what: str


def moments(folder: Path) -> list[Moment]:
    """From no node to all and back; raises AssertionError where a node does not come or go, or a job is lost."""
    with autoscaled(folder, most=MOST, resources={"CPU": 1, "GPU": 1}) as cluster:
        return _Course(folder, cluster).run()


class _Course:
    def __init__(self, folder: Path, cluster: AutoscaledCluster) -> None:
        self._cluster = cluster
        self._house = House(folder / "house")
        self._ledger = Ledger(self._house)
        variables = {"KIND": "ray", "ADDRESS": cluster.address, "TOKEN_FILE": cluster.token, "COUNT": str(MOST)}
        named = {f"AURA_WORKERS__{name}": value for name, value in variables.items()}
        self._program = Program(self._house, AURA_BATCH="1", AURA_UNLOAD_AFTER=str(UNLOAD_AFTER_S), **named)
        self._began_s = time.monotonic()
        self._found: list[Moment] = []

    def run(self) -> list[Moment]:
        self._program.start("run")
        try:
            time.sleep(EMPTY_S)
            self._note(0, "the daemon runs, the inbox is empty")
            self._drop()
            self._began_s = time.monotonic()
            self._until(lambda: self._cluster.nodes == MOST, MOST, f"{JOBS} files were dropped")
            self._until(lambda: self._done() == JOBS, None, "all are drawn")
            self._began_s = time.monotonic()
            self._until(lambda: self._cluster.nodes == 0, 0, "the inbox has been empty")
            self._ledger.wait(self._program)
        finally:
            self._program.end()
        fates = self._ledger.fates()
        assert len(fates) == JOBS, f"of {JOBS} jobs {len(fates)} have an end"
        assert set(fates.values()) == {1}, "a job is doubled"
        return self._found

    def _drop(self) -> None:
        for number in range(JOBS):
            name, content = f"{number:03}.yaml", f"prompt: steps 10 0.2 {number}\n".encode()
            self._ledger.note(name, content)
            self._house.drop(name, content)

    def _done(self) -> int:
        return sum(name.endswith(".json") for name in self._house.results())

    def _until(self, is_so: Callable[[], bool], nodes: int | None, what: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline_s, f"not so: {nodes} nodes, {what}: {self._told()}"
            time.sleep(0.2)
        self._note(nodes, what)

    def _told(self) -> str:
        return f"{self._program.log()[-2000:]}\n{self._cluster.monitor_log}"

    def _note(self, nodes: int | None, what: str) -> None:
        now, seconds = self._cluster.nodes, time.monotonic() - self._began_s
        assert nodes is None or now == nodes, f"{now} nodes, not {nodes}: {what}"
        self._found.append(Moment(after_s=seconds, nodes=now, what=what))
