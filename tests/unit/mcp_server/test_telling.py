"""What the daemon does and did is told as data and in words."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from aura_daemon.health.document import CurrentJob, WorkerState
from aura_daemon.jobs.results import FailureKind
from aura_daemon.journal.journal import FILE_NAME
from aura_daemon.system.clock import utc_now
from tests.support.agents import Ask, asking, config_of
from tests.support.health_documents import health_document, worker
from tests.support.house import House, fail


def test_status_says_what_to_start_and_what_may_be_asked_for(house: House) -> None:
    reply = asking(config_of(house, generate={"models": ["sd-1.4"]}))("status")
    assert reply.data["is_daemon_running"] is False
    assert reply.data["problem"].startswith("no daemon runs: start `aura-daemon run`")
    assert reply.data["models"] == ["aura-mini", "sd-1.4"]
    assert reply.data["outbox"] == str(house.outbox)


def test_status_counts_jobs_and_names_failures(house: House, ask: Ask) -> None:
    house.drop("cat.yaml")
    house.drain(fail(FailureKind.BAD_INPUT))
    reply = ask("status")
    assert reply.data["jobs"]["failed"] == 1
    assert "cat.yaml: it went wrong" in reply.data["recent_failures"][0]
    assert "failed: " in reply.text


def test_a_journal_that_cannot_be_read_is_told(house: House, ask: Ask) -> None:
    with closing(sqlite3.connect(house.state / FILE_NAME)) as journal:
        journal.execute("PRAGMA user_version = 1")
    reply = ask("status")
    assert "jobs: not known" in reply.text
    assert reply.data["problem"] == "the journal is of an earlier release: run the daemon"
    (house.state / FILE_NAME).write_bytes(b"no journal" * 1000)
    for tool in ("status", "results"):
        assert ask(tool).is_refused
        assert "is damaged or no journal" in ask(tool).text


def test_why_answers_as_the_command_does(house: House, ask: Ask) -> None:
    house.drop("cat.yaml")
    house.drop("notes.pdf", b"x")
    assert (
        "it is taken" in ask("why", file="cat.yaml").text
        or "nothing has run here yet" in ask("why", file="cat.yaml").text
    )
    house.drain()
    assert "done, see" in ask("why", file="cat.yaml").text
    assert "left alone" in ask("why", file="notes.pdf").text
    assert ask("why", file="never.yaml").data["is_known"] is False
    assert "must be a name below the inbox" in ask("why", file="/etc/passwd").text


def test_results_are_listed_the_latest_first_and_found_by_what_is_known_of_them(house: House, ask: Ask) -> None:
    assert ask("results").data == {"results": []}
    house.drop("a.yaml", b"prompt: a red circle\n")
    house.drain()
    house.drop("b/c.yaml", b"prompt: a blue square\n")
    house.drain()
    house.drop("bad.yaml", b"prompt: [\n")
    house.drain()
    everything = ask("results").data["results"]
    assert [one["result"] for one in everything] == [None, "b/c.png", "a.png"]
    assert everything[0]["outcome"] == "failed"
    assert everything[0]["reason"]
    found = [one["result"] for one in ask("results", text="blue", kind="generate", outcome="done").data["results"]]
    assert found == ["b/c.png"]
    assert len(ask("results", limit=1).data["results"]) == 1
    assert ask("results", until="2001-01-01T00:00:00Z").data["results"] == []
    assert "from 1 to 100" in ask("results", limit=101).text


def test_status_tells_of_each_worker_where_there_are_several(house: House, ask: Ask) -> None:
    house.drain()
    drawing = CurrentJob(id="1", kind="generate", source="a.yaml", step=3, steps=8, eta_s=None, loading=None)
    workers = [
        worker("1", drawing),
        worker("2", state=WorkerState.WAITING, node="", device_name=None, models=[], trouble="no node has a GPU"),
    ]
    page = health_document(heartbeat=utc_now(), current=drawing, workers=workers)
    (house.state / "health.json").write_bytes(page.to_json())
    reply = ask("status")
    assert "worker 1 on box-1 (H200), sd-1.4: a.yaml: step 3 of 8\n" in reply.text
    assert "worker 2: waits for a place: no node has a GPU\n" in reply.text
    assert [one["doing"] for one in reply.data["workers"]] == ["a.yaml: step 3 of 8", "waits for a place"]
    (house.state / "health.json").write_bytes(page.model_copy(update={"workers": [worker("", node="")]}).to_json())
    assert "running: a.yaml (generate): step 3 of 8\n" in ask("status").text
