"""The health document's facts: where the running job computes, and where the last one did."""

from __future__ import annotations

from aura_daemon.daemon.loop import Daemon
from aura_daemon.health.document import Health
from aura_daemon.jobs.results import FailureKind
from aura_daemon.workers.pool import WorkerPool
from tests.support.house import House, fail, make
from tests.support.scripted_worker import ScriptedWorker


def where(page: Health) -> tuple[str | None, str | None, str | None, str | None]:
    return page.device, page.device_name, page.dtype, page.rung


def turn_until_idle(daemon: Daemon) -> None:
    daemon.turn()
    while daemon.pool.is_running:
        daemon.turn()


def test_a_worker_that_has_run_nothing_tells_nothing_and_one_that_has_the_rung_it_ran_on_last(house: House) -> None:
    with house.daemon(ScriptedWorker(make, device="cuda:0"), drain=False) as daemon:
        assert where(daemon.health.document()) == (None, None, None, None)
        house.drop("dog.yaml")
        turn_until_idle(daemon)
        assert where(daemon.health.document()) == ("cuda:0", "scripted", "float32", "resident")
        assert daemon.health.document().models == ["scripted"]


def test_an_unloaded_worker_tells_no_device_but_its_device_is_still_known(house: House) -> None:
    house.drop("cat.yaml")
    worker = ScriptedWorker(make, device="cuda:0")
    with house.daemon(worker, drain=False, unload_after=1) as daemon:
        turn_until_idle(daemon)
        while worker.pid is not None:
            daemon.turn()
        assert where(daemon.health.document()) == (None, None, None, None)
        assert daemon.health.document().models == []


def test_the_running_job_tells_its_batch_and_its_rung_once_that_is_chosen(house: House) -> None:
    for name in ("a", "b"):
        house.drop(f"{name}.yaml", f"prompt: {name}\n".encode())
    worker = ScriptedWorker(lambda task: None, device="cuda:0")
    with house.daemon(worker, drain=False, batch=4) as daemon:
        daemon.turn()
        current = daemon.health.document().current
        assert current is not None
        assert (current.source, current.batch, current.rung) == ("a.yaml", 2, None)
        daemon.turn()
        page = daemon.health.document()
        assert page.current is not None
        assert (page.current.batch, page.current.rung, page.current.step) == (2, "resident", 2)
        assert Health.model_validate_json(page.to_json()) == page
        first, second = (task.job_id for task in worker.batches[0].tasks)
        worker.finish(first, make(worker.batches[0].tasks[0]))
        daemon.turn()
        left = daemon.health.document().current
        assert left is not None
        assert (left.id, left.batch) == (second, 1)
        worker.finish(second, make(worker.batches[0].tasks[1]))
        daemon.turn()
        assert daemon.health.document().current is None


def test_a_daemon_that_takes_over_tells_where_the_workers_of_its_pool_stand(house: House) -> None:
    worker = ScriptedWorker(make)
    pool = WorkerPool([worker])
    house.drop("cat.yaml")
    with house.daemon_of(pool) as before:
        turn_until_idle(before)
        told = where(before.health.document())
    with house.daemon_of(pool) as after:
        assert where(after.health.document()) == told == ("cpu", "scripted", "float32", "cpu")
    worker.close()


def test_an_error_is_told_until_another_one(house: House) -> None:
    house.drop("cat.yaml")
    with house.daemon(fail(FailureKind.BAD_INPUT, "no good"), drain=False) as daemon:
        turn_until_idle(daemon)
        assert "no good" in (daemon.health.document().last_error or "")
