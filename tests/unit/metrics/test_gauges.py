"""What the health document says, as metrics."""

from __future__ import annotations

import pytest

from aura_daemon.health.document import CurrentJob, Holdup, SandboxRecord, SandboxState, WorkerMemory, WorkerState
from aura_daemon.health.holdups import HTTP, IMAGES, JOURNAL, OUTBOX, SOURCES, WORKERS, memory_for
from aura_daemon.metrics.gauges import PREFIX, HoldupKind, gauges_of, holdup_kind
from tests.support.health_documents import MIB, health_document, worker


def values(**changes: object) -> dict[str, float]:
    """`name{label}` -> value, without the prefix."""
    samples = [sample for metric in gauges_of(health_document(**changes)) for sample in metric.samples]
    names = (
        one.name.removeprefix(PREFIX) + "".join(f"{{{value}}}" for value in one.labels.values()) for one in samples
    )
    return dict(zip(names, (one.value for one in samples), strict=True))


def test_each_figure_of_the_document_is_a_gauge() -> None:
    found = values()
    assert found["heartbeat_timestamp_seconds"] == 1767225660
    assert (found["journal_jobs{done}"], found["journal_jobs{failed}"], found["queue_jobs"]) == (7, 3, 3)
    assert (found["queue_oldest_seconds"], found["unsettled_files"], found["left_alone_files"]) == (12.5, 4, 6)
    assert (found["conflict_copies"], found["archive_bytes"], found["polling"]) == (1, 9, 0)


def test_memory_that_is_not_known_is_left_out() -> None:
    found = {name: value for name, value in values().items() if name.startswith("memory_bytes")}
    assert found == {
        "memory_bytes{daemon}": 40 * MIB,
        "memory_bytes{device_free}": 2 * MIB,
        "memory_bytes{machine_available}": 1000 * MIB,
    }


def test_of_status_and_rung_one_is_1_and_the_others_are_0() -> None:
    found = values(status="paused", rung=None, oldest_waiting_s=None, polls_because="NFS")
    assert [name for name, value in found.items() if name.startswith("status") and value] == ["status{paused}"]
    assert [name for name, value in found.items() if name.startswith("rung") and value] == []
    assert (found["queue_oldest_seconds"], found["polling"]) == (0, 1)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("generate", HoldupKind.MODEL),
        ("generate owner/any name", HoldupKind.MODEL),
        ("caption", HoldupKind.MODEL),
        (memory_for("generate 512x512"), HoldupKind.MEMORY),
        (OUTBOX, HoldupKind.OUTBOX),
        (JOURNAL, HoldupKind.JOURNAL),
        (SOURCES, HoldupKind.SOURCES),
        ("worker gpu 1", HoldupKind.WORKERS),
        *((images, HoldupKind.IMAGES) for images in IMAGES.values()),
        ("folder settings", HoldupKind.FOLDER_SETTINGS),
        (WORKERS, HoldupKind.WORKERS),
        (HTTP, HoldupKind.OTHER),
    ],
)
def test_hold_ups_are_told_by_their_kind_whatever_they_name(what: str, kind: HoldupKind) -> None:
    assert holdup_kind(what) is kind
    held = values(holdups=[Holdup(what=what, reason="r", mend="m", retry_in_s=1)])
    assert {name: value for name, value in held.items() if name.startswith("holdups") and value} == {
        f"holdups{{{kind}}}": 1
    }


def test_each_worker_tells_where_it_is_and_what_it_does() -> None:
    job = CurrentJob(id="j", kind="generate", source="cat.txt", step=3, steps=8, eta_s=None, loading=None)
    nowhere = worker("gpu 1", node="", state=WorkerState.WAITING, device_name=None, rung=None, memory=WorkerMemory())
    found = values(workers=[worker("gpu 0", job, jobs=["j", "k"]), nowhere])
    told = {
        name.removeprefix("worker_"): value for name, value in found.items() if name.startswith("worker_") and value
    }
    assert told == {
        "info{gpu 0}{box-gpu 0}{NVIDIA H200}{resident}": 1,
        "info{gpu 1}{}{}{}": 1,
        "state{gpu 0}{running}": 1,
        "state{gpu 1}{waiting}": 1,
        "jobs{gpu 0}": 2,
        "steps{gpu 0}{done}": 3,
        "steps{gpu 0}{all}": 8,
        "memory_bytes{gpu 0}{worker}": MIB,
        "memory_bytes{gpu 0}{device_used}": 2 * MIB,
        "memory_bytes{gpu 0}{device_free}": 3 * MIB,
    }
    assert (found["worker_state{gpu 1}{running}"], found["worker_jobs{gpu 1}"]) == (0, 0)


def test_the_only_worker_has_a_label_though_it_has_no_name() -> None:
    assert values(workers=[worker("", node="")])["worker_state{1}{idle}"] == 1


def test_how_far_workers_are_shut_in_is_one_of_three() -> None:
    found = values(sandbox=SandboxRecord(mode="auto", state=SandboxState.PARTIAL, lacks=["Landlock: files"]))
    assert {name: value for name, value in found.items() if name.startswith("sandbox")} == {
        "sandbox{whole}": 0,
        "sandbox{partial}": 1,
        "sandbox{off}": 0,
    }
    assert not any(value for name, value in values().items() if name.startswith("sandbox"))
