"""The status of the daemon in one word, and the figures beside it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.health.document import CurrentJob, Health, Status, eta_s, percentile, status_of
from aura_daemon.jobs.sources import Accept
from aura_daemon.watch.decisions import Leave
from aura_daemon.watch.file_kinds import route
from tests.support.health_documents import health_document, worker

JOB = CurrentJob(id="j", kind="generate", source="cat.txt", batch=2, step=3, steps=8, eta_s=None, loading=None)


@pytest.mark.parametrize(
    ("starting", "stopping", "paused", "held_up", "status"),
    [
        (True, True, True, True, Status.STOPPING),
        (True, False, True, True, Status.PAUSED),
        (True, False, False, True, Status.STARTING),
        (False, False, True, True, Status.PAUSED),
        (False, False, False, True, Status.DEGRADED),
        (False, False, False, False, Status.OK),
    ],
)
def test_the_gravest_condition_gives_the_status(
    starting: bool, stopping: bool, paused: bool, held_up: bool, status: Status
) -> None:
    assert status_of(starting=starting, stopping=stopping, paused=paused, held_up=held_up) is status
    assert status_of(starting=starting, stopping=True, paused=paused, held_up=held_up, stopped=True) is Status.STOPPED


def test_a_percentile_of_nothing_is_nothing() -> None:
    assert percentile([], 0.5) is None


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.95, 4.0), (0.01, 1.0), (1.0, 4.0)])
def test_a_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20), st.floats(0.01, 1))
@settings(max_examples=30)
def test_at_least_the_share_lies_at_or_below_a_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_the_eta_goes_by_the_pace_so_far() -> None:
    assert eta_s(step=5, steps=25, running_s=10.0) == 40.0
    assert eta_s(step=0, steps=25, running_s=1.0) is None
    assert eta_s(step=3, steps=2, running_s=1.0) is None


def test_the_health_document_begins_with_its_schema_and_is_never_a_job() -> None:
    health = Health.model_construct(left_alone={'a "schema": "aura-daemon/sidecar/1"': 1})
    content = health.to_json()
    assert content.startswith(b'{\n  "schema": "aura-daemon/health/1"')
    assert isinstance(route("health.json", content, frozenset(Accept)), Leave)


def test_of_several_workers_the_one_that_runs_a_job_tells_how_far_it_is() -> None:
    other = JOB.model_copy(update={"id": "k", "step": 5})
    page = health_document(current=JOB, workers=[worker("1", JOB, jobs=["j", "j2"]), worker("2", other), worker("3")])
    assert page.running == 3
    assert [page.current_of(name) for name in ("j", "j2", "k", "l")] == [JOB, JOB, other, None]
    assert [getattr(page.worker_of(name), "name", None) for name in ("j2", "k", "l")] == ["1", "2", None]


def test_a_document_of_an_earlier_version_tells_of_its_running_job_all_the_same() -> None:
    page = health_document(current=JOB)
    assert (page.running, page.current_of("j"), page.current_of("another of its batch")) == (2, JOB, JOB)
    alone = health_document(current=JOB.model_copy(update={"batch": 1}))
    assert (alone.running, alone.current_of("another")) == (1, None)
    assert (health_document().running, health_document().current_of("j")) == (0, None)
