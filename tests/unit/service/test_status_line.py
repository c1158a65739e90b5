"""One line on how the daemon is."""

from __future__ import annotations

import pytest

from aura_daemon.health.document import CurrentJob, Holdup, Status
from aura_daemon.service.status_line import LONGEST, status_line
from tests.support.health_document import health_document
from tests.support.health_documents import worker

JOB = CurrentJob(id="j", kind="generate", source="cat.txt", step=3, steps=8, eta_s=None, loading=None)
HELD = Holdup(what="caption", reason="no network", mend="", retry_in_s=30.0)


@pytest.mark.parametrize("status", [Status.STARTING, Status.STOPPING, Status.STOPPED])
def test_the_ends_of_its_life_are_one_word(status: Status) -> None:
    assert status_line(health_document(status=status, current=JOB)) == status.value


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "idle"),
        ({"status": Status.PAUSED}, "paused: inbox or outbox is away"),
        ({"current": JOB, "queue_depth": 1}, "generate cat.txt: step 3 of 8"),
        ({"current": JOB, "queue_depth": 5}, "generate cat.txt: step 3 of 8; 4 waiting"),
        (
            {"current": JOB.model_copy(update={"eta_s": 12.4, "batch": 3}), "queue_depth": 3},
            "generate cat.txt and 2 more: step 3 of 8, 12 s to go",
        ),
        (
            {"current": JOB, "queue_depth": 5, "workers": [worker("1", JOB), worker("2", JOB), worker("3")]},
            "generate cat.txt and 1 more: step 3 of 8; 3 waiting",
        ),
        ({"current": JOB.model_copy(update={"steps": 0}), "queue_depth": 1}, "generate cat.txt: starting"),
        ({"current": JOB.model_copy(update={"loading": "sd-1.4"})}, "generate cat.txt: loading sd-1.4"),
        (
            {
                "current": JOB.model_copy(
                    update={"loading": "sd-1.4", "loading_done_bytes": 1, "loading_total_bytes": 4}
                )
            },
            "generate cat.txt: loading sd-1.4 25 %",
        ),
        ({"status": Status.DEGRADED, "holdups": [HELD]}, "idle; held up: caption (no network)"),
        (
            {"status": Status.DEGRADED, "holdups": [HELD, HELD, HELD]},
            "idle; held up: caption (no network); 2 more held up",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_says_what_runs_what_waits_and_what_is_held_up(fields: dict[str, object], line: str) -> None:
    assert status_line(health_document(**fields)) == line


def test_a_long_line_is_cut() -> None:
    held = HELD.model_copy(update={"reason": "x" * 500})
    line = status_line(health_document(status=Status.DEGRADED, holdups=[held]))
    assert len(line) == LONGEST
    assert line.endswith("…")


def test_whatever_a_reason_or_a_name_holds_the_line_is_one_line_of_text() -> None:
    held = HELD.model_copy(update={"what": "generate a\nMAINPID=1", "reason": "no model \udcff"})
    line = status_line(health_document(status=Status.DEGRADED, holdups=[held]))
    assert line == r"idle; held up: generate a\nMAINPID=1 (no model \xff)"
