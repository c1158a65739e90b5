"""Out of memory, from the worker's report to the sidecar; jobs that run together. The worker is scripted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import FILE_NAME
from aura_daemon.ladder.rungs import Rung
from tests.support.house import House, make
from tests.support.scripted_worker import ScriptedWorker

FULL = Failure(kind=FailureKind.OUT_OF_MEMORY, message="out of memory: 1.5 GiB needed, 0.2 GiB free")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def failing(count: int, failure: Failure = FULL) -> Callable[[Task], Outcome]:
    """A script in which the first `count` attempts fail."""
    left = [count]

    def play(task: Task) -> Outcome:
        left[0] -= 1
        return failure if left[0] >= 0 else make(task)

    return play


def drained(house: House, worker: ScriptedWorker, **settings: Any) -> Any:
    with house.daemon(worker, **settings) as daemon:
        return daemon.run()


def test_a_job_that_ran_out_of_memory_goes_on_a_rung_lower_with_its_seed(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    worker = ScriptedWorker(failing(2), device="cuda:0")
    summary = drained(house, worker)
    assert (summary.done, summary.failed) == (1, 0)
    starts = [batch.start.rung for batch in worker.batches]
    assert starts == [None, Rung.TILED_DECODE, Rung.SPLIT_GUIDANCE]
    assert len({task.request.seed for batch in worker.batches for task in batch.tasks}) == 1  # type: ignore[union-attr]
    document = house.sidecar("cat.json")
    assert document["attempts"] == 3
    assert [(one["rung"], one["outcome"]) for one in document["tried"]] == [
        ("resident", "out_of_memory"),
        ("tiled_decode", "out_of_memory"),
        ("cpu", "done"),  # what the scripted result says of itself
    ]
    assert document["tried"][0]["reason"] == FULL.message
    assert document["tried"][0]["peak_bytes"] == 1000
    assert document["tried"][0]["seconds"] >= 0


def test_models_beside_it_are_given_up_before_a_rung_is_left(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    worker = ScriptedWorker(failing(2), device="cuda:0", alone=False)
    assert drained(house, worker).done == 1
    assert [batch.start.rung for batch in worker.batches] == [None, Rung.RESIDENT, Rung.TILED_DECODE]


def test_where_no_rung_is_left_the_report_has_the_figures_every_attempt_and_what_to_do(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    worker = ScriptedWorker(failing(99))
    summary = drained(house, worker)
    assert (summary.done, summary.failed) == (0, 1)
    assert len(worker.batches) == 5
    report = house.sidecar("failed/cat.yaml.json")
    assert report["kind"] == "out_of_memory"
    assert report["attempts"] == 5
    assert [one["rung"] for one in report["tried"]] == [
        "cpu", "cpu_tiled_decode", "cpu_split_guidance", "cpu_half_weights", "cpu_mapped_weights"
    ]  # fmt: skip
    assert "1.5 GiB needed, 0.2 GiB free (tried: cpu, cpu_tiled_decode" in report["reason"]
    assert report["mend"].count(";") == 2


def test_an_attempt_that_crashed_is_listed_too_and_counts(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    died = Failure(kind=FailureKind.CRASHED, message="the worker process was killed by signal 11 (SIGSEGV)")
    drained(house, ScriptedWorker(failing(1, died)))
    tried = house.sidecar("cat.json")["tried"]
    assert [one["outcome"] for one in tried] == ["crashed", "done"]
    assert "SIGSEGV" in tried[0]["reason"]


def test_a_stop_between_two_rungs_changes_nothing(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    with house.daemon(lambda task: (daemon.stop(), FULL)[1], drain=False) as daemon:
        daemon.run()
    second = ScriptedWorker(make)
    assert drained(house, second).done == 1
    assert second.batches[0].start.rung is Rung.CPU_TILED_DECODE
    assert [one["rung"] for one in house.sidecar("cat.json")["tried"]] == ["cpu", "cpu"]


def test_what_was_measured_and_refused_is_kept_for_the_next_start(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    drained(house, ScriptedWorker(failing(1)))
    house.drop("dog.yaml", b"prompt: a dog\n")
    worker = ScriptedWorker(make)
    drained(house, worker)
    (batch,) = worker.batches
    known = {(one.rung, one.peak_bytes > 0, one.refused_bytes) for one in batch.measured}
    assert known == {(Rung.CPU, False, 2000), (Rung.CPU_TILED_DECODE, True, 0)}


def test_a_worker_whose_memory_grows_from_job_to_job_is_started_anew(house: House) -> None:
    house.drop("many.yaml", b"prompt: a cat\ncount: 60\n")
    for growth, starts in ((40 << 20, 3), (10 << 20, 1)):
        worker = ScriptedWorker(make)
        worker.grows_bytes = growth
        assert drained(house, worker).done == 60
        assert worker.starts == starts
        house.drop("many.yaml", b"prompt: a dog\ncount: 60\n")


# -- killed with the daemon ------------------------------------------------------------------------------------------


def interrupted(house: House, *, device: str = "cpu", placed: bool = True, kills: int = 1, boot: str = "") -> None:
    """A daemon ends in the middle of its job, and meanwhile the kernel kills `kills` processes."""
    worker = ScriptedWorker(lambda task: None, device=device)
    with house.daemon(worker, drain=False) as daemon:
        while not worker.batches:
            daemon.turn()
        daemon.turn()  # the journal is told where the job runs
    with closing(sqlite3.connect(house.state / FILE_NAME)) as database:
        (text,) = database.execute("SELECT begun FROM jobs WHERE state = 'running'").fetchone()
        begun = json.loads(text)
        begun["kills"] -= kills
        begun["boot"] = boot or begun["boot"]
        begun["tried"] = begun["tried"] if placed else None
        database.execute("UPDATE jobs SET begun = ? WHERE state = 'running'", (json.dumps(begun),))
        database.commit()


def test_a_daemon_that_the_kernel_killed_with_its_worker_goes_on_a_rung_lower(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    interrupted(house)
    interrupted(house)
    worker = ScriptedWorker(make)
    assert drained(house, worker).done == 1
    assert [batch.start.rung for batch in worker.batches] == [Rung.CPU_SPLIT_GUIDANCE]
    assert [one.refused_bytes for one in worker.batches[0].measured] == [2000, 2000]
    tried = house.sidecar("cat.json")["tried"]
    assert [(one["rung"], one["outcome"]) for one in tried[:-1]] == [
        ("cpu", "out_of_memory"),
        ("cpu_tiled_decode", "out_of_memory"),
    ]
    assert "took the daemon together with its worker" in tried[0]["reason"]


def test_killed_so_on_every_rung_the_job_fails_and_nothing_loops(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    for _ in range(5):
        interrupted(house)
    summary = drained(house, ScriptedWorker(make))
    assert (summary.done, summary.failed) == (0, 1)
    report = house.sidecar("failed/cat.yaml.json")
    assert (report["kind"], len(report["tried"])) == ("out_of_memory", 5)
    assert house.waiting() == house.temporary() == []


def test_on_a_gpu_it_is_a_crash_and_counts(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    interrupted(house, device="cuda:0")
    worker = ScriptedWorker(make, device="cuda:0")
    assert drained(house, worker).done == 1
    assert worker.batches[0].start.rung is None
    document = house.sidecar("cat.json")
    assert [(one["rung"], one["outcome"]) for one in document["tried"][:-1]] == [("resident", "crashed")]


def test_killed_before_a_rung_was_chosen_it_counts_too(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    interrupted(house, placed=False)
    assert drained(house, ScriptedWorker(failing(1))).done == 1
    tried = house.sidecar("cat.json")["tried"]
    assert [(one["rung"], one["outcome"]) for one in tried[:2]] == [(None, "out_of_memory"), ("cpu", "out_of_memory")]


@pytest.mark.parametrize(("kills", "boot"), [(0, ""), (1, "another start of the machine")])
def test_a_daemon_that_ended_otherwise_holds_nothing_against_the_job(house: House, kills: int, boot: str) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    interrupted(house, kills=kills, boot=boot)
    worker = ScriptedWorker(make)
    assert drained(house, worker).done == 1
    assert worker.batches[0].start.rung is None
    assert len(house.sidecar("cat.json")["tried"]) == 1


# -- together --------------------------------------------------------------------------------------------------------


def test_compatible_jobs_of_different_files_are_drawn_together_on_a_gpu(house: House) -> None:
    for name in ("a", "b", "c"):
        house.drop(f"{name}.yaml", f"prompt: {name}\nsteps: 5\n".encode())
    house.drop("d.yaml", b"prompt: d\nsteps: 6\n")
    worker = ScriptedWorker(make, device="cuda:0")
    summary = drained(house, worker, batch=4)
    assert (summary.done, summary.failed) == (4, 0)
    prompts = [[task.request.prompt for task in batch.tasks] for batch in worker.batches]  # type: ignore[union-attr]
    assert prompts == [["a", "b", "c"], ["d"]]
    assert {"a.json", "b.json", "c.json", "d.json"} <= set(house.results())
    assert house.sidecar("b.json")["request"]["prompt"] == "b"


def test_on_a_cpu_every_job_runs_alone_unless_somebody_says_otherwise(house: House) -> None:
    for name in ("a", "b"):
        house.drop(f"{name}.yaml", f"prompt: {name}\n".encode())
    worker = ScriptedWorker(make)
    drained(house, worker)
    assert [len(batch.tasks) for batch in worker.batches] == [1, 1]


def test_one_of_a_batch_may_fail_alone(house: House) -> None:
    for name in ("a", "b", "c"):
        house.drop(f"{name}.yaml", f"prompt: {name}\n".encode())
    bad = Failure(kind=FailureKind.UNEXPECTED, message="NaN")
    worker = ScriptedWorker(lambda task: bad if task.request.prompt == "b" else make(task))  # type: ignore[union-attr]
    summary = drained(house, worker, batch=4)
    assert (summary.done, summary.failed) == (2, 1)
    assert house.failed() == ["b.yaml", "b.yaml.json"]


def test_a_batch_that_does_not_fit_is_halved(house: House) -> None:
    for name in ("a", "b", "c", "d"):
        house.drop(f"{name}.yaml", f"prompt: {name}\n".encode())
    worker: ScriptedWorker

    def play(task: Task) -> Outcome:
        return FULL if len(worker.batches[-1].tasks) > 2 else make(task)

    worker = ScriptedWorker(play, device="cuda:0")
    assert drained(house, worker, batch=4).done == 4
    assert [len(batch.tasks) for batch in worker.batches] == [4, 2, 2]
    assert all(batch.start.rung in (None, Rung.RESIDENT) for batch in worker.batches)


def test_a_cancelled_one_of_a_batch_leaves_the_others(house: House) -> None:
    for name in ("a", "b"):
        house.drop(f"{name}.yaml", f"prompt: {name}\n".encode())
    worker = ScriptedWorker(lambda task: None)
    with house.daemon(worker, batch=4) as daemon:
        while not worker.batches:
            daemon.turn()
        first, second = (task.job_id for task in worker.batches[0].tasks)
        worker.cancel(first)
        daemon.turn()
        assert daemon.pool.is_running
        worker.finish(second, make(worker.batches[0].tasks[1]))
        daemon.turn()
    assert "b.json" in house.results()
    assert house.sidecar("failed/a.yaml.json")["kind"] == "cancelled"


@pytest.mark.parametrize(
    ("may_spill", "cause", "refused_bytes", "learned_s"),
    [(True, "the driver gives memory of the host instead", 2000, 0.5), (False, "heat or a battery", 0, 6.0)],
)
def test_steps_ten_times_as_slow_are_told_and_where_memory_spills_the_rung_counts_as_too_small(
    house: House, may_spill: bool, cause: str, refused_bytes: int, learned_s: float
) -> None:
    def play(task: Task) -> Outcome:
        made = make(task)
        assert isinstance(made, Produced)
        return replace(made, peak_bytes=1500)

    for name, step_s in (("usual.yaml", 0.5), ("slow.yaml", 6.0)):
        house.drop(name)
        worker = ScriptedWorker(play, device="cuda:0")
        worker.step_s = step_s
        with house.daemon(worker) as daemon:
            daemon.dispatcher.outcomes.gpu_may_spill = may_spill
            daemon.run()
    (warning,) = house.sidecar("slow.json")["warnings"]
    assert "a step took 6 s instead of 0.5 s on rung resident" in warning
    assert cause in warning
    assert house.sidecar("usual.json")["warnings"] == []
    with closing(house.journal()) as journal:
        (learned,) = journal.measured("aura-mini")
    assert (learned.refused_bytes, learned.step_s) == (refused_bytes, learned_s)
