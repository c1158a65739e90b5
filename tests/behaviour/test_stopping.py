"""An ordered stop costs no job an attempt, whichever of its processes it reaches, in whichever order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.journal.records import Job
from tests.support.house import House
from tests.support.programs import DEADLINE_S, LIGHT, Program, Start, running_job, starter
from tests.support.scripted_worker import ScriptedWorker

CRASH = Failure(kind=FailureKind.CRASHED, message="the worker process was killed by signal 9 (SIGKILL)")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that ends the job once it exists."""
    return tmp_path / "gate"


@pytest.fixture
def start(house: House) -> Iterator[Start]:
    """Starts `aura-daemon run`, or another command, in a process group of its own, as services and shells do."""
    with starter(house, under=("setsid",)) as start:
        yield start


def the_job(house: House) -> Job:
    """The only job of the journal."""
    with closing(house.journal()) as journal:
        (job,) = [*journal.recent(1), *journal.interrupted(), *journal.heads()]
    return job


def ended(program: Program) -> int:
    """The exit code, once the program has ended and its worker with it."""
    assert program.process is not None
    children = psutil.Process(program.pid).children() if program.process.poll() is None else []
    code = program.process.wait(DEADLINE_S)
    psutil.wait_procs(children, timeout=DEADLINE_S)
    return code


# -- to the whole group ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_of_the_whole_group_lets_the_running_job_end(
    house: House, start: Start, gate: Path, number: int
) -> None:
    program = running_job(house, start, gate, AURA_STOP_TIMEOUT="60")
    os.killpg(program.pid, number)
    os.killpg(program.pid, number)  # as `timeout` does, which signals its child and then the child's group
    program.until(lambda: program.health().get("status") == "stopping")
    gate.touch()
    assert ended(program) == 0
    assert house.results() == ["cat.json", "cat.png"]
    assert house.sidecar("cat.json")["attempts"] == 1


def test_stopped_more_often_than_it_may_be_attempted_the_job_is_done_in_the_end(
    house: House, start: Start, gate: Path
) -> None:
    house.drop("cat.yaml", f"prompt: wait {gate}\n".encode())
    for _ in range(2):
        program = start(AURA_ATTEMPTS="1")
        program.until(program.is_running_a_job)
        os.killpg(program.pid, signal.SIGTERM)
        assert ended(program) == 0
        assert (the_job(house).state, the_job(house).attempts, the_job(house).tried) == ("queued", 0, ())
    gate.touch()
    assert Program(house).call("once").returncode == 0
    assert house.failed() == []


def test_a_stop_of_the_whole_group_while_the_worker_starts_gives_the_job_back(
    house: House, start: Start, gate: Path
) -> None:
    house.drop("cat.yaml", f"prompt: wait {gate}\n".encode())
    program = start()
    program.until(lambda: "running generate" in program.log())  # the worker's Python has hardly begun
    os.killpg(program.pid, signal.SIGTERM)
    assert ended(program) == 0
    assert (the_job(house).state, the_job(house).attempts) == ("queued", 0)


def test_a_terminal_that_closes_stops_a_drain_in_order(house: House, start: Start, gate: Path) -> None:
    house.drop("cat.yaml", f"prompt: wait {gate}\n".encode())
    program = start("once")
    program.until(program.is_running_a_job)
    os.killpg(program.pid, signal.SIGHUP)
    assert ended(program) == 129
    assert (the_job(house).state, the_job(house).attempts) == ("queued", 0)


def test_under_timeout_which_signals_twice_it_stops_in_order(house: House, gate: Path) -> None:
    house.drop("cat.yaml", f"prompt: wait {gate}\n".encode())
    program = Program(house, LIGHT, under=("timeout", "600"), AURA_STOP_TIMEOUT="60")
    program.start("run")
    try:
        program.until(lambda: "running generate" in program.log())
        assert program.process is not None
        program.process.send_signal(signal.SIGTERM)
        gate.touch()
        assert program.process.wait(DEADLINE_S) == 0
    finally:
        program.close()
    assert house.results() == ["cat.json", "cat.png"]


# -- to one first ------------------------------------------------------------------------------------------------------


def test_a_worker_killed_a_moment_before_the_daemon_is_told_to_stop_costs_no_attempt(
    house: House, start: Start, gate: Path
) -> None:
    program = running_job(house, start, gate)
    program.worker().kill()
    assert program.end(signal.SIGTERM) == 0
    assert (the_job(house).state, the_job(house).attempts) == ("queued", 0)


def test_a_worker_killed_while_the_daemon_stops_costs_no_attempt(house: House, start: Start, gate: Path) -> None:
    program = running_job(house, start, gate, AURA_STOP_TIMEOUT="60")
    worker = program.worker()
    assert program.process is not None
    program.process.send_signal(signal.SIGTERM)
    program.until(lambda: program.health().get("status") == "stopping")
    worker.kill()
    assert program.process.wait(DEADLINE_S) == 0
    assert "is given back" in program.log()
    assert (the_job(house).state, the_job(house).attempts, the_job(house).tried) == ("queued", 0, ())


def test_all_killed_once_the_time_to_stop_is_over_the_job_is_as_if_untried(
    house: House, start: Start, gate: Path
) -> None:
    program = running_job(house, start, gate, AURA_STOP_TIMEOUT="60")
    os.killpg(program.pid, signal.SIGTERM)
    program.until(lambda: program.health().get("status") == "stopping")
    program.until(lambda: the_job(house).begun is None)
    os.killpg(program.pid, signal.SIGKILL)
    assert ended(program) == -signal.SIGKILL
    gate.touch()
    assert Program(house).call("once").returncode == 0
    assert house.sidecar("cat.json")["attempts"] == 1


def test_the_daemon_alone_is_told_and_its_worker_does_not_outlive_it(house: House, start: Start, gate: Path) -> None:
    program = running_job(house, start, gate)
    worker = program.worker()
    assert program.end(signal.SIGTERM) == 0
    worker.wait(DEADLINE_S)
    assert (the_job(house).state, the_job(house).attempts) == ("queued", 0)


# -- what a stop does not excuse ---------------------------------------------------------------------------------------


def test_a_worker_that_dies_while_nobody_stops_anything_costs_an_attempt(house: House) -> None:
    worker = ScriptedWorker(lambda task: None)
    house.drop("cat.yaml")
    with house.daemon(worker, drain=False) as daemon:
        daemon.start()
        daemon.turn()
        worker.crash(CRASH)
        daemon.turn()
        assert [one.kind for one in the_job(house).tried] == [FailureKind.CRASHED]
        daemon.shut_down()
