"""Real processes, real kill -9: nothing is lost, nothing is doubled, nothing half-written is seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from aura_daemon.jobs.results import FailureKind
from tests.support import dying
from tests.support.house import PNG, House, fail, sha256
from tests.support.programs import DEADLINE_S, LIGHT, ROOT, Program, Start, running_job, starter


@pytest.fixture
def start(house: House) -> Iterator[Start]:
    """Starts `aura-daemon run` processes, and ends those that still run after the test."""
    with starter(house) as start:
        yield start


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


# -- at every step -----------------------------------------------------------------------------------------------------


FIRST = os.environ.get("AURA_TEST_FIRST_STEP", "0")
STRIDE = os.environ.get("AURA_TEST_STRIDE", "23")
"""Which of the about 480 moments of a whole run are tried; 0 and 1 try all of them, in three minutes."""


def test_killed_at_any_step_it_comes_back_and_every_file_has_one_fate(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.support.dying", str(tmp_path), FIRST, STRIDE],
        cwd=ROOT,
        check=True,
        timeout=DEADLINE_S,
    )
    houses = [House(folder) for folder in (tmp_path / "died").iterdir()]
    assert len(houses) > 5
    for house in houses:
        assert_every_file_has_its_fate(house)


def assert_every_file_has_its_fate(house: House) -> None:
    """Checks that every file of `dying.fill_with_set` ended as it must, and that nothing is left over."""
    fate = {name: house.sidecar(name)["source"]["name"] for name in house.results() if name.endswith(".json")}
    assert sorted(fate.values()) == ["cat.png", "say.yaml", "set/dog.png", "sub/cat.yaml", "sub/cat.yaml"], house.root
    for name in fate:
        document = house.sidecar(name)
        (output,) = document["outputs"] or [document["text"]]
        folder = house.inbox if "text" in document else (house.outbox / name).parent
        assert (folder / output["name"]).stat().st_size == output["bytes"]
    assert len(house.results()) == 9, (house.root, house.results())
    caption = f"an image of {sha256(dict(dying.SET)['set/dog.png'])}"
    assert (house.inbox / "set/dog.txt").read_text() == f"1dog, {caption}\n", house.root
    assert house.failed() == ["bad.yaml", "bad.yaml.json"], house.root
    assert house.archived() == ["cat.png", "say.yaml", "sea.png", "sub/cat.yaml"], house.root
    assert house.waiting() == ["cat.txt", *(name for name, _ in dying.SET)], house.root
    assert house.temporary() == [], house.root


def test_a_process_dies_at_the_moment_that_one_variable_names(house: House) -> None:
    dying.fill_with_set(house)
    assert Program(house, AURA_TEST_DIE_AT="journal.claim:after:2").call("once").returncode == -signal.SIGKILL
    with closing(house.journal()) as journal:
        assert len(journal.unfinished_sources()) == 2
    assert Program(house).call("once").returncode == 1
    assert_every_file_has_its_fate(house)


# -- the daemon --------------------------------------------------------------------------------------------------------


def test_killed_in_the_middle_of_a_job_its_worker_dies_with_it_and_the_job_is_done_later(
    house: House, start: Start, gate: Path
) -> None:
    program = running_job(house, start, gate)
    worker = program.worker()
    assert program.end(signal.SIGKILL) == -signal.SIGKILL
    worker.wait(DEADLINE_S)
    assert house.waiting() == []
    assert house.results() == []
    gate.touch()
    assert Program(house).call("once").returncode == 0
    assert house.results() == ["cat.json", "cat.png"]
    assert house.sidecar("cat.json")["attempts"] == 1
    assert house.archived() == ["cat.yaml"]
    assert house.temporary() == []


def test_killed_again_and_again_every_file_has_one_result(house: House, start: Start) -> None:
    for number in range(12):
        name = f"{number % 3}/{number}"
        house.drop(*((f"{name}.yaml",) if number % 4 else (f"{name}.png", PNG + str(number).encode() + PNG[-12:])))
    for count in (1, 9):
        program = start()
        program.until(lambda count=count: len(house.results()) >= count)
        program.end(signal.SIGKILL)
    assert Program(house).call("once").returncode == 0
    documents = [house.sidecar(name) for name in house.results() if name.endswith(".json")]
    assert len(documents) == len({document["source"]["name"] for document in documents}) == 12
    assert len(house.results()) == 24
    assert len(house.archived()) == 12
    assert house.failed() == house.waiting() == house.temporary() == []


def test_terminated_in_the_middle_of_a_job_it_exits_well_and_gives_the_job_back(
    house: House, start: Start, gate: Path
) -> None:
    house.drop("dog.yaml", b"prompt: missing\n")
    program = running_job(house, start, gate)
    worker = program.worker()
    status = Program(house).call("status").stdout
    assert "daemon     ok since" in status
    assert "step 1 of 2" in status
    assert "queue      2" in status
    assert program.end(signal.SIGTERM) == 0
    worker.wait(DEADLINE_S)
    assert "given back" in program.log()
    status = Program(house).call("status")
    assert status.returncode == 0
    assert "not running" in status.stdout
    assert "2 queued" in status.stdout
    gate.touch()
    assert Program(house).call("once").returncode == 3  # of the two, one waits for its model
    assert house.sidecar("cat.json")["attempts"] == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_drain_that_is_stopped_says_so_to_its_script_and_a_later_one_finishes(
    house: House, start: Start, gate: Path, number: int, code: int
) -> None:
    house.drop("cat.yaml", f"prompt: wait {gate}\n".encode())
    program = start("once")
    program.until(program.is_running_a_job)
    assert program.end(number) == code
    gate.touch()
    assert Program(house).call("once").returncode == 0
    assert house.results() == ["cat.json", "cat.png"]


def test_terminated_with_time_to_end_it_delivers_first(house: House, start: Start, gate: Path) -> None:
    program = running_job(house, start, gate, AURA_STOP_TIMEOUT="60")
    assert program.process is not None
    program.process.send_signal(signal.SIGINT)
    program.until(lambda: program.health().get("status") == "stopping")
    gate.touch()
    assert program.process.wait(DEADLINE_S) == 0
    assert house.results() == ["cat.json", "cat.png"]


# -- the worker --------------------------------------------------------------------------------------------------------


def test_a_killed_worker_costs_an_attempt_and_no_job(house: House, start: Start, gate: Path) -> None:
    program = running_job(house, start, gate)
    first = program.worker()
    first.kill()
    program.until(lambda: any(child != first for child in psutil.Process(program.pid).children()))
    gate.touch()
    program.until(lambda: "cat.json" in house.results())
    assert house.sidecar("cat.json")["attempts"] == 2
    assert program.end() == 0


# -- two of them -------------------------------------------------------------------------------------------------------


def test_a_second_daemon_on_the_inbox_refuses_and_names_the_first(house: House, start: Start) -> None:
    first = start()
    first.until(lambda: first.health().get("status") == "ok")
    second = Program(house, LIGHT, AURA_STATE=str(house.root / "another")).call("run")
    assert second.returncode == 2
    assert f"process {first.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert first.end() == 0


# -- what is seen meanwhile --------------------------------------------------------------------------------------------


def test_once_says_that_only_jobs_are_left_that_wait_for_a_model(house: House) -> None:
    house.drop("cat.yaml", b"prompt: missing\n")
    house.drop("beach.png", PNG)
    ran = Program(house).call("once")
    assert ran.returncode == 3, ran.stderr
    assert house.results() == ["beach.json", "beach.txt"]
    assert "the hub is down" in ran.stderr


def test_files_that_arrive_while_it_runs_are_found_by_events(house: House, start: Start) -> None:
    program = start(AURA_SCAN_INTERVAL="3600")
    program.until(lambda: program.health().get("status") == "ok")
    house.drop("cat.yaml")
    (house.root / ".beach.png.Xy12").write_bytes(PNG)
    (house.root / ".beach.png.Xy12").rename(house.inbox / "beach.png")
    album = house.root / "album"
    album.mkdir()
    (album / "caf\udce9.yaml").write_bytes(b"prompt: x\n")
    album.rename(house.inbox / "album")
    program.until(lambda: len(house.results()) == 6)
    names = {os.fsencode(name) for name in house.results()}
    assert {b"cat.png", b"beach.txt", b"album/caf\xe9.png"} <= names
    assert program.end() == 0


def test_a_kill_between_putting_a_text_back_and_withdrawing_its_job_draws_it_once(house: House) -> None:
    house.drop("set001.txt", b"photo of sks dog")
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE), retry_first=3600)
    house.drop("set001.webp", PNG)
    moment = "journal.withdraw:before:1"
    died = Program(house, AURA_TEST_DIE_AT=moment, AURA_SETTLE="0", AURA_PAIR_WAIT="0").call("once")
    assert died.returncode == -signal.SIGKILL, died.stderr
    house.drain()
    once = ["set001.json", "set001.png", "set001.txt", "set001.txt.json"]
    assert (house.results(), house.waiting(), house.failed()) == (once, ["set001.txt"], [])
    house.drain()
    assert (house.results(), house.waiting()) == (once, ["set001.txt"])
