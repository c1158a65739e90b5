"""A job waits while other programs leave it no memory; smaller jobs go on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.cli.run import exit_code
from aura_daemon.daemon.loop import Daemon
from aura_daemon.health import heartbeat
from aura_daemon.health.document import Holdup, Status
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.jobs.results import Failure, FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import Backend, Rung, ladder
from tests.support.house import House, make
from tests.support.memorygroup import ENTER, MemoryGroup, obstacle
from tests.support.programs import REAL, Program
from tests.support.scripted_worker import ScriptedWorker

MIB = 1 << 20
GIB = 1 << 30
MESSAGE = "not enough memory: 3.0 GiB needed on the last rung, cpu_mapped_weights, 1.0 GiB to be had"
FULL = Failure(kind=FailureKind.OUT_OF_MEMORY, message=MESSAGE)
LARGE = b"prompt: a cat\naspect_ratio: 21:9\n"
SMALL = b"prompt: a dog\n"


class Memory:
    """The memory that other programs leave to the jobs, and a worker that reports it."""

    def __init__(self, *, total: int = 8 * GIB) -> None:
        self.is_there = False
        self.total = total
        self.needed = 3 * GIB
        self.worker = ScriptedWorker(self._play)
        self.worker.tries = self._tries

    @property
    def prompts(self) -> list[str]:
        """The prompts of all attempts, in order."""
        return [task.request.prompt for batch in self.worker.batches for task in batch.tasks]  # type: ignore[union-attr]

    def _lacks(self, request: object) -> bool:
        return isinstance(request, GenerateRequest) and request.aspect_ratio == "21:9" and not self.is_there

    def _play(self, task: Task) -> Outcome:
        return FULL if self._lacks(task.request) else make(task)

    def _tries(self, tried: RunConditions) -> RunConditions:
        if not self._lacks(self.worker.batches[-1].tasks[0].request):
            return tried
        return replace(
            tried,
            rung=Rung.CPU_MAPPED_WEIGHTS,
            batch=1,
            expected_bytes=self.needed,
            room_bytes=GIB,
            total_bytes=self.total,
        )


@pytest.fixture
def memory() -> Memory:
    return Memory()


def turns(daemon: Daemon, until: Callable[[], object]) -> None:
    """Turns the loop until a condition holds."""
    while not until():
        daemon.turn()
        time.sleep(0.005)


def held(house: House) -> list[Holdup]:
    document = heartbeat.read(house.state)
    assert document is not None
    return document.holdups


def test_a_job_waits_for_memory_that_others_have_while_smaller_ones_go_on(house: House, memory: Memory) -> None:
    house.drop("a.yaml", LARGE)
    house.drop("b.yaml", SMALL)
    with house.daemon(memory.worker, drain=False) as daemon:
        turns(daemon, lambda: "b.json" in house.results() and len(memory.worker.batches) > 4)
        assert house.failed() == []
        document = heartbeat.read(house.state)
        assert document is not None
        assert document.status is Status.DEGRADED
        (holdup,) = document.holdups
        assert (holdup.what, holdup.reason) == ("memory for generate 21:9", MESSAGE)
        assert holdup.since
        assert "other programs" in holdup.mend
        memory.is_there = True
        turns(daemon, lambda: "a.json" in house.results())
        daemon.health.write()
    assert held(house) == []
    seeds = {task.request.seed for batch in memory.worker.batches for task in batch.tasks if task.request.aspect_ratio}  # type: ignore[union-attr]
    assert len(seeds) == 1
    sidecar = house.sidecar("a.json")
    assert sidecar["attempts"] == 2
    waited, done = sidecar["tried"]
    assert (waited["rung"], waited["outcome"]) == (None, "out_of_memory")
    assert waited["reason"] == f"{MESSAGE}; it waited for memory that other programs had"
    assert waited["seconds"] > 0
    assert done["outcome"] == "done"


def test_one_of_a_demand_tries_for_all_of_them(house: House, memory: Memory) -> None:
    for number in range(5):
        house.drop(f"{number}.yaml", LARGE)
    assert exit_code(house.drain(memory.worker, retry_first=3600)) == 3
    assert len(memory.prompts) == 1
    memory.is_there = True
    worker = ScriptedWorker(make)
    assert house.drain(worker).done == 5


def test_a_batch_that_finds_no_memory_waits_once(house: House, memory: Memory, log: list[str]) -> None:
    for number in range(3):
        house.drop(f"{number}.yaml", LARGE)
    house.drain(memory.worker, retry_first=10, batch=4)
    assert len(memory.prompts) == 3
    assert [line for line in log if "waits for memory" in line] == [
        line for line in log if f"waits for memory, 10 s more: {MESSAGE}" in line
    ]
    assert sum("waits for memory" in line for line in log) == 1


@pytest.mark.parametrize(
    ("total", "changes"),
    [(8 * GIB, {"memory_wait": 0}), (3 * GIB, {}), (0, {})],
    ids=["nothing is waited for", "it can never fit", "nobody knows"],
)
def test_a_job_that_could_never_fit_or_may_not_wait_fails_at_once_with_the_figures(
    house: House, total: int, changes: dict[str, Any]
) -> None:
    house.drop("a.yaml", LARGE)
    memory = Memory(total=total)
    assert exit_code(house.drain(memory.worker, **changes)) == 1
    assert len(memory.prompts) == 1
    report = house.sidecar("failed/a.yaml.json")
    assert report["reason"] == MESSAGE
    assert "doctor" in report["mend"]
    assert held(house) == []


def test_after_so_long_it_fails_and_nothing_is_held_up_any_more(house: House, memory: Memory) -> None:
    house.drop("a.yaml", LARGE)
    with house.daemon(memory.worker, drain=False, memory_wait=0.5) as daemon:
        turns(daemon, house.failed)
        daemon.health.write()
    assert len(memory.prompts) > 1
    report = house.sidecar("failed/a.yaml.json")
    assert (report["kind"], report["reason"]) == ("out_of_memory", MESSAGE)
    assert [one["rung"] for one in report["tried"]] == [None, "cpu_mapped_weights"]
    assert held(house) == []


def test_a_cancelled_one_holds_nothing_up(house: House, memory: Memory) -> None:
    house.drop("a.yaml", LARGE)
    with house.daemon(memory.worker, drain=False, retry_first=3600) as daemon:
        turns(daemon, lambda: bool(daemon.holdups))
        journal = daemon.journal
        (source,) = journal.unfinished_sources()
        (job,) = journal.jobs_of(source.id)
        daemon.dispatcher.cancel(job, source)
        daemon.health.write()
    assert held(house) == []


def test_memory_that_ran_out_on_the_last_rung_is_waited_for_too_and_it_goes_on_there(house: House) -> None:
    house.drop("a.yaml", SMALL)
    left = [5]
    worker: ScriptedWorker

    def play(task: Task) -> Outcome:
        left[0] -= 1
        return FULL if left[0] >= 0 else make(task)

    worker = ScriptedWorker(play)
    worker.tries = lambda tried: replace(tried, total_bytes=4000)
    with house.daemon(worker, drain=False) as daemon:
        turns(daemon, lambda: "a.json" in house.results())
    starts = [batch.start.rung for batch in worker.batches]
    assert starts[-2:] == [Rung.CPU_MAPPED_WEIGHTS] * 2
    tried = house.sidecar("a.json")["tried"]
    assert [one["rung"] for one in tried][:-1] == list(ladder(Backend.CPU, JobKind.GENERATE))
    assert tried[-2]["reason"].endswith("it waited for memory that other programs had")


def test_a_daemon_and_a_worker_of_their_own_wait_and_say_so(tmp_path: Path) -> None:
    house = House(tmp_path)
    memory = house.root / "memory"
    program = Program(house)
    house.drop("a.yaml", f"prompt: full {memory}\naspect_ratio: 21:9\n".encode())
    house.drop("b.yaml", SMALL)
    program.start("run")
    try:
        program.until(lambda: "b.json" in house.results() and program.health().get("holdups"))
        printed = program.call("status").stdout
        assert "held up    memory for generate 21:9: not enough memory: 3.0 GiB needed, 1.0 GiB to be had" in printed
        assert "(since 20" in printed
        printed = program.call("why", "a.yaml").stdout
        assert "a.yaml: queued, held up: not enough memory: 3.0 GiB needed, 1.0 GiB to be had (since 20" in printed
        program.end(9)
        program.start("run")
        program.until(lambda: program.health().get("holdups"))
        memory.touch()
        program.until(lambda: "a.json" in house.results())
        program.until(lambda: program.health().get("status") == "ok")
    finally:
        program.close()
    assert house.failed() == []


HOG = """
import sys, time
taken = bytearray(int(sys.argv[1]))
taken[:: 4096] = b"x" * len(taken[:: 4096])
print("taken", flush=True)
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.skipif(bool(obstacle()), reason=obstacle() or "-")
def test_a_picture_waits_until_another_program_of_its_group_has_ended(tmp_path: Path) -> None:
    """With the kernel's figures and real models; nothing is scripted."""
    house = House(tmp_path)
    group = MemoryGroup("waiting", 2 * GIB)
    under = ("/bin/sh", "-c", ENTER, str(group.folder / "cgroup.procs"))
    program = Program(house, REAL, under=under)
    try:
        hog = group.start([sys.executable, "-c", HOG, str(1640 * MIB)], stdout=subprocess.PIPE)
        assert hog.stdout is not None
        assert hog.stdout.readline() == "taken\n"
        house.drop("a.yaml", b"prompt: a small red circle on a blue background\n")
        program.start("run")
        program.until(lambda: program.health().get("holdups"))
        (holdup,) = program.health()["holdups"]
        assert holdup["what"] == "memory for generate"
        assert "needed on the last rung, cpu_mapped_weights" in holdup["reason"]
        hog.kill()
        hog.communicate()
        program.until(lambda: "a.json" in house.results())
        assert group.kills == 0
    finally:
        program.close()
        group.close()
    assert [one["outcome"] for one in house.sidecar("a.json")["tried"]] == ["out_of_memory", "done"]
