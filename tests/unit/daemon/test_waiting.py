"""Whoever waits for a file hears how far it is, and in the end what came of it or why nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from aura_daemon.daemon.waiting import PATIENCE_S, START_IT, Outlook, Patience, Stage, outlook, outlooks
from aura_daemon.health.document import CurrentJob, Health, Holdup, Status
from aura_daemon.health.holdups import memory_for
from aura_daemon.jobs.queueing import demand_of
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from tests.support.house import House, fail, make
from tests.unit.health.test_heartbeat import document

HEALTH = document()


def seen(house: House, name: str, health: Health | None = HEALTH) -> Outlook:
    return outlook(name, house.settings(), health)


def held_up(what: str) -> Health:
    holdup = Holdup(what=what, reason="no model here", mend="fetch it", retry_in_s=5)
    return HEALTH.model_copy(update={"holdups": [holdup]})


def test_a_file_that_just_came_is_arriving(house: House) -> None:
    house.drain()
    house.drop("cat.yaml")
    found = seen(house, "cat.yaml")
    assert (found.stage, found.text) == (Stage.ARRIVING, "complete: it is taken now")


def test_without_a_daemon_it_says_what_to_start(house: House) -> None:
    house.drop("cat.yaml")
    found = seen(house, "cat.yaml", None)
    assert (found.stage, found.text, found.is_daemon_running) == (Stage.ARRIVING, START_IT, False)


def test_a_daemon_that_is_paused_holds_files_up(house: House) -> None:
    house.drain()
    house.drop("cat.yaml")
    paused = HEALTH.model_copy(update={"status": Status.PAUSED, "last_error": "the outbox is away"})
    found = seen(house, "cat.yaml", paused)
    assert found.stage is Stage.HELD_UP
    assert "the outbox is away" in found.text


def test_a_job_runs_while_others_wait_for_their_turn(house: House) -> None:
    house.drop("a.yaml", b"prompt: x\npriority: 9\n")
    house.drop("b.yaml", b"prompt: y\ncount: 2\n")
    house.drop("c.yaml", b"prompt: z\n")
    during: dict[str, list[Outlook]] = {"a": [], "c": []}

    def play(task: Task) -> Outcome:
        current = CurrentJob(id=task.job_id, kind="generate", source="a.yaml", step=3, steps=8, eta_s=4.6, loading=None)
        for name, found in during.items():
            found.append(seen(house, f"{name}.yaml", HEALTH.model_copy(update={"current": current})))
        return make(task)

    house.drain(play, batch=1)
    assert (during["a"][0].stage, during["a"][0].text) == (Stage.RUNNING, "step 3 of 8, 5 s to go")
    assert during["a"][-1].stage is Stage.DONE
    assert [(found.stage, found.before) for found in during["c"][:3]] == [
        (Stage.QUEUED, 2),
        (Stage.QUEUED, 1),
        (Stage.QUEUED, 0),
    ]
    assert during["c"][2].text == "queued, next to run"
    assert during["c"][3].stage is Stage.RUNNING


def test_in_the_end_it_names_every_result(house: House) -> None:
    house.drop("cat.yaml", b"prompt: x\ncount: 2\n")
    house.drain()
    found = seen(house, "cat.yaml", None)
    assert (found.stage, found.jobs, found.ended) == (Stage.DONE, 2, 2)
    assert found.outputs == (house.outbox / "cat-1.png", house.outbox / "cat-2.png")
    assert all(output.exists() for output in found.outputs)


def test_in_the_end_it_says_what_failed_and_the_mend(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("bad.yaml", b"steps: 0\nprompt: x\n")
    house.drain(fail(FailureKind.UNEXPECTED, "it broke", "mend it"))
    cat, bad = seen(house, "cat.yaml"), seen(house, "bad.yaml")
    assert (cat.stage, cat.text) == (Stage.FAILED, "it broke. Mend it")
    assert cat.failures[0].report == house.outbox / "failed" / "cat.yaml.json"
    assert bad.stage is Stage.FAILED
    assert "steps: must be" in bad.text


@pytest.mark.parametrize("what", ["generate", memory_for(demand_of(GenerateRequest(prompt="x"))), "outbox", "journal"])
def test_what_holds_a_job_up_is_told_with_its_mend(house: House, what: str) -> None:
    house.drop("cat.yaml")
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE, "no model"))
    found = seen(house, "cat.yaml", held_up(what))
    assert (found.stage, found.text) == (Stage.HELD_UP, "no model here. Fetch it")
    assert seen(house, "cat.yaml", None).text == f"queued; {START_IT}"


def ticking(step_s: float) -> Iterator[float]:
    return (tick * step_s for tick in count())


@pytest.mark.parametrize(
    ("stage", "is_daemon_running"), [(Stage.HELD_UP, True), (Stage.ARRIVING, False), (Stage.QUEUED, False)]
)
def test_a_wait_is_stuck_when_nothing_was_done_for_a_while(stage: Stage, is_daemon_running: bool) -> None:
    clock = ticking(PATIENCE_S / 2)
    patience = Patience(lambda: next(clock))
    idle = Outlook(stage=stage, text="", is_daemon_running=is_daemon_running)
    assert [patience.judge(idle).is_stuck for _ in range(3)] == [False, False, True]
    assert not patience.judge(Outlook(stage=Stage.RUNNING, text="")).is_stuck
    assert not patience.judge(idle).is_stuck


def test_a_file_is_gone_only_when_it_stays_away() -> None:
    clock = ticking(PATIENCE_S)
    patience = Patience(lambda: next(clock))
    gone = Outlook(stage=Stage.GONE, text="somebody took it out of the inbox")
    assert [patience.judge(gone).stage for _ in range(2)] == [Stage.ARRIVING, Stage.GONE]


def test_waiting_ends_when_every_file_is_over_or_stuck(house: House) -> None:
    house.drop("cat.yaml")
    house.drain()
    house.drop("dog.yaml")
    clock, slept = ticking(PATIENCE_S), []
    looks = list(
        outlooks(["cat.yaml", "dog.yaml"], house.settings(), monotonic=lambda: next(clock), sleep=slept.append)
    )
    assert [look["cat.yaml"].stage for look in looks] == [Stage.DONE, Stage.DONE]
    assert [look["dog.yaml"].is_stuck for look in looks] == [False, True]
    assert len(slept) == 1


def test_before_anything_has_run_it_waits(house: House) -> None:
    house.drop("cat.yaml")
    assert seen(house, "cat.yaml").stage is Stage.ARRIVING
    assert seen(house, "dog.yaml").stage is Stage.GONE
