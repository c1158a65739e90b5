"""Whoever waits hears how it goes, and in the end what came of it, or how to go on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import pairwise

import anyio
from mcp import Client

from aura_daemon.jobs.results import FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.mcp_server.serving import server_of
from tests.support.agents import Ask, Reply, config_of, reply_of, with_client
from tests.support.deadline import DEADLINE_S
from tests.support.house import PNG, House, fail, make


def test_of_what_is_done_the_results_are_named(house: House, ask: Ask) -> None:
    house.drop("cats/tom.yaml", b"prompt: a red circle\ncount: 2\n")
    house.drain()
    reply = ask("wait", file="cats/tom.yaml")
    assert (reply.data["stage"], reply.data["is_over"]) == ("done", True)
    assert reply.data["results"] == ["cats/tom-1.png", "cats/tom-2.png"]
    assert "result: cats/tom-2.png" in reply.text


def test_of_what_failed_the_reason_and_the_mend_are_told(house: House, ask: Ask) -> None:
    house.drop("cat.yaml")
    house.drain(fail(FailureKind.BAD_INPUT, "it went wrong", "mend it"))
    reply = ask("wait", file="cat.yaml")
    assert not reply.is_refused
    assert (reply.data["stage"], reply.data["results"]) == ("failed", [])
    assert [(one["reason"], one["mend"]) for one in reply.data["failures"]] == [("it went wrong", "mend it")]
    assert "it went wrong. Mend it" in reply.text


def test_when_the_time_is_up_it_says_how_to_go_on(house: House, ask: Ask) -> None:
    house.drop("cat.yaml")
    reply = ask("wait", file="cat.yaml", timeout_s=0)
    assert (reply.data["is_over"], reply.data["stage"]) == (False, "arriving")
    assert "call `wait` again" in reply.text
    house.drain()
    assert ask("wait", file="cat.yaml", timeout_s=0).data["is_over"]


def test_a_name_that_leads_out_of_the_inbox_is_refused(ask: Ask) -> None:
    assert "must be a name below the inbox" in ask("wait", file="../outbox/cat.json").text


def test_progress_grows_and_tells(house: House) -> None:
    gate = threading.Event()
    told: list[tuple[float, float | None, str | None]] = []

    def play(task: Task) -> Outcome:
        assert gate.wait(DEADLINE_S)
        return make(task)

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))
        gate.set()

    async def talk(client: Client) -> Reply:
        return reply_of(await client.call_tool("wait", {"file": "cat.yaml"}, progress_callback=hear))

    house.drop("cat.yaml", b"prompt: a red circle\ncount: 2\n")
    daemon = threading.Thread(target=house.drain, args=(play,))
    daemon.start()
    try:
        reply = with_client(server_of(config_of(house)), talk)
    finally:
        gate.set()
        daemon.join()
    assert reply.data["results"] == ["cat-1.png", "cat-2.png"]
    assert told
    assert _grows([progress for progress, _, _ in told])
    assert all(total is not None and progress <= total for progress, total, _ in told)


def test_a_wait_that_is_given_up_leaves_the_file_in_the_queue_and_the_server_answering(house: House) -> None:
    house.drain()
    house.drop("cat.yaml")

    async def talk(client: Client) -> Reply:
        with anyio.CancelScope() as scope:

            async def hear(progress: float, total: float | None, message: str | None) -> None:
                scope.cancel()

            await client.call_tool("wait", {"file": "cat.yaml", "timeout_s": 600}, progress_callback=hear)
        assert scope.cancelled_caught
        return reply_of(await client.call_tool("why", {"file": "cat.yaml"}))

    for mode in ("auto", "legacy"):
        assert "it is taken when the daemon runs" in with_client(server_of(config_of(house)), talk, mode=mode).text
    assert house.waiting() == ["cat.yaml"]


def _grows(values: Sequence[float]) -> bool:
    return all(before < after for before, after in pairwise(values))


def test_of_a_caption_beside_its_picture_the_sidecar_is_named_as_it_is_in_the_outbox(house: House, ask: Ask) -> None:
    house.drop("a.png", PNG)
    house.drain(caption={"place": "beside"})
    house.drop("b.png", PNG)
    house.drain(caption={"extension": ".caption"})
    assert ask("wait", file="a.png").data["results"] == ["a.json"]
    assert [one["result"] for one in ask("results").data["results"]] == ["b.caption", "a.json"]
    assert not ask("look", result="a.json").is_refused
    looked_at = ask("look", result="b.caption").data
    assert looked_at["text"].startswith("an image of ")
    assert looked_at["sidecar"]["outputs"][0]["name"] == "b.caption"
