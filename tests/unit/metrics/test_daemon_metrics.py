"""Events counted, by a whole daemon with a scripted worker, in the text that Prometheus reads."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from aura_daemon import __version__
from aura_daemon.daemon.loop import Daemon
from aura_daemon.health.listener import HealthWritten
from aura_daemon.jobs.results import Failure, FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.metrics.daemon_metrics import DaemonMetrics
from tests.support import promtool
from tests.support.health_documents import health_document
from tests.support.house import PNG, House, fail, make
from tests.support.scripted_worker import ScriptedWorker


def samples(metrics: DaemonMetrics) -> dict[str, float]:
    """`name{label}{label}` -> value, without the prefix."""
    return {
        sample.name.removeprefix("aura_daemon_") + "".join(f"{{{value}}}" for value in sample.labels.values()): (
            sample.value
        )
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def counted(metrics: DaemonMetrics) -> dict[str, float]:
    """The counters that are not 0."""
    return {name: value for name, value in samples(metrics).items() if re.search(r"_total\b", name) and value}


def turn_until_idle(daemon: Daemon) -> None:
    daemon.turn()
    while daemon.pool.is_running:
        daemon.turn()


def test_jobs_are_counted_by_kind_and_outcome_and_refused_files_apart(house: House) -> None:
    def play(task: Task) -> Outcome:
        is_bad = "bad" in getattr(task.request, "prompt", "")
        return Failure(kind=FailureKind.BAD_INPUT, message="bad") if is_bad else make(task)

    metrics = DaemonMetrics()
    house.drop("a.yaml")
    house.drop("b.png", PNG)
    house.drop("c.yaml", b"prompt: bad\n")
    house.drop("d.yaml", b"steps: many\n")
    with house.daemon(play, listeners=[metrics]) as daemon:
        daemon.run()
    assert counted(metrics) == {
        "jobs_total{generate}{done}": 1,
        "jobs_total{caption}{done}": 1,
        "jobs_total{generate}{bad_input}": 1,
        "refused_files_total{job_file}": 1,
        "failed_attempts_total{bad_input}": 1,
        "worker_starts_total": 1,
    }
    found = samples(metrics)
    assert found["job_seconds_count{generate}"] == 1
    assert (found["journal_jobs{done}"], found["journal_jobs{failed}"], found["status{stopped}"]) == (2, 2, 1)


def test_stages_are_counted_as_in_the_sidecar_and_loading_where_it_was_done(house: House) -> None:
    metrics = DaemonMetrics()
    house.drop("a.yaml")
    with house.daemon(listeners=[metrics]) as daemon:
        daemon.run()
    seconds, found = house.sidecar("a.json")["timing_s"], samples(metrics)
    for stage in ("settled", "waited", "delivered"):
        assert found[f"stage_seconds_sum{{generate}}{{{stage}}}"] == seconds[stage]
    done = {stage for stage, taken in seconds.items() if taken and stage != "total"} | {"settled", "waited"}
    assert {name for name, count in found.items() if name.startswith("stage_seconds_count") and count} == {
        f"stage_seconds_count{{generate}}{{{stage}}}" for stage in done
    }
    assert found["job_seconds_sum{generate}"] == seconds["total"]


def test_running_out_of_memory_is_counted_by_rung_and_each_step_down(house: House) -> None:
    metrics = DaemonMetrics()
    house.drop("a.yaml")
    with house.daemon(ScriptedWorker(fail(FailureKind.OUT_OF_MEMORY), device="cuda:0"), listeners=[metrics]) as daemon:
        daemon.run()
    found = counted(metrics)
    assert found["out_of_memory_total{resident}"] == 1
    assert found["resumed_jobs_total{step_down}"] == found["failed_attempts_total{out_of_memory}"] - 1
    assert found["jobs_total{generate}{out_of_memory}"] == 1


def test_workers_that_end_are_counted_by_why(house: House) -> None:
    metrics, worker = DaemonMetrics(), ScriptedWorker(lambda task: None)
    house.drop("a.yaml")
    with house.daemon(worker, listeners=[metrics], drain=False) as daemon:
        daemon.turn()
        worker.crash(Failure(kind=FailureKind.CRASHED, message="it crashed"))
        daemon.turn()
        daemon.turn()
    found = counted(metrics)
    assert (found["worker_restarts_total{died}"], found["worker_starts_total"]) == (1, 2)
    assert found["resumed_jobs_total{retry}"] == 1


def test_lost_events_are_counted_from_the_document() -> None:
    metrics = DaemonMetrics()
    for losses in (0, 2, 2, 5):
        metrics.on_event(HealthWritten(document=health_document(event_losses=losses)))
    assert counted(metrics) == {"event_losses_total": 5}


def test_before_anything_happens_every_count_is_there_at_zero_and_says_its_version() -> None:
    metrics = DaemonMetrics()
    assert counted(metrics) == {}
    found = samples(metrics)
    assert found[f"build_info{{{__version__}}}"] == 1
    assert found["jobs_total{generate}{out_of_memory}"] == 0
    assert not [name for name in found if "_created" in name]


def test_no_label_holds_what_users_write(house: House) -> None:
    metrics = DaemonMetrics()
    house.drop("my secret name.yaml", b"prompt: my secret prompt\n")
    house.drop("my secret fault.yaml", b"prompt: my secret prompt\nmy_secret_key: 1\n")
    with house.daemon(listeners=[metrics]) as daemon:
        daemon.run()
    assert b"secret" not in metrics.render()
    assert str(house.root).encode() not in metrics.render()


def test_promtool_finds_nothing_to_mend(house: House) -> None:
    metrics = DaemonMetrics()
    house.drop("a.yaml")
    with house.daemon(listeners=[metrics]) as daemon:
        daemon.run()
    for content in (metrics.render(), metrics.render(daemon="aura")):
        assert promtool.said("check", "metrics", content=content) == (0, "")


def test_two_daemons_of_one_node_exporter_are_told_apart_by_the_names_of_their_textfiles() -> None:
    metrics = DaemonMetrics()
    metrics.on_event(HealthWritten(document=health_document()))
    lines = [line for line in metrics.render(daemon="captions").decode().splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if 'daemon="captions"' not in line] == []
    assert b"captions" not in metrics.render()
