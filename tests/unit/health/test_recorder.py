"""The health document's facts: where the running job computes, and where the last one did."""

from __future__ import annotations

from aura_daemon.daemon.explain import explain
from aura_daemon.daemon.loop import Daemon
from aura_daemon.health.document import Health, Status
from aura_daemon.health.holdups import WORKERS
from aura_daemon.jobs.results import FailureKind
from aura_daemon.workers.pool import WorkerPool
from aura_daemon.workers.protocol import Loading
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


def test_each_of_several_workers_tells_where_it_is_and_what_it_runs(house: House) -> None:
    for name in ("a", "b", "c"):
        house.drop(f"{name}.yaml", f"prompt: {name}\n".encode())
    first, second = ScriptedWorker(lambda task: None, device="cuda:0"), ScriptedWorker(lambda task: None)
    second.node = "box-2"
    with house.daemon([first, second], drain=False, batch=1) as daemon:
        assert [(one.name, one.state) for one in daemon.health.document().workers] == [("1", "off"), ("2", "off")]
        daemon.turn()
        daemon.turn()
        page = daemon.health.document()
        assert Health.model_validate_json(page.to_json()) == page
        one, other = page.workers
        assert [(w.node, w.state, w.device, w.rung, len(w.jobs)) for w in page.workers] == [
            ("", "running", "cuda:0", "resident", 1),
            ("box-2", "running", "cpu", "cpu", 1),
        ]
        assert one.current == page.current
        assert one.current is not None
        assert other.current is not None
        assert (one.current.source, one.current.batch, other.current.source) == ("a.yaml", 1, "b.yaml")
        assert (other.current.step, other.current.rung, page.running) == (2, "cpu", 2)
        assert where(page) == ("cuda:0", "scripted", "float32", "resident")
        for worker in (first, second):
            worker.finish(worker.batches[0].tasks[0].job_id, make(worker.batches[0].tasks[0]))
        daemon.turn()
        one, other = daemon.health.document().workers
        assert ([one.state, other.state], other.models) == (["running", "idle"], ["scripted"])
        assert (other.memory.device_used_bytes, other.memory.device_free_bytes) == (1, 2)


def test_a_model_is_loaded_by_one_worker_and_not_by_the_others(house: House) -> None:
    for name in ("a", "b"):
        house.drop(f"{name}.yaml", f"prompt: {name}\n".encode())
    first, second = ScriptedWorker(lambda task: None), ScriptedWorker(lambda task: None, steps=0)
    with house.daemon([first, second], drain=False, batch=1) as daemon:
        daemon.turn()
        second._say(Loading(model="big", done_bytes=1, total_bytes=2))
        daemon.turn()
        told = [worker.current.progress for worker in daemon.health.document().workers if worker.current is not None]
        assert told == ["step 2 of 2", "loading big 50 %"]
        assert [worker.models for worker in daemon.health.document().workers] == [["scripted"], ["big"]]


def test_jobs_that_find_no_worker_are_held_up_until_one_has_a_place(house: House) -> None:
    house.drop("cat.yaml")
    workers = ScriptedWorker(make), ScriptedWorker(make)
    for worker in workers:
        worker.takes_batches = False
    with house.daemon(workers, drain=False) as daemon:
        daemon.turn()
        assert daemon.health.document().holdups == []  # they may have a place in a moment
        for worker in workers:
            worker.trouble = "a worker waits for 1 GPU: no node of 2 has enough GPU"
        page = daemon.health.document()
        (held,) = page.holdups
        assert (held.what, held.reason, page.status) == (WORKERS, workers[0].trouble, Status.DEGRADED)
        assert held.mend.startswith("1 job waits for a worker")
        assert held.since
        assert [(one.state, one.trouble) for one in page.workers] == [("waiting", held.reason), ("off", held.reason)]
        told = explain(house.inbox / "cat.yaml", daemon.settings, page).text
        assert f"queued, held up: {held.reason} (since {held.since})" in told
        workers[1].takes_batches = True
        assert daemon.health.document().holdups == []


def test_a_worker_that_nobody_needs_any_more_seeks_no_place(house: House) -> None:
    house.drop("cat.yaml")
    workers = ScriptedWorker(make), ScriptedWorker(make)
    workers[0].takes_batches = False
    with house.daemon(workers, drain=False) as daemon:
        turn_until_idle(daemon)
        daemon.turn()
        assert [one.state for one in daemon.health.document().workers] == ["off", "idle"]
