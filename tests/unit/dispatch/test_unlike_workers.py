"""Workers whose devices differ, or break: the ladder per model of device, who waits for whom, who is left out."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from aura_daemon.daemon.loop import Daemon
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import EngineTiming, Failure, FailureKind, Outcome, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import FILE_NAME
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import Rung
from tests.support.deadline import DEADLINE_S
from tests.support.house import PNG, House, fail, make
from tests.support.scripted_worker import Play, ScriptedWorker

FULL = fail(FailureKind.OUT_OF_MEMORY, "out of memory")
DIED = Failure(kind=FailureKind.CRASHED, message="it died")

POLL_S = 0.5
"""Between two looks at the inbox, where no events tell of files."""

SMALL, LARGE = "a card of 4 GB", "a card of 24 GB"


def never(task: Task) -> Outcome | None:
    """The script of jobs that end when the test says so."""
    return None


def card(play: Play, device_name: str, step_s: float = 0.5, *, device: str = "cuda:0") -> ScriptedWorker:
    """A worker on a card, with the sizes that its jobs ask for."""
    worker = ScriptedWorker(play, device=device, device_name=device_name)
    worker.step_s = step_s
    worker.tries = _of_size(worker)
    return worker


def _of_size(worker: ScriptedWorker) -> Callable[[RunConditions], RunConditions]:
    def tries(tried: RunConditions) -> RunConditions:
        request = worker.batches[-1].tasks[0].request
        assert isinstance(request, GenerateRequest)
        return replace(tried, width=request.width or 64, height=request.height or 64)

    return tries


def prompts(worker: ScriptedWorker) -> list[str]:
    return [task.request.prompt for batch in worker.batches for task in batch.tasks]  # type: ignore[union-attr]


def end(worker: ScriptedWorker, step_s: float | None = None) -> None:
    """Lets the running job of a worker succeed."""
    worker.step_s = step_s or worker.step_s
    task = worker.batches[-1].tasks[0]
    worker.finish(task.job_id, make(task))


def drop(house: House, *names: str, px: int = 64) -> None:
    for name in names:
        house.drop(f"{name}.yaml", f"prompt: {name}\nwidth: {px}\nheight: {px}\nsteps: 2\n".encode())


def held_up(daemon: Daemon) -> dict[str, str]:
    return {one.what: one.reason for one in daemon.health.document().holdups}


def settle(daemon: Daemon) -> None:
    """Turns until files that were dropped are queued, and workers have what they take."""
    turn_until(daemon, lambda: not House.visible(daemon.settings.inbox))
    for _ in range(2):
        daemon.turn()


def turn_until(daemon: Daemon, is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline_s
        daemon.turn()


# -- the ladder of each model of device ------------------------------------------------------------------------------


def test_what_did_not_fit_on_a_small_card_starts_at_the_top_on_a_large_one(house: House) -> None:
    drop(house, "a")
    small, large = card(FULL, SMALL), card(make, LARGE)
    with house.daemon([small, large], drain=True) as daemon:
        assert daemon.run().done == 1
    assert [batch.start.rung for batch in (*small.batches, *large.batches)] == [None, None]
    tried = house.sidecar("a.json")["tried"]
    assert [(one["device_name"], one["rung"], one["outcome"]) for one in tried[:1]] == [
        (SMALL, "resident", "out_of_memory")
    ]


def test_it_goes_down_the_small_cards_ladder_while_no_large_one_takes_jobs(house: House) -> None:
    drop(house, "a")
    left = [2]

    def play(task: Task) -> Outcome:
        left[0] -= 1
        return FULL(task) if left[0] >= 0 else make(task)

    large = card(make, LARGE)
    large.takes_batches = False  # it looks for a place
    small = card(play, SMALL)
    with house.daemon([small, large], drain=True) as daemon:
        assert daemon.run().done == 1
    assert [batch.start.rung for batch in small.batches] == [None, Rung.TILED_DECODE, Rung.SPLIT_GUIDANCE]
    assert large.batches == []


def test_a_job_fails_for_want_of_memory_when_no_model_of_device_has_a_rung_left(house: House) -> None:
    drop(house, "a")
    pool = [card(FULL, "a processor", device="cpu"), card(FULL, "another", device="cpu")]
    with house.daemon(pool, drain=True) as daemon:
        summary = daemon.run()
    assert (summary.done, summary.failed) == (0, 1)
    assert [len(worker.batches) for worker in pool] == [5, 5]
    report = house.sidecar("failed/a.yaml.json")
    assert len({(one["device_name"], one["rung"]) for one in report["tried"]}) == 10
    assert "cpu_tiled_decode on a processor" in report["reason"]
    assert "cpu_tiled_decode on another" in report["reason"]


def test_what_had_no_room_on_a_small_card_is_not_tried_there_again_soon(house: House) -> None:
    small, large = pool = [card(FULL, SMALL), card(never, LARGE)]
    small.tries = lambda tried: replace(tried, rung=Rung.CPU_MAPPED_WEIGHTS, expected_bytes=5000)  # nothing was loaded
    with house.daemon(pool, drain=False, poll_interval=POLL_S, batch=1) as daemon:
        for name in ("a", "b"):
            drop(house, name, px=512)
            settle(daemon)
        assert [prompts(worker) for worker in pool] == [["a"], ["a"]]  # b waits for the large one
        end(large)
        settle(daemon)
        assert [prompts(worker) for worker in pool] == [["a"], ["a", "b"]]
        drop(house, "c")
        settle(daemon)
        assert prompts(small) == ["a", "c"]  # of another size


def test_two_workers_of_one_model_share_its_ladder(house: House) -> None:
    drop(house, "a")
    pool = [card(FULL, "a processor", device="cpu"), card(FULL, "a processor", device="cpu")]
    with house.daemon(pool, drain=True) as daemon:
        for worker, slot in zip(pool, daemon.pool.slots, strict=True):
            worker.starts_ahead = True
            slot.prestart()  # else nobody knows yet that they are alike
        assert daemon.run().failed == 1
    assert sum(len(worker.batches) for worker in pool) == 5
    assert " on a processor" not in house.sidecar("failed/a.yaml.json")["reason"]


@pytest.mark.parametrize(("forgets", "rung"), [(False, None), (True, Rung.TILED_DECODE)])
def test_of_attempts_in_the_journal_those_of_earlier_versions_count_on_every_device(
    house: House, forgets: bool, rung: Rung | None
) -> None:
    drop(house, "a")
    small = card(lambda task: (daemon.stop(), FULL(task))[1], SMALL)
    with house.daemon(small, drain=False) as daemon:
        daemon.run()
    with closing(sqlite3.connect(house.state / FILE_NAME)) as database:
        ((text,),) = database.execute("SELECT tried FROM jobs").fetchall()
        (attempt,) = json.loads(text)
        assert attempt["device_name"] == SMALL
        if forgets:  # as it was before there was such a field
            del attempt["device_name"]
            database.execute("UPDATE jobs SET tried = ?", (json.dumps([attempt]),))
            database.commit()
    pool = [card(make, LARGE), card(never, LARGE)]
    with house.daemon(pool, drain=True) as daemon:
        assert daemon.run().done == 1
    assert [batch.start.rung for batch in pool[0].batches] == [rung]


# -- who waits for whom ----------------------------------------------------------------------------------------------


def measured(house: House, small_s: float, large_s: float) -> list[ScriptedWorker]:
    """A small card and a large one."""
    return [card(never, SMALL, small_s), card(never, LARGE, large_s)]


def test_a_slow_card_leaves_jobs_to_a_fast_one_as_long_as_that_is_done_earlier(house: House) -> None:
    drop(house, "a", "b")
    small, large = pool = measured(house, 50, 10)
    with house.daemon(pool, drain=False, poll_interval=POLL_S, batch=1) as daemon:
        settle(daemon)
        assert [prompts(worker) for worker in pool] == [["a"], ["b"]]  # nothing was measured: both are tried
        end(small)
        end(large)
        settle(daemon)  # now it is known: 100 s and 20 s
        drop(house, "c", "d", "e", "f")
        settle(daemon)
        assert [prompts(worker) for worker in pool] == [["a"], ["b", "c"]]
        drop(house, "g", "h")
        settle(daemon)  # for g there are four before it: 5 times 20 s
        assert [prompts(worker) for worker in pool] == [["a", "g"], ["b", "c"]]
        for _ in range(4):
            end(large)
            settle(daemon)
        assert [prompts(worker) for worker in pool] == [["a", "g"], ["b", "c", "d", "e", "f", "h"]]


def test_small_jobs_go_to_the_small_card_while_the_large_one_is_busy(house: House) -> None:
    small, large = pool = measured(house, 1, 0.5)
    with house.daemon(pool, drain=False, poll_interval=POLL_S, batch=1) as daemon:
        for number, (px, small_s, large_s) in enumerate([(64, 1, 0.5), (512, 100, 5)]):
            drop(house, f"a{number}", f"b{number}", px=px)
            settle(daemon)
            end(small, small_s)
            end(large, large_s)
            settle(daemon)
        small.batches.clear()
        large.batches.clear()
        drop(house, "big1", "big2", px=512)
        drop(house, "little")
        settle(daemon)
        assert [prompts(worker) for worker in pool] == [["little"], ["big1"]]
        end(small)
        end(large)
        settle(daemon)
        assert [prompts(worker) for worker in pool] == [["little"], ["big1", "big2"]]


def test_of_two_free_workers_the_one_that_has_the_model_gets_the_job(house: House) -> None:
    pool = [card(make, LARGE), card(make, LARGE)]
    with house.daemon(pool, drain=False, poll_interval=POLL_S, generate={"models": ["one", "two"]}) as daemon:
        for name in ("one", "two", "two", "two"):
            house.drop(f"{name}{len(house.results())}.yaml", f"prompt: {name}\nmodel: {name}\n".encode())
            if name == "one":
                turn_until(daemon, lambda: len(house.results()) == 2)
                pool[0].takes_batches = False
            else:
                before = len(house.results())
                turn_until(daemon, lambda: len(house.results()) == before + 2)  # noqa: B023
                pool[0].takes_batches = True
    assert [prompts(worker) for worker in pool] == [["one"], ["two"] * 3]


def test_no_job_waits_for_a_worker_without_a_place(house: House) -> None:
    drop(house, "a", "b")
    small, large = pool = measured(house, 50, 10)
    with house.daemon(pool, drain=False, poll_interval=POLL_S, batch=1) as daemon:
        settle(daemon)
        end(small)
        end(large)
        settle(daemon)
        large.takes_batches = False
        drop(house, "c")
        settle(daemon)
        assert prompts(small) == ["a", "c"]


# -- broken ones -----------------------------------------------------------------------------------------------------


def test_a_death_leaves_the_others_their_jobs_and_its_own_goes_elsewhere(house: House) -> None:
    drop(house, "a", "b", "c")
    pool = [card(never, LARGE), card(never, LARGE), card(never, SMALL)]
    with house.daemon(pool, drain=False, poll_interval=POLL_S, batch=1) as daemon:
        settle(daemon)
        pool[1].crash(DIED)
        end(pool[0])
        settle(daemon)
        assert [prompts(worker) for worker in pool] == [["a", "b"], ["b"], ["c"]]
        end(pool[0])
        end(pool[2])
        turn_until(daemon, lambda: len(house.results()) == 6)
    assert [one["outcome"] for one in house.sidecar("b.json")["tried"]] == ["crashed", "done"]
    assert len(house.sidecar("c.json")["tried"]) == 1


def test_a_worker_that_finds_no_device_is_left_out_and_said_and_its_job_goes_elsewhere_uncounted(house: House) -> None:
    drop(house, "a")
    broken, other = card(make, LARGE), card(make, LARGE)
    broken.lost_device = "device: cuda is configured, but torch finds no CUDA device"
    with house.daemon([broken, other], drain=False, poll_interval=POLL_S, retry_first=3600) as daemon:
        turn_until(daemon, lambda: "a.json" in house.results())
        assert held_up(daemon) == {"worker 1": broken.lost_device}
        assert broken.pid is None  # a new process may find it again
        drop(house, "b")
        turn_until(daemon, lambda: "b.json" in house.results())
    assert prompts(broken) == ["a"]
    assert prompts(other) == ["a", "b"]
    assert [one["outcome"] for one in house.sidecar("a.json")["tried"]] == ["done"]
    assert house.sidecar("a.json")["attempts"] == 1


def test_a_worker_that_ends_before_it_is_ready_is_left_out_too(house: House) -> None:
    drop(house, "a")
    early = Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="it ended before it was ready to run anything")
    broken, other = card(never, LARGE), card(make, LARGE)
    with house.daemon({"gpu 0": broken, "gpu 1": other}, drain=False, poll_interval=POLL_S, retry_first=3600) as daemon:
        settle(daemon)
        broken.crash(early)
        turn_until(daemon, lambda: "a.json" in house.results())
        assert held_up(daemon) == {"worker gpu 0": early.message}
    assert [prompts(worker) for worker in (broken, other)] == [["a"], ["a"]]
    assert house.sidecar("a.json")["attempts"] == 1


def test_it_is_tried_again_later_and_works_again(house: House) -> None:
    drop(house, "a")
    broken, other = card(make, LARGE), card(make, LARGE)
    broken.lost_device = "it fell off the bus"
    with house.daemon([broken, other], drain=False, poll_interval=POLL_S, retry_first=0.1) as daemon:
        turn_until(daemon, lambda: "a.json" in house.results())
        broken.lost_device = ""
        for number in range(1000):
            if len(broken.batches) > 1:
                break
            drop(house, f"b{number}")
            before = len(house.results())
            turn_until(daemon, lambda: len(house.results()) > before)  # noqa: B023
        assert len(broken.batches) == 2
        turn_until(daemon, lambda: held_up(daemon) == {})


def test_one_that_dies_with_job_after_job_while_others_succeed_is_left_out(house: House) -> None:
    broken, other = card(lambda task: DIED, LARGE), card(make, SMALL)
    with house.daemon([broken, other], drain=False, poll_interval=POLL_S, retry_first=3600, attempts=3) as daemon:
        for name in ("a", "b", "c", "d"):
            drop(house, name)
            turn_until(daemon, lambda: f"{name}.json" in house.results())  # noqa: B023
        assert held_up(daemon) == {"worker 1": "it died"}
    assert prompts(broken) == ["a", "b", "c"]
    assert prompts(other) == ["a", "b", "c", "d"]
    assert [len(house.sidecar(f"{name}.json")["tried"]) for name in "abcd"] == [2, 2, 1, 1]


def test_a_job_that_takes_every_worker_with_it_is_at_fault_itself(house: House) -> None:
    drop(house, "bad")

    def play(task: Task) -> Outcome:
        assert isinstance(task.request, GenerateRequest)
        return DIED if task.request.prompt == "bad" else make(task)

    pool = [card(play, LARGE), card(play, LARGE)]
    with house.daemon(pool, drain=True) as daemon:
        assert daemon.run().failed == 1
        assert held_up(daemon) == {}
    assert [len(worker.batches) for worker in pool] in ([2, 1], [1, 2])


@pytest.mark.parametrize("breaks", [True, False], ids=["no device anywhere", "the model is missing"])
def test_what_fails_on_the_last_worker_too_holds_up_the_model(house: House, breaks: bool) -> None:
    drop(house, "a")
    play = make if breaks else fail(FailureKind.MODEL_UNAVAILABLE, "it is missing")
    pool = [card(play, LARGE), card(play, LARGE)]
    for worker in pool:
        worker.lost_device = "no device" if breaks else ""
    with house.daemon(pool, drain=True, retry_first=3600) as daemon:
        assert daemon.run().done == 0
        assert "generate" in held_up(daemon)
        assert ("worker 1" in held_up(daemon)) is breaks
    assert [len(worker.batches) for worker in pool] == ([1, 1] if breaks else [1, 0])


def test_a_model_that_another_worker_has_is_missing_on_one_alone(house: House) -> None:
    has_it, lacks_it = card(never, LARGE), card(fail(FailureKind.MODEL_UNAVAILABLE, "it is missing"), LARGE)
    pool, models = [lacks_it, has_it], {"models": ["one"]}
    lacks_it.starts_ahead = True
    with house.daemon(pool, drain=False, poll_interval=POLL_S, batch=1, retry_first=3600, generate=models) as daemon:
        lacks_it.takes_batches = False
        for name in ("a", "b", "c"):
            house.drop(f"{name}.yaml", f"prompt: {name}\nmodel: one\n".encode())
            settle(daemon)
            if name == "a":
                end(has_it)
                daemon.turn()
                lacks_it.takes_batches = True
        assert held_up(daemon) == {"worker 1": "it is missing"}
        assert [prompts(worker) for worker in pool] == [["c"], ["a", "b"]]
        end(has_it)
        settle(daemon)
        assert prompts(has_it) == ["a", "b", "c"]


# -- nodes -----------------------------------------------------------------------------------------------------------


MISSING = fail(FailureKind.MODEL_UNAVAILABLE, "it is missing")


def on_nodes(*plays: Play) -> list[ScriptedWorker]:
    """A worker on a node of its own for each script."""
    pool = [card(play, LARGE) for play in plays]
    for number, worker in enumerate(pool):
        worker.node = f"node-{number}"
    return pool


def lose(worker: ScriptedWorker) -> None:
    """Ends a worker together with its node."""
    worker.crash(Failure(kind=FailureKind.INTERRUPTED, message="the worker's node is gone"), lost_node=True)


def test_a_job_that_takes_node_after_node_down_fails_in_the_end_and_its_first_loss_costs_nothing(house: House) -> None:
    drop(house, "bad")
    (worker,) = pool = on_nodes(never)
    with house.daemon(pool, drain=False, poll_interval=POLL_S, attempts=2) as daemon:
        for loss in range(1, 4):
            turn_until(daemon, lambda: len(worker.batches) == loss)  # noqa: B023
            lose(worker)
        turn_until(daemon, lambda: bool(house.failed()))
    report = house.sidecar("failed/bad.yaml.json")
    assert report["reason"] == (
        "the worker's node is gone; so was the node of its attempt before, so that this one counts (2 attempts)"
    )
    assert [one["outcome"] for one in report["tried"]] == ["crashed", "crashed"]


def test_a_node_that_is_lost_between_other_ends_takes_no_attempt(house: House) -> None:
    drop(house, "a")
    (worker,) = pool = on_nodes(never)
    ends = (lose, lambda one: one.crash(DIED), lose)
    with house.daemon(pool, drain=False, poll_interval=POLL_S, attempts=2) as daemon:
        for number, end_of in enumerate(ends, start=1):
            turn_until(daemon, lambda: len(worker.batches) == number)  # noqa: B023
            end_of(worker)
        turn_until(daemon, lambda: len(worker.batches) == len(ends) + 1)
        end(worker)
        turn_until(daemon, lambda: "a.json" in house.results())
    assert [one["outcome"] for one in house.sidecar("a.json")["tried"]] == ["crashed", "done"]


def test_jobs_that_were_on_a_lost_node_together_go_alone_once_it_counts(house: House) -> None:
    drop(house, "a", "b")
    (worker,) = pool = on_nodes(never)
    with house.daemon(pool, drain=False, poll_interval=POLL_S, batch=2) as daemon:
        for loss in (1, 2):
            turn_until(daemon, lambda: len(worker.batches) == loss)  # noqa: B023
            lose(worker)
        turn_until(daemon, lambda: len(worker.batches) == 3)
    assert [len(batch.tasks) for batch in worker.batches] == [2, 2, 1]


def test_a_model_that_the_first_node_lacks_is_looked_for_on_the_others(house: House) -> None:
    lacking, _ = pool = on_nodes(MISSING, make)
    with house.daemon(pool, drain=False, poll_interval=POLL_S, batch=1, retry_first=3600) as daemon:
        drop(house, "a")
        turn_until(daemon, lambda: "a.json" in house.results())
        assert held_up(daemon) == {"generate on node-0": "it is missing on node-0"}
        drop(house, "b", "c")
        turn_until(daemon, lambda: {"b.json", "c.json"} <= set(house.results()))
        assert [prompts(worker) for worker in pool] == [["a"], ["a", "b", "c"]]
        assert len(house.sidecar("a.json")["tried"]) == 1
        lacking.crash(DIED)
        lacking.node = ""  # its place is given back
        turn_until(daemon, lambda: held_up(daemon) == {})


def test_a_node_that_has_got_the_model_meanwhile_takes_jobs_again(house: House) -> None:
    answers = iter([MISSING])
    lacking, _ = pool = on_nodes(lambda task: next(answers, make)(task), never)
    with house.daemon(pool, drain=False, poll_interval=POLL_S, batch=1, retry_first=0.1) as daemon:
        drop(house, "a", "b", "c")
        turn_until(daemon, lambda: len(house.results()) == 4)
        assert len(prompts(lacking)) == 3
        turn_until(daemon, lambda: held_up(daemon) == {})


def test_a_model_that_no_node_has_holds_up_its_jobs(house: House) -> None:
    drop(house, "a")
    pool = on_nodes(MISSING, MISSING, MISSING)
    with house.daemon(pool, drain=False, poll_interval=POLL_S, retry_first=3600) as daemon:
        turn_until(daemon, lambda: "generate" in held_up(daemon))
        assert len([name for name in held_up(daemon) if " on node-" in name]) == 2
        settle(daemon)
    assert [len(worker.batches) for worker in pool] == [1, 1, 1]


# -- captions --------------------------------------------------------------------------------------------------------


def test_captions_are_left_to_the_worker_that_writes_them_sooner(house: House) -> None:
    slow, fast = pool = [card(never, SMALL), card(never, LARGE)]
    for worker in pool:
        worker.tries = lambda tried: replace(tried, width=0, height=0)

    def describe(worker: ScriptedWorker, seconds: float) -> None:
        task = worker.batches[-1].tasks[0]
        made = make(task)
        assert isinstance(made, Produced)
        timing = EngineTiming(encoded_s=seconds / 4, decoded_s=seconds * 3 / 4)
        worker.finish(task.job_id, replace(made, timing=timing))

    with house.daemon(pool, drain=False, poll_interval=POLL_S, batch=1) as daemon:
        house.drop("a.png", PNG)
        house.drop("b.png", PNG)
        settle(daemon)
        describe(slow, 40.0)
        describe(fast, 4.0)
        turn_until(daemon, lambda: len(house.results()) == 4)
        house.drop("c.png", PNG)
        settle(daemon)
        assert [len(worker.batches) for worker in pool] == [1, 2]
