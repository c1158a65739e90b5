"""What is shown at a terminal while jobs run."""

from __future__ import annotations

from aura_daemon.cli.progress_bars import MOST_BARS, ProgressBars
from aura_daemon.health.listener import Event
from aura_daemon.jobs.results import Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.workers.protocol import Loading
from tests.support.house import House, make
from tests.support.scripted_worker import ScriptedWorker


def never(task: Task) -> Outcome | None:
    """The script of jobs that end when the test says so."""
    return None


def shown(bars: ProgressBars) -> list[tuple[str, float, float | None]]:
    """What each bar says, how far it is, and how far it goes."""
    return [(task.description, task.completed, task.total) for task in bars.progress.tasks]


def drop(house: House, *names: str) -> None:
    for name in names:
        house.drop(f"{name}.yaml", f"prompt: a {name}\n".encode())


def test_each_of_several_workers_moves_the_bar_of_its_own_job(house: House) -> None:
    drop(house, "fox", "owl")
    bars, pool = ProgressBars(), [ScriptedWorker(never, steps=2), ScriptedWorker(never, steps=5)]
    with house.daemon(pool, listeners=[bars], drain=False, batch=1) as daemon:
        daemon.turn()
        daemon.turn()
        assert shown(bars) == [("fox.yaml: a fox", 2, 2), ("owl.yaml: a owl", 5, 5)]
        first = pool[0].batches[0].tasks[0]
        bars.on_event(Loading(model="sd-1.4", done_bytes=1, total_bytes=4, job_ids=(first.job_id, "another")))
        assert shown(bars) == [("loading sd-1.4", 1, 4), ("owl.yaml: a owl", 5, 5)]
        pool[0].finish(first.job_id, make(first))
        daemon.turn()
        assert shown(bars) == [("owl.yaml: a owl", 5, 5)]


def test_a_model_is_loaded_for_the_jobs_of_the_worker_that_loads_it(house: House) -> None:
    drop(house, "fox", "owl")
    heard: list[Event] = []

    class Heard(ProgressBars):
        def on_event(self, event: Event) -> None:
            heard.append(event)

    pool = [ScriptedWorker(never), ScriptedWorker(never)]
    with house.daemon(pool, listeners=[Heard()], drain=False, batch=1) as daemon:
        daemon.turn()
        daemon.turn()
    wanted = [(worker.batches[0].tasks[0].job_id,) for worker in pool]
    assert [one.job_ids for one in heard if isinstance(one, Loading)] == wanted


def test_no_more_bars_than_a_terminal_has_room_for(house: House) -> None:
    drop(house, *(f"fox{number}" for number in range(MOST_BARS + 2)))
    bars = ProgressBars()
    with house.daemon(never, listeners=[bars], drain=False, batch=MOST_BARS + 2) as daemon:
        daemon.turn()
        daemon.turn()
        assert len(shown(bars)) == MOST_BARS
