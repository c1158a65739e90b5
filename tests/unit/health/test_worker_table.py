"""Workers as a table fit the terminal, and say where each is and what it does."""

from __future__ import annotations

import pytest

from aura_daemon.health.document import CurrentJob, Health, Holdup, WorkerState
from aura_daemon.health.worker_table import device_text, doing, is_fleet, troubles, worker_counts, worker_table
from tests.support.health_documents import health_document, worker

JOB = CurrentJob(id="j", kind="generate", source="cat.txt", batch=2, step=12, steps=25, eta_s=None, loading=None)
WHY = "a worker waits for 1 GPU: no node of 2 has enough GPU"


def fleet(**changes: object) -> Health:
    workers = [
        worker("1", JOB, jobs=["j", "k"]),
        worker(
            "2", JOB.model_copy(update={"steps": 0, "source": "dogs/many.csv"}), device_name="NVIDIA GeForce RTX 4090"
        ),
        worker("3", device="cpu", device_name="AMD EPYC 9B45", rung="cpu", models=[]),
        worker(
            "4", node="", state=WorkerState.WAITING, trouble=WHY, device=None, device_name=None, rung=None, models=[]
        ),
    ]
    return health_document(**{"workers": workers, **changes})


def test_a_line_says_where_a_worker_is_and_what_it_does() -> None:
    assert worker_table(fleet(), width=None, most=9) == [
        "worker  node   device    rung      model   job",
        "1       box-1  H200      resident  sd-1.4  12/25 cat.txt and 1 more",
        "2       box-2  RTX 4090  resident  sd-1.4  starting dogs/many.csv",
        "3       box-3  cpu       cpu               idle",
        "4                                          waits for a place",
    ]
    assert worker_counts(fleet()) == "4: 2 running, 1 idle, 1 waiting"


def test_workers_of_one_machine_have_no_column_for_nodes() -> None:
    page = health_document(workers=[worker("gpu 0", JOB, node=""), worker("gpu 1", node="", state=WorkerState.OFF)])
    assert worker_table(page, width=None, most=9) == [
        "worker  device  rung      model   job",
        "gpu 0   H200    resident  sd-1.4  12/25 cat.txt",
        "gpu 1   H200    resident  sd-1.4  off",
    ]


@pytest.mark.parametrize("width", [60, 72, 80, 100])
def test_long_names_are_cut_and_how_far_a_job_is_stays_readable(width: int) -> None:
    long = worker(
        "1",
        JOB.model_copy(update={"source": "a/very/deep/folder/with-a-long-name.yaml"}),
        node="raycluster-aura-gpu-group-worker-x7k2p",
        device_name="NVIDIA RTX PRO 6000 Blackwell Server Edition",
        rung="sequential_offload",
        models=["owner/a-model-with-a-long-name"],
    )
    head, line = worker_table(health_document(workers=[long]), width=width, most=9)
    assert max(len(head), len(line)) <= width
    assert " 12/25 a" in line
    assert "7k2p " in line
    wide = worker_table(health_document(workers=[long]), width=None, most=9)[1]
    assert "raycluster-aura-gpu-group-worker-x7k2p" in wide


def test_of_many_workers_those_that_run_jobs_are_shown_first() -> None:
    many = [worker(str(number), JOB if number == 7 else None) for number in range(1, 9)]
    lines = worker_table(health_document(workers=many), width=80, most=2)
    assert [line.split()[0] for line in lines] == ["worker", "7", "1", "and"]
    assert lines[-1] == "and 6 more"


def test_one_worker_on_this_machine_is_no_fleet() -> None:
    assert not is_fleet(health_document(workers=[worker("", node="")]))
    assert not is_fleet(health_document())
    assert is_fleet(health_document(workers=[worker("")]))
    assert is_fleet(health_document(workers=[worker("", node="", trouble=WHY)]))
    assert is_fleet(fleet())


def test_a_reason_is_told_once_and_not_where_a_hold_up_tells_it() -> None:
    two = [worker("2", trouble=WHY), worker("3", trouble=WHY), worker("4")]
    assert troubles(health_document(workers=two)) == [f"2, 3: {WHY}"]
    assert troubles(health_document(workers=[worker("", trouble=WHY)])) == [WHY]
    held = Holdup(what="workers", reason=WHY, mend="", retry_in_s=0)
    assert troubles(health_document(workers=two, holdups=[held])) == []


def test_a_device_that_is_not_known_is_not_named() -> None:
    assert device_text(worker("1", device=None, device_name=None)) == ""


def test_in_words_the_file_comes_first_and_then_how_far_its_job_is() -> None:
    assert doing(worker("1", JOB, jobs=["j", "k"])) == "cat.txt and 1 more: step 12 of 25"
    assert [doing(worker("1", state=state)) for state in (WorkerState.RUNNING, WorkerState.IDLE)] == ["running", "idle"]


@pytest.mark.parametrize(("total", "told"), [(4, "loading 25 % cat.txt"), (0, "loading cat.txt")])
def test_a_worker_that_loads_says_so(total: int, told: str) -> None:
    loads = JOB.model_copy(update={"loading": "sd-1.4", "loading_done_bytes": 1, "loading_total_bytes": total})
    assert worker_table(health_document(workers=[worker("1", loads)]), width=None, most=9)[1].endswith(f"  {told}")
