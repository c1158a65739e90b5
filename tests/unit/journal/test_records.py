"""What columns hold, and the way there and back."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, replace
from typing import Any

import pytest

from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Lora
from aura_daemon.jobs.results import AppliedDefaults, Failure, FailureKind
from aura_daemon.journal.records import Job, columns_of, in_64_bits, job_of, stem_key
from aura_daemon.ladder.attempts import Attempt, RunConditions, StartedAttempt
from aura_daemon.ladder.rungs import Rung

JOB = Job(
    id="job-1",
    source_id="source-1",
    number=None,
    kind="generate",
    request=GenerateRequest(prompt="a red circle", image="caf\udce9.png", loras=(Lora(name="\udcff"),)),
    text=b"prompt: a red circle",
    folder="caf\udce9",
    stem="\udcff",
)
TRIED = RunConditions(
    device="cpu", device_name="", dtype="float32", rung=Rung.CPU, width=8, height=8, batch=1, alone=True,
    variant="compiled", room_bytes=1 << 40,
)  # fmt: skip


def read_back(job: Job) -> Job:
    """A job after it was in a table, which has further columns."""
    held = {"stem_key": "key", "model": "sd-1.4", **columns_of(job)}
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    row = connection.execute("SELECT " + ", ".join(f"? AS {name}" for name in held), tuple(held.values())).fetchone()
    connection.close()
    return job_of(row)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"failure": Failure(kind=FailureKind.BAD_INPUT, message="it is \udcff blue", mend="paint it red\n")},
        {"tried": (Attempt(kind=FailureKind.CRASHED, reason="it is \udcff gone\n"),)},
        *(
            {"tried": (Attempt(kind=FailureKind.OUT_OF_MEMORY, reason="", device="cuda:0", rung=rung, batch=2,
                               alone=False, peak_bytes=1 << 40, seconds=0.25),) * 2}
            for rung in Rung
        ),
        {"begun": StartedAttempt(boot="0-1", kills=3)},
        *({"begun": StartedAttempt(boot="0-1", kills=3, tried=replace(TRIED, rung=rung))} for rung in Rung),
        {"defaults": (AppliedDefaults(name="_defaults.yaml", sha256="abc"),)},
        {"request": CaptionRequest(image="caf\udce9.png"), "kind": "caption"},
        {"state": JobState.DONE, "number": 3, "finished_at": 1.5, "total_s": 2.0, "payload_sha256": "abc"},
    ],
    ids=str,
)  # fmt: skip
def test_a_job_goes_in_and_comes_out_the_same(changes: dict[str, Any]) -> None:
    job = replace(JOB, **changes)
    assert read_back(job) == job


def test_columns_hold_the_json_that_they_always_held() -> None:
    failure = Failure(kind=FailureKind.BAD_INPUT, message="\udcff", mend="")
    begun = StartedAttempt(boot="0-1", kills=3, tried=TRIED)
    held = columns_of(replace(JOB, failure=failure, begun=begun, tried=(Attempt(kind=FailureKind.CRASHED, reason=""),)))
    assert held["request"] == json.dumps({"task": "generate", **asdict(JOB.request)})
    assert held["failure"] == '{"kind": "bad_input", "message": "\\udcff", "mend": ""}'
    assert held["begun"] == json.dumps(asdict(begun))
    assert held["tried"] == json.dumps([asdict(Attempt(kind=FailureKind.CRASHED, reason=""))])
    assert (held["defaults"], held["folder"], columns_of(JOB)["begun"]) == ("[]", b"caf\xe9", None)


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 10**19])
def test_any_number_fits_a_column_and_stays_equal_to_itself(number: int) -> None:
    assert -(2**63) <= in_64_bits(number) < 2**63
    assert in_64_bits(in_64_bits(number)) == in_64_bits(number)


def test_a_key_of_any_name_is_text() -> None:
    assert stem_key("caf\udce9").encode()
    assert stem_key("Cat") == stem_key("cat") != stem_key("dog")
