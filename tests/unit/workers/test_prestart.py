"""Whether a worker is started before its first job."""

from __future__ import annotations

from contextlib import closing

import pytest

from aura_daemon.workers.pool import WorkerPool
from aura_daemon.workers.prestart import ROOM_BYTES, WORKER_BYTES, Prestart, Prestarter
from tests.support.house import PNG, House, make
from tests.support.scripted_worker import ScriptedWorker


@pytest.fixture
def worker() -> ScriptedWorker:
    """The daemon of `house` closes it."""
    worker = ScriptedWorker(make)
    worker.starts_ahead = True
    return worker


@pytest.mark.parametrize(
    ("when", "room_bytes", "with_daemon", "with_file"),
    [
        (Prestart.AUTO, ROOM_BYTES, 0, 1),
        (Prestart.AUTO, ROOM_BYTES - 1, 0, 0),
        (Prestart.ALWAYS, 0, 1, 1),
        (Prestart.NEVER, ROOM_BYTES, 0, 0),
    ],
)
def test_configuration_and_memory_decide(
    worker: ScriptedWorker, when: Prestart, room_bytes: int, with_daemon: int, with_file: int
) -> None:
    with closing(worker):
        prestarter = Prestarter(when, WorkerPool([worker]), available_bytes=lambda: WORKER_BYTES + room_bytes)
        prestarter.begin()
        assert worker.starts == with_daemon
        prestarter.expect_work()
        prestarter.expect_work()
        assert worker.starts == with_file


def test_one_that_died_without_a_job_is_not_started_ahead_again(worker: ScriptedWorker) -> None:
    with closing(worker):
        pool = WorkerPool([worker])
        prestarter = Prestarter(Prestart.ALWAYS, pool)
        prestarter.begin()
        worker.stop(0.0)
        pool.slots[0].poll()
        prestarter.expect_work()
        assert worker.starts == 1


def test_of_several_the_first_is_started_ahead_and_the_others_with_their_first_jobs() -> None:
    workers = [ScriptedWorker(make) for _ in range(3)]
    for one in workers:
        one.starts_ahead = True
    pool = WorkerPool({f"gpu {number}": one for number, one in enumerate(workers)})
    prestarter = Prestarter(Prestart.ALWAYS, pool)
    prestarter.begin()
    prestarter.expect_work()
    assert [one.starts for one in workers] == [1, 0, 0]
    workers[0].stop(0.0)
    workers[1].prestart()
    prestarter.expect_work()  # one runs already, whichever
    assert [one.starts for one in workers] == [1, 1, 0]
    for one, slot in zip(workers, pool.slots, strict=True):
        one.stop(0.0)
        slot.poll()
    workers[0].lost_device = "it fell off the bus"
    workers[0].prestart()
    pool.slots[0].poll()
    workers[0].stop(0.0)
    prestarter.expect_work()
    assert [one.starts for one in workers] == [2, 2, 0]  # the second: the first found no device
    for one in workers:
        one.close()


@pytest.mark.parametrize(
    ("name", "content", "starts"), [("cat.yaml", b"prompt: a cat", 1), ("cat.png", PNG, 1), ("cat.zip", b"PK", 0)]
)
def test_it_is_started_while_a_file_settles_that_may_ask_for_it(
    house: House, worker: ScriptedWorker, name: str, content: bytes, starts: int
) -> None:
    house.drop(name, content)
    with house.daemon(worker, drain=False, settle=3600, pair_wait=3600, prestart=True) as daemon:
        daemon.pool.slots[0].unload()  # the one that came with the daemon
        before = worker.starts
        daemon.turn()
        assert worker.starts - before == starts
        assert house.waiting() == [name]
        assert daemon.health.document().memory.worker_bytes == (3 if starts else None)


def test_a_worker_that_found_nothing_to_do_is_unloaded(house: House, worker: ScriptedWorker) -> None:
    with house.daemon(worker, drain=False, prestart=True, unload_after=1) as daemon:
        daemon.turn()
        assert worker.pid is not None
        daemon.pool.slots[0].idle_since_s -= 1
        daemon.turn()
        assert worker.pid is None
