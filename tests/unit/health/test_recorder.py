"""What the daemon tells of itself: where the running job computes, and where the last one did."""

from __future__ import annotations

from aura_daemon.health.document import Health
from aura_daemon.health.recorder import Known, Pulse
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.journal.records import Job
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import Rung
from aura_daemon.workers.protocol import Finished, Memory, Placed, Ready

KNOWN = Known(
    counts=dict.fromkeys(JobState, 0),
    unsettled=0,
    oldest=None,
    left_alone={},
    conflicts=[],
    holdups=[],
    archive_bytes=0,
    polls_because="",
    event_losses=0,
    worker_pid=None,
    stopping=False,
    paused=False,
)
READY = Ready(device="cuda:0", device_name="a GPU", dtype="float16", rung="resident", versions=())
FINISHED = Finished(
    job_id="a",
    outcome=Failure(kind=FailureKind.UNEXPECTED, message="x"),
    memory=Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3),
    models=("aura-mini",),
)


def job(name: str) -> Job:
    return Job(
        id=name,
        source_id="s",
        number=None,
        kind="generate",
        request=GenerateRequest(prompt="x", seed=1),
        text=b"",
        folder="",
        stem=name,
    )


def placed(*names: str, rung: Rung) -> Placed:
    on_cpu = rung is Rung.CPU
    tried = RunConditions(
        device="cpu" if on_cpu else "cuda:0",
        device_name="a CPU" if on_cpu else "a GPU",
        dtype="float32" if on_cpu else "float16",
        rung=rung,
        width=64,
        height=64,
        batch=len(names),
        alone=True,
    )
    return Placed(job_ids=names, tried=tried)


def pulse() -> Pulse:
    return Pulse(inbox="in", outbox="out", sources="archive", recent_s=[])


def told(pulse: Pulse) -> Health:
    return pulse.document(KNOWN, since=lambda status: "now")


def where(page: Health) -> tuple[str | None, str | None, str | None, str | None]:
    return page.device, page.device_name, page.dtype, page.rung


def test_a_worker_that_has_run_nothing_tells_its_first_rung_and_one_that_has_the_last_it_stood_on() -> None:
    heart = pulse()
    assert where(told(heart)) == (None, None, None, None)
    heart.ready(READY)
    assert where(told(heart)) == ("cuda:0", "a GPU", "float16", "resident")
    heart.running(job("a"), "a.yaml", batch=1)
    heart.placed(placed("a", rung=Rung.CPU))
    heart.finished(FINISHED)
    assert where(told(heart)) == ("cpu", "a CPU", "float32", "cpu")
    assert heart.device == READY
    heart.unloaded()
    assert where(told(heart)) == (None, None, None, None)
    assert heart.device == READY  # how many are drawn at once is asked before a worker is started


def test_the_running_job_tells_its_batch_and_its_rung_once_that_is_chosen() -> None:
    heart = pulse()
    heart.running(job("a"), "a.yaml", batch=2)
    current = told(heart).current
    assert current is not None
    assert (current.batch, current.rung) == (2, None)
    heart.placed(placed("b", rung=Rung.RESIDENT))  # of the rest of another batch
    heart.placed(placed("a", "c", rung=Rung.FP8_STORAGE))
    page = told(heart)
    assert page.current is not None
    assert (page.current.batch, page.current.rung) == (2, "fp8_storage")
    assert Health.model_validate_json(page.to_json()) == page
    heart.finished(Finished(job_id="c", outcome=FINISHED.outcome, memory=FINISHED.memory, models=()))
    assert told(heart).current is not None
    heart.finished(FINISHED)
    assert told(heart).current is None


def test_a_daemon_that_hands_over_tells_where_its_worker_stands() -> None:
    before, after = pulse(), pulse()
    before.ready(READY)
    before.placed(placed("a", rung=Rung.FP8_STORAGE))
    after.inherit(before)
    assert where(told(after)) == where(told(before)) == ("cuda:0", "a GPU", "float16", "fp8_storage")
    assert after.device == READY
