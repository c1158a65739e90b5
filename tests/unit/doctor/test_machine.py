"""What is told of this machine without torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from inotify_simple import INotify, flags

from aura_daemon.doctor import machine
from aura_daemon.doctor.report import GpuFound, GpuUser

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def proc(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "proc"
    limits = folder / "sys" / "fs" / "inotify"
    limits.mkdir(parents=True)
    for name, value in (("max_user_watches", 100), ("max_user_instances", 7), ("max_queued_events", 9)):
        (limits / name).write_text(f"{value}\n", encoding="ascii")
    yield folder


def test_a_processor_is_told_by_its_name_and_what_counts_of_its_flags(proc: Path) -> None:
    flags_line = "flags\t\t: fpu sse avx2 avx512_bf16 amx_bf16 amx_tile"
    (proc / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: Some Xeon\n{flags_line}\n", encoding="ascii")
    found = machine.cpu(proc)
    assert (found.name, found.flags) == ("Some Xeon", ("amx_bf16", "avx512_bf16", "avx2"))
    assert found.cores == len(os.sched_getaffinity(0))


def test_a_processor_that_says_nothing_is_told_by_its_architecture(proc: Path) -> None:
    found = machine.cpu(proc)
    assert found.name
    assert found.flags == ()


def test_an_inbox_needs_a_watch_a_folder_but_the_hidden_and_failed(tmp_path: Path, proc: Path) -> None:
    inbox = tmp_path / "inbox"
    for folder in ("a/b", "c", ".aura/done", "failed/x", "a/.git"):
        (inbox / folder).mkdir(parents=True)
    (inbox / "file.txt").write_text("x")
    (inbox / "link").symlink_to(tmp_path)
    found = machine.inotify(inbox, daemon_pid=None, proc=proc)
    assert found is not None
    assert (found.max_user_watches, found.max_user_instances, found.max_queued_events) == (100, 7, 9)
    assert (found.needed_watches, found.used_watches, found.used_instances) == (5, 0, 0)


def test_the_daemons_own_watches_are_as_many_as_are_told(tmp_path: Path) -> None:
    from aura_daemon.system.watching.inotify_events import InotifyEvents

    inbox = tmp_path / "inbox"
    for folder in ("a/b", "c", ".aura/done", "failed/x"):
        (inbox / folder).mkdir(parents=True)
    told = machine.inotify(inbox, daemon_pid=None)
    assert told is not None
    events = InotifyEvents(inbox)
    try:
        info = Path(f"/proc/self/fdinfo/{events.descriptor}").read_text()
    finally:
        events.close()
    assert told.needed_watches == sum(line.startswith("inotify ") for line in info.splitlines())


def test_what_other_programs_watch_is_counted_and_the_daemon_is_left_out(tmp_path: Path) -> None:
    me = os.getpid()
    with INotify() as watching:
        watching.add_watch(tmp_path, flags.CREATE)
        with_me = machine.inotify(tmp_path, daemon_pid=None)
        without = machine.inotify(tmp_path, daemon_pid=me)
    assert with_me is not None
    assert without is not None
    assert with_me.used_instances > without.used_instances
    assert with_me.used_watches > without.used_watches


def test_a_system_without_inotify_says_nothing_of_it(tmp_path: Path) -> None:
    assert machine.inotify(tmp_path, daemon_pid=None, proc=tmp_path) is None


def test_a_folder_that_is_not_there_yet_is_told_by_the_disk_it_will_be_on(tmp_path: Path) -> None:
    found = machine.disk("state", tmp_path / "not" / "there")
    here = machine.disk("state", tmp_path)
    assert found is not None
    assert here is not None
    assert (found.exists, here.exists) == (False, True)
    assert (found.total_bytes, found.file_system) == (here.total_bytes, here.file_system)
    assert 0 <= found.free_bytes <= found.total_bytes


def test_a_daemon_without_a_worker_holds_nothing() -> None:
    assert machine.worker_of(2**22 + 1) is None  # no process has that number
    user = GpuUser(pid=7, name="python", used_bytes=5)
    card = GpuFound(name="x", total_bytes=9, free_bytes=4, driver="1", users=(user,))
    assert [machine.device_bytes((card,), pid) for pid in (7, 8)] == [5, 0]
    other = card.model_copy(update={"users": ()})
    assert machine.device_bytes((other, card), 7) == 5  # the driver counts cards otherwise than torch
    assert machine.device_bytes((), 7) == 0
