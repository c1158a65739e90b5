"""What the daemon tells its service manager, and when it feeds the watchdog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.health.listener import DaemonPhase, FileHandled, HealthWritten, JobStarted, PhaseChanged
from aura_daemon.jobs.requests import GenerateRequest, kind_of
from aura_daemon.jobs.results import CANCELLED
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.records import Job, Source
from aura_daemon.service.notices import SLACK_S, ServiceNotices
from aura_daemon.service.notify_socket import NotifySocket
from aura_daemon.workers.protocol import Finished, Progress
from aura_daemon.workers.running_batch import NO_MEMORY
from tests.support.health_document import health_document
from tests.support.notify_manager import NotifyManager, notify_manager

WATCHDOG_S = 9.0
DEADLINE_S = 20.0

REQUEST = GenerateRequest(prompt="a cat")
JOB = Job(id="j", source_id="s", number=None, kind=kind_of(REQUEST), request=REQUEST, text=b"", folder="", stem="cat")
SOURCE = Source(
    id="s",
    path="cat.txt",
    kind=SourceKind.PROMPT_TEXT,
    size_bytes=1,
    modified_ns=1,
    inode=1,
    settled_s=0.0,
    claimed_at=1.0,
)


class Notified:
    """Notices under a clock that a test sets, and what the manager hears."""

    def __init__(self, manager: NotifyManager, *, watchdog_s: float | None = WATCHDOG_S) -> None:
        self.now_s = 1000.0
        self.manager = manager
        self.notices = ServiceNotices(
            NotifySocket(manager.address),
            watchdog_s=watchdog_s,
            deadline_s=DEADLINE_S,
            stop_timeout_s=30.0,
            clock=lambda: self.now_s,
        )

    def turns(self, seconds: int) -> int:
        """Turns of the loop, one a second; how often the watchdog was fed meanwhile."""
        before = len(self.manager.said("WATCHDOG"))
        for _ in range(seconds):
            self.now_s += 1.0
            self.notices.work()
            self.manager.receive()
        return len(self.manager.said("WATCHDOG")) - before


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[Notified]:
    with notify_manager(tmp_path) as manager:
        running = Notified(manager)
        yield running
        running.notices.close()


def test_each_phase_is_told(notified: Notified) -> None:
    for phase in (DaemonPhase.WATCHING, DaemonPhase.RELOADING, DaemonPhase.WATCHING, DaemonPhase.STOPPING):
        notified.notices.on_event(PhaseChanged(phase=phase))
    start, ready, reloading, again, stopping = notified.manager.all()
    assert start == {"EXTEND_TIMEOUT_USEC": "600000000"}
    assert ready == again == {"READY": "1"}
    assert reloading["RELOADING"] == "1"
    assert int(reloading["MONOTONIC_USEC"]) > 0
    assert stopping == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "60000000"}


def test_the_status_is_told_when_it_changes(notified: Notified) -> None:
    for depth in (0, 0, 3):
        notified.notices.on_event(HealthWritten(document=health_document(queue_depth=depth)))
    assert notified.manager.said("STATUS") == ["idle", "idle; 3 waiting"]


def test_every_turn_feeds_the_watchdog_three_times_in_its_time(notified: Notified) -> None:
    assert notified.turns(9) == 3
    assert notified.notices.due_in_s() == 3.0
    notified.now_s += 2.0
    assert notified.notices.due_in_s() == 1.0


def test_a_turn_that_takes_thousands_of_files_is_progress(notified: Notified) -> None:
    for _ in range(9):
        notified.now_s += 1.0
        notified.notices.on_event(FileHandled(source=SOURCE))
    assert notified.manager.said("WATCHDOG") == ["1"] * 3


def test_a_loop_that_does_not_turn_feeds_nothing(notified: Notified) -> None:
    notified.now_s += 100.0
    assert notified.manager.said("WATCHDOG") == []


def test_a_job_without_a_sign_of_life_far_beyond_its_deadline_is_no_progress(notified: Notified) -> None:
    notified.notices.on_event(JobStarted(job=JOB, source=SOURCE))
    silent_s = int(DEADLINE_S + SLACK_S)
    assert notified.turns(silent_s) == silent_s // 3
    assert notified.turns(30) == 0
    notified.notices.on_event(Progress(job_id=JOB.id, step=1, steps=9))
    assert notified.turns(3) == 1
    assert notified.turns(silent_s + 30) < silent_s // 3 + 5
    notified.notices.on_event(Finished(job_id=JOB.id, outcome=CANCELLED, memory=NO_MEMORY, models=()))
    assert notified.turns(300) == 100


def test_without_a_watchdog_nothing_is_due(tmp_path: Path) -> None:
    with notify_manager(tmp_path) as manager:
        running = Notified(manager, watchdog_s=None)
        assert running.turns(100) == 0
        assert running.notices.due_in_s() is None
        assert running.notices.waitables() == ()
        running.notices.close()
        assert running.notices.due_in_s() is None
