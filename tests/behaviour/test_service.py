"""The daemon under a service manager: what it says over a real socket, and what a unit may forbid. Real processes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.forbidden_code import FORBID_CODE, can_forbid_code
from tests.support.hidden_proc import HIDE_PROC, can_hide_proc
from tests.support.house import House
from tests.support.notify_manager import notify_manager
from tests.support.programs import REAL, Program, Start, running_job, starter


@pytest.fixture
def start(house: House) -> Iterator[Start]:
    with starter(house) as do:
        yield do


def test_the_manager_hears_of_start_job_reload_progress_and_stop(house: House, start: Start, tmp_path: Path) -> None:
    file, gate = house.root / "aura.yaml", tmp_path / "go"
    file.write_text("")
    with notify_manager(tmp_path) as manager:
        variables = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "600000", "AURA_CONFIG": str(file)}
        program = running_job(house, start, gate, **variables)
        manager.until(lambda: manager.said("READY"), "READY")
        manager.until(lambda: [status for status in manager.said("STATUS") if "generate cat.yaml: step" in status])
        before = len(manager.said("WATCHDOG"))
        manager.until(lambda: len(manager.said("WATCHDOG")) > before + 2, "fed while a job runs")
        assert "NOTIFY_SOCKET" not in program.worker().environ()
        gate.touch()
        manager.until(lambda: manager.said("STATUS")[-1] == "idle", "idle")
        file.write_text("sources: delete\n")
        os.kill(program.pid, signal.SIGHUP)
        manager.until(lambda: len(manager.said("READY")) == 2, "READY after RELOADING")
        (reloading,) = (number for number, said in enumerate(manager.messages) if "RELOADING" in said)
        assert int(manager.messages[reloading]["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert any("READY" in said for said in manager.messages[reloading:])
        file.write_text("sources: sometimes\n")
        os.kill(program.pid, signal.SIGHUP)
        manager.until(lambda: len(manager.said("READY")) == 3, "READY with the old configuration")
        assert program.end() == 0
        assert manager.said("STOPPING") == ["1"]
        assert manager.said("STATUS")[-1] == "stopped"


def test_a_stopped_loop_feeds_no_watchdog(house: House, start: Start, tmp_path: Path) -> None:
    with notify_manager(tmp_path) as manager:
        program = start(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="300000")
        manager.until(lambda: manager.said("WATCHDOG"), "fed")
        os.kill(program.pid, signal.SIGSTOP)
        program.until(lambda: psutil.Process(program.pid).status() == psutil.STATUS_STOPPED)
        fed = len(manager.said("WATCHDOG"))
        manager.receive()
        assert len(manager.said("WATCHDOG")) == fed
        os.kill(program.pid, signal.SIGCONT)
        manager.until(lambda: len(manager.said("WATCHDOG")) > fed, "fed again")


@pytest.mark.skipif(not can_forbid_code(), reason="this kernel has no prctl(PR_SET_MDWE)")
def test_where_no_code_may_be_made_jobs_wait_and_none_fails(house: House) -> None:
    for name in ("a.txt", "b.txt"):
        house.drop(name, b"a red circle")
    ran = Program(house, REAL, under=FORBID_CODE).call("once")
    if house.results():
        pytest.skip("on this processor torch needs no code made at run time")
    assert ran.returncode == 3
    assert "MemoryDenyWriteExecute=yes" in ran.stderr
    assert not (house.outbox / "failed").exists()
    (holdup,) = json.loads((house.outbox / "health.json").read_bytes())["holdups"]
    assert holdup["what"] == "generate"


@pytest.mark.skipif(not can_hide_proc(), reason="needs root and a mount namespace of its own")
def test_where_proc_shows_processes_alone_the_daemon_runs_and_says_so(house: House) -> None:
    house.drop("a.yaml")
    ran = Program(house, under=HIDE_PROC).call("once")
    assert ran.returncode == 0, ran.stderr
    assert house.results() == ["a.json", "a.png"]
    assert ran.stderr.count("take `ProcSubset=pid` out of the service unit") >= 1
    assert json.loads((house.outbox / "health.json").read_bytes())["memory"]["machine_available_bytes"] > 0


@pytest.mark.skipif(not can_hide_proc(), reason="needs root and a mount namespace of its own")
def test_where_torch_may_not_look_at_the_processor_jobs_wait_with_the_mend(house: House) -> None:
    house.drop("a.txt", b"a red circle")
    ran = Program(house, REAL, under=HIDE_PROC).call("once")
    assert ran.returncode == 3
    assert "Torch may not read /proc/cpuinfo: take `ProcSubset=pid`" in ran.stderr
    assert not (house.outbox / "failed").exists()
