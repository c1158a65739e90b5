"""The health document: written often to the state folder, rarely to the outbox, which may be synced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aura_daemon.health import heartbeat as health
from aura_daemon.health.document import Health, MemoryRecord, Status
from aura_daemon.health.health_writer import CHANGE_INTERVAL_S, HEARTBEAT_INTERVAL_S, HealthWriter
from aura_daemon.system.clock import utc_now


class Bench:
    """A health writer on a clock that the test moves, with an outbox that counts or refuses writes."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.now = 100.0
        self.pages: list[Status] = []
        self.refuses = False
        self.writer = HealthWriter(state, self.write_page, outbox_interval_s=300.0, monotonic=lambda: self.now)

    def write_page(self, name: str, content: bytes) -> None:
        assert name == "health.json"
        if self.refuses:
            raise OSError(28, "No space left on device")
        self.pages.append(Health.model_validate_json(content).status)

    def beat(self, status: Status = Status.OK, pid: int = 1) -> None:
        self.writer.write(document(status, pid=pid, since=self.writer.since(status)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def document(status: Status = Status.OK, *, pid: int = 1, since: str = "", heartbeat: str | None = None) -> Health:
    return Health(
        schema="aura-daemon/health/1",
        status=status,
        since=since,
        heartbeat=heartbeat or utc_now(),
        pid=pid,
        version="0",
        inbox="in",
        outbox="out",
        sources="archive",
        jobs={},
        queue_depth=0,
        unsettled_files=0,
        oldest_waiting=None,
        oldest_waiting_s=None,
        conflict_copies=[],
        left_alone={},
        current=None,
        holdups=[],
        device=None,
        device_name=None,
        dtype=None,
        rung=None,
        models=[],
        memory=MemoryRecord(
            daemon_bytes=1,
            worker_bytes=None,
            device_used_bytes=None,
            device_free_bytes=None,
            machine_available_bytes=1,
        ),
        last_error=None,
        job_p50_s=None,
        job_p95_s=None,
        archive_bytes=0,
        polls_because="",
        event_losses=0,
        versions={},
    )


def test_it_is_due_at_once_then_every_ten_seconds_and_soon_after_a_change(bench: Bench) -> None:
    assert bench.writer.due_in_s(changed=False) == 0.0
    bench.beat()
    assert bench.writer.due_in_s(changed=False) == HEARTBEAT_INTERVAL_S == 10.0
    assert bench.writer.due_in_s(changed=True) == CHANGE_INTERVAL_S
    bench.now += 1.0
    assert bench.writer.due_in_s(changed=True) == 0.0
    bench.beat()
    bench.now += HEARTBEAT_INTERVAL_S
    assert bench.writer.due_in_s(changed=False) == 0.0


def test_the_outbox_gets_a_copy_when_the_status_changes_and_else_rarely(bench: Bench) -> None:
    for _ in range(29):
        bench.beat()
        bench.now += 10.0
    assert bench.pages == [Status.OK]
    bench.beat(Status.DEGRADED)
    bench.beat(Status.DEGRADED)
    assert bench.pages == [Status.OK, Status.DEGRADED]
    bench.now += 300.0
    bench.beat(Status.DEGRADED)
    assert bench.pages == [Status.OK, Status.DEGRADED, Status.DEGRADED]


def test_a_status_keeps_the_moment_it_began(bench: Bench) -> None:
    began = bench.writer.since(Status.OK)
    while utc_now() == began:
        time.sleep(0.05)
    assert bench.writer.since(Status.OK) == began
    assert bench.writer.since(Status.DEGRADED) != began


def test_an_outbox_that_refuses_it_stops_nobody(bench: Bench, log: list[str]) -> None:
    bench.refuses = True
    bench.beat()
    assert health.read(bench.state) is not None
    assert any("cannot be written into the outbox" in line for line in log)


def test_a_state_folder_that_refuses_it_stops_nobody(bench: Bench, log: list[str]) -> None:
    (bench.state / "tmp").write_text("in the way")
    bench.beat()
    assert bench.pages == [Status.OK]
    assert any("the health document cannot be written: " in line for line in log)


def test_it_is_read_back_as_it_was_written_and_rubbish_is_nothing(bench: Bench) -> None:
    assert health.read(bench.state) is None
    bench.beat(Status.DEGRADED)
    found = health.read(bench.state)
    assert found is not None
    assert found.status is Status.DEGRADED
    (bench.state / "health.json").write_text("{")
    assert health.read(bench.state) is None
    (bench.state / "health.json").write_text(json.dumps({"schema": "aura-daemon/health/2"}))
    assert health.read(bench.state) is None


def test_a_daemon_lives_while_its_process_does_and_its_heart_beats() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert health.is_alive(document(pid=os.getpid()))
    assert not health.is_alive(document(pid=gone.pid))
    assert not health.is_alive(document(Status.STOPPING, pid=gone.pid))
    assert not health.is_alive(document(Status.STOPPED, pid=os.getpid()))
    assert not health.is_alive(document(pid=os.getpid(), heartbeat="2026-01-01T00:00:00+00:00"))
    assert health.is_alive(document(Status.STOPPING, pid=os.getpid()))


def test_a_process_that_is_there_and_says_nothing_is_silent_and_one_that_ended_is_not() -> None:
    long_ago = "2026-01-01T00:00:00+00:00"
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert health.is_silent(document(pid=os.getpid(), heartbeat=long_ago))
    assert not health.is_silent(document(pid=os.getpid()))
    assert not health.is_silent(document(pid=gone.pid, heartbeat=long_ago))
    assert not health.is_silent(document(Status.STOPPED, pid=os.getpid(), heartbeat=long_ago))
