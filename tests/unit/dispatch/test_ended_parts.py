"""Jobs of several parts: one goes to the next, through crashes, and one result comes of it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from aura_daemon.chains.next_part import chain_of, next_part
from aura_daemon.dispatch.ended_parts import EndedParts
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.parts import Chain, JobPart
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.journal.request_json import request_to_dict
from aura_daemon.outbox.result_document import JobTimes, Unpublished
from tests.support.house import PNG, Door, House, make
from tests.support.scripted_worker import ScriptedWorker


class Engine:
    """Plays every part, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[CaptionRequest | GenerateRequest] = []
        self.outcomes: dict[type[Any], Outcome | None] = {}

    def __call__(self, task: Task) -> Outcome | None:
        assert isinstance(task.request, CaptionRequest | GenerateRequest)
        self.asked.append(task.request)
        return self.outcomes.get(type(task.request), make(task))

    @property
    def kinds(self) -> list[str]:
        return ["caption" if isinstance(request, CaptionRequest) else "generate" for request in self.asked]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def described(house: House) -> str:
    """A queued job with the caption of its picture in its prompt; its id."""
    house.drop("photo.png", PNG)
    house.drop("art.yaml", b"prompt: x\nseed: 7\nimage: photo.png\n")
    door = Door(house)
    source = door.claims.claim("art.yaml", SourceKind.JOB_FILE, settled_s=2.0)
    assert source is not None
    (job,) = door.intake.admit(source)
    request = replace(job.request, prompt="a watercolour of {caption}", described="photo.png")  # type: ignore[type-var]
    row = (json.dumps(request_to_dict(request)), job.id)
    door.close()
    with closing(sqlite3.connect(house.state / FILE_NAME)) as database, database:
        database.execute("UPDATE jobs SET request = ? WHERE id = ?", row)
    with closing(Journal(house.state / FILE_NAME)) as journal:
        journal.begin_anew(journal.job(job.id), chain_of(request))
    return job.id


def turn_until(house: House, engine: Engine, runs: int) -> None:
    """Runs a daemon until its worker was asked so often, and drops it as it stands: what it runs never ends."""
    with house.daemon(engine, drain=False) as daemon:
        while len(engine.asked) < runs:
            daemon.turn()


def test_a_job_of_two_parts_is_one_result_that_tells_of_both(house: House, described: str, engine: Engine) -> None:
    summary = house.drain(engine)
    assert (summary.done, summary.failed) == (1, 0)
    assert engine.kinds == ["caption", "generate"]
    assert house.results() == ["art.json", "art.png"]
    document = house.sidecar("art.json")
    caption = document["parts"][0]["caption"]
    assert caption
    assert document["request"]["prompt"] == f"a watercolour of {caption}"
    assert [one["task"] for one in document["parts"]] == ["caption", "generate"]
    with closing(house.journal()) as journal:
        job = journal.job(described)
        assert (job.state, job.kind, job.attempts) == (JobState.DONE, "generate", 1)
    assert house.temporary() == []
    assert house.archived() == ["art.yaml", "photo.png"]


def test_a_part_that_is_done_is_not_done_again_after_a_crash(house: House, described: str, engine: Engine) -> None:
    engine.outcomes[GenerateRequest] = None
    turn_until(house, engine, runs=2)
    del engine.outcomes[GenerateRequest]
    assert house.drain(engine).done == 1
    assert engine.kinds == ["caption", "generate", "generate"]
    assert house.temporary() == []


def test_a_part_whose_kept_result_has_gone_is_done_again(house: House, described: str, engine: Engine) -> None:
    engine.outcomes[GenerateRequest] = None
    turn_until(house, engine, runs=2)
    with closing(Journal(house.state / FILE_NAME)) as journal:
        (job,) = journal.interrupted()
        assert job.chain is not None
        journal.give_back(job, count_attempt=False)
        journal.begin_anew(job, replace(job.chain, looks_at=0))
    for kept in (house.state / "inputs").glob("*.part*"):
        kept.unlink()
    del engine.outcomes[GenerateRequest]
    assert house.drain(engine).done == 1
    assert engine.kinds == ["caption", "generate", "caption", "generate"]


@pytest.mark.parametrize("fails_in", [CaptionRequest, GenerateRequest])
def test_a_part_that_fails_fails_the_job(fails_in: type[Any], house: House, described: str, engine: Engine) -> None:
    engine.outcomes[fails_in] = Failure(kind=FailureKind.BAD_INPUT, message="no image", mend="send one")
    summary = house.drain(engine)
    assert (summary.done, summary.failed) == (0, 1)
    assert house.failed() == ["art.yaml", "art.yaml.json"]
    assert house.temporary() == []
    with closing(house.journal()) as journal:
        assert journal.job(described).kind == "generate"


def test_the_attempts_of_one_part_do_not_count_against_the_next(house: House, described: str, engine: Engine) -> None:
    crashed = Failure(kind=FailureKind.CRASHED, message="it crashed")
    outcomes = iter([crashed, None, crashed, None])

    def play(task: Task) -> Outcome:
        return next(outcomes) or make(task)

    assert house.drain(play, attempts=2).done == 1


def test_the_same_parts_of_several_jobs_run_together(house: House, described: str) -> None:
    with closing(Journal(house.state / FILE_NAME)) as journal:
        assert journal.job(described).needs == "caption"
    house.drop("other.png", PNG + b"2")
    worker = ScriptedWorker(make)
    house.drain(worker)
    assert [len(batch.tasks) for batch in worker.batches] == [2, 1]


@pytest.mark.parametrize(("since_claim_s", "waited_s"), [(10.0, 5.0), (4.9, 0.0)])
def test_no_part_of_a_job_counts_as_waiting(
    house: House, described: str, since_claim_s: float, waited_s: float
) -> None:
    door = Door(house)
    job = door.journal.job(described)
    caption = JobPart(request=job.runs, model="m", model_sha256="", device="cpu", rung="cpu", seconds=3.0, text="a cat")
    chain = next_part(job.request, (caption,))
    assert isinstance(chain, Chain)
    produced = make(Task(job_id=job.id, request=chain.runs))
    assert isinstance(produced, Produced)
    times = JobTimes(waited_s=since_claim_s - 2.0, since_claim_s=since_claim_s, attempt_s=2.0)
    result = Unpublished(
        job=replace(job, chain=chain), source=door.journal.source(job.source_id), produced=produced, times=times
    )
    whole = EndedParts(journal=door.journal, kept_parts=door.kept_parts).deliverable(result)
    assert whole is not None
    assert whole.times == replace(times, waited_s=waited_s)
    door.close()
