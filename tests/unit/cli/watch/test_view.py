"""What `status --watch` shows fits its terminal and says what matters, with and without colour."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from aura_daemon.cli.watch.view import Seen, change_of, line_of, span, view
from aura_daemon.daemon.history import Ending, HistoryEntry
from aura_daemon.daemon.status import DaemonStatus
from aura_daemon.health.document import CurrentJob, Health, Holdup, Status, WorkerState
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import Failure, FailureKind
from tests.support.health_documents import worker
from tests.unit.health.test_heartbeat import document

NOW = datetime(2026, 5, 31, 18, 0, tzinfo=UTC)
OUTBOX = Path("/out")

DRAWING = CurrentJob(
    id="1", kind="generate", source="a-red-bicycle.yaml", batch=2, step=12, steps=25, eta_s=68.0, loading=None
)
LOADING = DRAWING.model_copy(
    update={"steps": 0, "loading": "sd-1.4", "loading_done_bytes": 1 << 30, "loading_total_bytes": 4 << 30}
)
NO_MODEL = Holdup(what="caption", reason="the model is not here", mend="go online", retry_in_s=25)


def health(**changes: Any) -> Health:
    return document(since="2026-05-31T15:55:00+00:00").model_copy(update=changes)


def entry(name: str, failure: Failure | None = None) -> HistoryEntry:
    return HistoryEntry(
        id=name,
        source=f"{name}.yaml",
        kind=JobKind.GENERATE,
        ending=Ending.DONE if failure is None else Ending.FAILED,
        ended_at=NOW,
        total_s=4.1 if failure is None else None,
        text="a [red] bicycle " * 20,
        output=OUTBOX / f"{name}.png" if failure is None else None,
        sidecar=None,
        is_there=True,
        failure=failure,
    )


RESULTS = (
    entry("a-red-bicycle"),
    entry("dog", Failure(kind=FailureKind.UNEXPECTED, message="it broke", mend="mend it")),
    *(entry(f"many-{number}") for number in range(60)),
)


def seen(found: Health | None, *, is_running: bool = True, error: str = "", results: int = 62) -> Seen:
    counts = {"queued": 3, "running": 1, "delivering": 0, "done": 120, "failed": 2} if not error else None
    status = DaemonStatus(is_running=is_running, health=found, job_counts=counts, journal_error=error)
    return Seen(status=status, results=RESULTS[:results], outbox=OUTBOX, now=NOW)


def rendered(look: Seen, *, width: int = 80, height: int = 24, colour: bool = False) -> list[str]:
    console = Console(
        file=StringIO(), width=width, height=height, force_terminal=True, no_color=not colour, highlight=False
    )
    console.print(view(look, width=width, height=height))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


def plain(look: Seen, **size: int) -> list[str]:
    console = Console(file=StringIO(), width=size.get("width", 80), highlight=False)
    console.print(view(look, width=size.get("width", 80), height=size.get("height", 24)))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_running_job_has_its_bar_and_the_time_to_go() -> None:
    lines = plain(seen(health(current=DRAWING, queue_depth=4, oldest_waiting="dog.yaml", oldest_waiting_s=125.0)))
    assert lines[0] == "aura-daemon  ● ok for 2 h 5 min" + " " * 41 + "18:00:00"
    assert lines[2] == "running  a-red-bicycle.yaml  generate, 2 at once"
    assert lines[3].endswith("step 12 of 25, 1 min 8 s to go")
    assert "━" in lines[3]
    assert lines[4] == "queue    4 jobs  oldest dog.yaml for 2 min 5 s"


def test_a_model_that_is_loaded_has_a_bar_of_its_bytes() -> None:
    assert plain(seen(health(current=LOADING)))[3].endswith("loading sd-1.4, 1.00 GiB of 4.00 GiB")


def test_what_is_held_up_is_told_whole_with_its_mend() -> None:
    text = " ".join(plain(seen(health(status=Status.DEGRADED, holdups=[NO_MODEL]))))
    assert "● degraded" in text
    assert "held up  caption: the model is not here. Go online (again in 25 s)" in text


def test_a_paused_daemon_says_why() -> None:
    text = " ".join(plain(seen(health(status=Status.PAUSED, last_error="the outbox is away"))))
    assert "paused   the outbox is away" in text


@pytest.mark.parametrize("width", [20, 32, 44, 60, 72, 80, 120, 200])
@pytest.mark.parametrize("height", [8, 24, 60])
def test_no_line_is_wider_than_the_terminal_and_the_view_fits_its_height(width: int, height: int) -> None:
    left_alone = {"not a kind of file it knows": 2}
    long = {"models": ["owner/a-model-with-a-long-name"] * 2, "device": "cuda:0", "device_name": "a GPU of 2026"}
    look = seen(health(current=DRAWING, **long, left_alone=left_alone, conflict_copies=["a.sync-conflict"]))
    lines = plain(look, width=width, height=height)
    assert max(map(len, lines)) <= width
    if width >= 32:
        assert {"running", "queue", "memory", "models", "so far", "folders"} <= {line[:7].rstrip() for line in lines}
    if height >= 24 and width >= 44:
        assert len(lines) <= height


def test_results_are_marked_by_more_than_colour() -> None:
    lines = plain(seen(health()))
    assert any("✓  a-red-bicycle.png" in line and "4.1 s" in line and "a [red] bicycle" in line for line in lines)
    assert any("✗  dog.yaml" in line and "it broke. Mend it" in line for line in lines)


def test_without_colour_there_is_none() -> None:
    coloured, colourless = rendered(seen(health()), colour=True), rendered(seen(health()))
    assert any("\x1b[32m" in line or "\x1b[1;32m" in line for line in coloured)
    assert not any("\x1b[3" in line for line in colourless)


def test_where_no_daemon_runs_the_last_results_stay() -> None:
    lines = plain(seen(health(), is_running=False))
    assert lines[0].startswith("aura-daemon  ○ not running, last seen ")
    assert "queue    4 wait for a daemon" in lines
    assert any("a-red-bicycle.png" in line for line in lines)


def test_a_daemon_that_stands_still_is_told_from_one_that_ended() -> None:
    stands_still = seen(health(pid=os.getpid(), heartbeat="2026-01-01T00:00:00+00:00"), is_running=False)
    assert plain(stands_still)[0].startswith("aura-daemon  ○ no sign of life, last seen ")
    assert line_of(stands_still).startswith("no sign of life, 4 queued")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("the journal is of an earlier release", "the journal is of an earlier release"),
        ("", "nothing has run here yet"),
    ],
)
def test_where_no_journal_can_be_read_it_says_so(error: str, text: str) -> None:
    status = DaemonStatus(is_running=False, health=None, job_counts=None, journal_error=error)
    assert f"journal  {text}" in plain(Seen(status=status, results=(), outbox=OUTBOX, now=NOW))


def test_a_line_a_change_says_the_same_in_words() -> None:
    look = seen(health(status=Status.DEGRADED, current=DRAWING, holdups=[NO_MODEL]))
    assert line_of(look) == (
        "degraded, running a-red-bicycle.yaml (generate), 4 queued, 120 done, 2 failed,"
        " held up caption: the model is not here. Go online"
    )
    assert line_of(seen(None, is_running=False, error="no")) == "not running, 0 queued, no"


def test_a_step_is_no_change_and_the_next_job_is_one() -> None:
    first = change_of(seen(health(current=DRAWING)))
    assert first == change_of(seen(health(current=DRAWING.model_copy(update={"step": 13, "eta_s": 1.0}))))
    assert first != change_of(seen(health(current=DRAWING.model_copy(update={"id": "2"}))))
    assert first != change_of(seen(health(current=DRAWING), is_running=False))
    assert first != change_of(seen(health(current=DRAWING, holdups=[NO_MODEL])))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (125, "2 min 5 s"), (7500, "2 h 5 min"), (90_000, "1 d 1 h")],
)
def test_spans_have_two_units_at_most(seconds: float, text: str) -> None:
    assert span(seconds) == text


WAITS = "a worker waits for 1 GPU: no node of 2 has enough GPU"
FLEET = (
    worker("1", DRAWING, node="gpu-box-1"),
    worker("2", DRAWING.model_copy(update={"id": "2", "source": "dogs.csv"}), node="raycluster-gpu-group-worker-x7k2p"),
    *(worker(str(number), state=WorkerState.WAITING, node="", trouble=WAITS) for number in range(3, 13)),
)


def test_several_workers_are_a_table_and_what_keeps_some_from_a_place_is_told() -> None:
    lines = plain(seen(health(current=DRAWING, workers=list(FLEET))), height=30)
    assert lines[2] == "workers  12: 2 running, 10 waiting"
    assert lines[3].split() == ["worker", "node", "device", "rung", "model", "job"]
    assert lines[4].split()[:6] == ["1", "gpu-box-1", "H200", "resident", "sd-1.4", "12/25"]
    assert lines[12].strip() == "and 4 more"
    assert f"no place 3, 4, 5, 6, 7, 8, 9, 10, 11, 12: {WAITS}" in " ".join(lines).replace("  ", " ")
    assert not any(line.startswith(("running", "models", "memory")) for line in lines)


@pytest.mark.parametrize("width", [20, 44, 80, 200])
def test_the_table_of_workers_is_no_wider_than_the_terminal(width: int) -> None:
    lines = plain(seen(health(current=DRAWING, workers=list(FLEET))), width=width, height=40)
    assert max(map(len, lines)) <= width


def test_another_job_of_any_worker_is_a_change() -> None:
    one, other = FLEET[:2]
    then = other.model_copy(update={"current": DRAWING.model_copy(update={"id": "3"})})
    looks = [seen(health(current=DRAWING, workers=[one, second])) for second in (other, then)]
    assert change_of(looks[0]) != change_of(looks[1])
