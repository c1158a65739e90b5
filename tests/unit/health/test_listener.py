"""What listeners are told: attempts that failed and what follows, workers that ended, files that were refused."""

from __future__ import annotations

from aura_daemon.daemon.loop import Daemon
from aura_daemon.health.listener import AttemptFailed, Event, FollowUp, JobFailed, WorkerEnd, WorkerEnded
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from tests.support.house import PNG, House, fail, is_caption, make
from tests.support.scripted_worker import ScriptedWorker

CRASHED = Failure(kind=FailureKind.CRASHED, message="it crashed")


class Told:
    """Keeps what is told of failures and of ends of workers."""

    def __init__(self) -> None:
        self.attempts: list[tuple[FailureKind, FollowUp, str | None]] = []
        self.failed: list[JobFailed] = []
        self.ended: list[WorkerEnd] = []

    def on_event(self, event: Event) -> None:
        match event:
            case AttemptFailed():
                rung = event.tried.rung if event.tried is not None else None
                self.attempts.append((event.failure.kind, event.follow_up, rung))
            case JobFailed():
                self.failed.append(event)
            case WorkerEnded():
                self.ended.append(event.why)
            case _:
                pass


def turn_until_idle(daemon: Daemon) -> None:
    daemon.turn()
    while daemon.pool.is_running:
        daemon.turn()


def test_a_job_that_runs_out_of_memory_tells_each_rung_it_left_and_its_end(house: House) -> None:
    told = Told()
    house.drop("cat.yaml")
    with house.daemon(
        ScriptedWorker(fail(FailureKind.OUT_OF_MEMORY), device="cuda:0"), listeners=[told], drain=True
    ) as daemon:
        daemon.run()
    assert told.attempts[0] == (FailureKind.OUT_OF_MEMORY, FollowUp.STEP_DOWN, "resident")
    assert [follow_up for _, follow_up, _ in told.attempts].count(FollowUp.GIVE_UP) == 1
    assert told.attempts[-1][1] is FollowUp.GIVE_UP
    (failed,) = told.failed
    assert failed.job is not None
    assert failed.job.kind == "generate"


def test_a_file_that_is_refused_has_no_job(house: House) -> None:
    told = Told()
    house.drop("cat.yaml", b"prompt: [\n")
    with house.daemon(listeners=[told]) as daemon:
        daemon.run()
    assert [(failed.job, failed.source.path) for failed in told.failed] == [(None, "cat.yaml")]
    assert told.attempts == []


def test_a_worker_that_dies_under_a_job_or_idle_is_told_once(house: House) -> None:
    told, worker = Told(), ScriptedWorker(lambda task: None)
    house.drop("cat.yaml")
    with house.daemon(worker, listeners=[told], drain=False) as daemon:
        daemon.turn()
        worker.crash(CRASHED)
        daemon.turn()
        assert told.ended == [WorkerEnd.DIED]
        assert told.attempts == [(FailureKind.CRASHED, FollowUp.RETRY, "cpu")]
        daemon.turn()  # it runs again
        (task,) = worker.batches[-1].tasks
        worker.finish(task.job_id, make(task))
        daemon.turn()
        worker.crash(CRASHED)
        daemon.turn()
    assert told.ended == [WorkerEnd.DIED, WorkerEnd.DIED]


def test_an_idle_worker_that_is_unloaded_did_not_die(house: House) -> None:
    told, worker = Told(), ScriptedWorker(make)
    house.drop("cat.yaml")
    with house.daemon(worker, listeners=[told], drain=False, unload_after=1) as daemon:
        turn_until_idle(daemon)
        while worker.pid is not None:
            daemon.turn()
        daemon.turn()
    assert told.ended == [WorkerEnd.IDLE]


def test_a_cancelled_job_and_one_that_waits_for_its_model_are_told_apart(house: House) -> None:
    def play(task: Task) -> Outcome:
        return CANCELLED if is_caption(task) else Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="away")

    told = Told()
    house.drop("cat.yaml")
    house.drop("dog.yaml", b"task: caption\nimage: x.png\n")
    house.drop("x.png", PNG)
    with house.daemon(play, listeners=[told]) as daemon:
        daemon.run()
    assert sorted((kind, follow_up) for kind, follow_up, _ in told.attempts) == [
        (FailureKind.CANCELLED, FollowUp.GIVE_UP),
        (FailureKind.MODEL_UNAVAILABLE, FollowUp.WAIT_FOR_MODEL),
    ]
