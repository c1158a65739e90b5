"""Several workers: one slot for each, filled in the order of the queue; a worker that fails stops no other."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.daemon.loop import Daemon
from aura_daemon.dispatch.batching import CAPTIONS
from aura_daemon.jobs.results import FailureKind
from aura_daemon.jobs.tasks import Task
from tests.support.house import PNG, House, fail, make
from tests.support.scripted_worker import ScriptedWorker


def workers(count: int = 3) -> list[ScriptedWorker]:
    """Workers whose jobs end when the test says so."""
    return [ScriptedWorker(lambda task: None) for _ in range(count)]


@contextmanager
def open_daemon(house: House, pool: list[ScriptedWorker], **changes: object) -> Iterator[Daemon]:
    with house.daemon(pool, drain=False, **changes) as daemon:
        yield daemon


def prompts(worker: ScriptedWorker) -> list[str]:
    """The prompts that a worker was given, in order."""
    return [task.request.prompt for batch in worker.batches for task in batch.tasks]  # type: ignore[union-attr]


def end(worker: ScriptedWorker) -> None:
    """Lets the running job of a worker succeed."""
    task = worker.batches[-1].tasks[0]
    worker.finish(task.job_id, make(task))


def drop(house: House, *names: str) -> None:
    for name in names:
        house.drop(f"{name}.yaml", f"prompt: {name}\n".encode())


def test_every_worker_gets_the_next_job_of_the_queue(house: House) -> None:
    drop(house, "a", "b", "c", "d", "e")
    pool = workers()
    with open_daemon(house, pool) as daemon:
        daemon.turn()
        assert [prompts(worker) for worker in pool] == [["a"], ["b"], ["c"]]
        end(pool[1])
        daemon.turn()
        assert [prompts(worker) for worker in pool] == [["a"], ["b", "d"], ["c"]]
        end(pool[0])
        end(pool[2])
        daemon.turn()
        assert [prompts(worker) for worker in pool] == [["a", "e"], ["b", "d"], ["c"]]
        assert house.results() == ["a.json", "a.png", "b.json", "b.png", "c.json", "c.png"]


def test_higher_priority_comes_first_whichever_worker_is_free(house: House) -> None:
    drop(house, "a", "b")
    house.drop("urgent.yaml", b"prompt: urgent\npriority: 5\n")
    pool = workers(2)
    with open_daemon(house, pool) as daemon:
        daemon.turn()
        assert [prompts(worker) for worker in pool] == [["urgent"], ["a"]]


def test_a_result_that_the_outbox_refuses_keeps_its_own_worker_alone_from_work(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(house, "a", "b", "c", "d", "e", "f", "g")
    link = os.link

    def refuse_b(source: Path, target: Path, **options: Any) -> None:
        if target.name == "b.png":
            raise OSError(errno.EACCES, "Permission denied", "b.png")
        link(source, target, **options)

    pool = workers()
    with open_daemon(house, pool, retry_first=0.1, retry_at_most=0.1) as daemon:
        daemon.turn()
        monkeypatch.setattr(os, "link", refuse_b)
        end(pool[1])
        daemon.turn()
        assert prompts(pool[1]) == ["b", "d"]  # it went on before the outbox was asked
        end(pool[1])
        daemon.turn()
        assert prompts(pool[1]) == ["b", "d"]  # the results of both are still in the daemon's memory
        end(pool[0])
        end(pool[2])
        daemon.turn()
        assert [prompts(worker) for worker in pool] == [["a", "e"], ["b", "d"], ["c", "f"]]
        monkeypatch.setattr(os, "link", link)
        while "b.json" not in house.results():
            daemon.turn()
        while len(prompts(pool[1])) < 3:
            daemon.turn()
        assert prompts(pool[1]) == ["b", "d", "g"]


def test_a_worker_that_fails_job_after_job_leaves_the_others_their_work(house: House) -> None:
    drop(house, "a", "b", "c", "d")
    broken = ScriptedWorker(fail(FailureKind.CRASHED, "it died"))
    pool = [broken, *workers(2)]
    with open_daemon(house, pool, attempts=1) as daemon:
        for _ in range(4):
            daemon.turn()
        assert [prompts(worker) for worker in pool[1:]] == [["b"], ["c"]]
        assert prompts(broken) == ["a", "d"]
        assert house.failed() == ["a.yaml", "a.yaml.json", "d.yaml", "d.yaml.json"]


def test_a_job_is_cancelled_at_the_worker_that_has_it(house: House) -> None:
    drop(house, "a", "b")
    pool = workers(2)
    with open_daemon(house, pool) as daemon:
        daemon.turn()
        job = daemon.journal.job(pool[1].batches[0].tasks[0].job_id)
        assert daemon.dispatcher.cancel(job, daemon.journal.source(job.source_id))[0]
        daemon.turn()
    assert house.failed() == ["b.yaml", "b.yaml.json"]


def test_each_worker_keeps_to_the_model_that_it_has_loaded(house: House) -> None:
    for number in range(4):
        model = "one" if number % 2 else "two"
        house.drop(f"{number}.yaml", f"prompt: x{number}\nmodel: {model}\n".encode())
    pool = [ScriptedWorker(make), ScriptedWorker(make)]
    with open_daemon(house, pool, generate={"models": ["one", "two"]}) as daemon:
        for _ in range(6):
            daemon.turn()
    assert [prompts(worker) for worker in pool] == [["x0", "x2"], ["x1", "x3"]]


def test_of_a_stop_every_running_job_is_given_back(house: House) -> None:
    drop(house, "a", "b", "c")
    with open_daemon(house, workers()) as daemon:
        daemon.start()
        daemon.turn()
        assert daemon.pool.is_running
        daemon.shut_down()
    seen: list[str] = []

    def note(task: Task) -> object:
        seen.append(task.job_id)
        return make(task)

    assert house.drain(note).done == 3  # type: ignore[arg-type]
    assert len(seen) == 3


@pytest.mark.parametrize(("count", "given"), [(1, [16]), (2, [8, 8])])
def test_one_worker_gets_the_captions_of_two_batches_and_several_share_them(
    house: House, count: int, given: list[int]
) -> None:
    for number in range(16):
        house.drop(f"{number}.png", PNG)
    pool = workers(count)
    with open_daemon(house, pool) as daemon:
        daemon.turn()
        assert [[len(batch.tasks) for batch in worker.batches] for worker in pool] == [[one] for one in given]
        assert {batch.together for worker in pool for batch in worker.batches} == {CAPTIONS}


def test_the_sidecar_names_the_node_where_that_is_another_machine(house: House) -> None:
    here, there = ScriptedWorker(make), ScriptedWorker(make)
    there.node = "box-2"
    for name in ("a", "b"):
        house.drop(f"{name}.yaml", f"prompt: {name}\n".encode())
    with house.daemon([here, there], batch=1) as daemon:
        daemon.run()
    assert len(here.batches) == len(there.batches) == 1
    assert [house.sidecar(f"{name}.json").get("node") for name in ("a", "b")] == [None, "box-2"]
