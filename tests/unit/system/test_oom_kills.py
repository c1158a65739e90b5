"""Whom the kernel has killed: read from files like its own, and once from its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aura_daemon.ladder.attempts import StartedAttempt
from aura_daemon.system.oom_kills import begun, oom_kills

BOOT = "0f0e0d0c-0000-4000-8000-000000000000"


def proc(folder: Path, vmstat: str, *, boot: str = BOOT) -> Path:
    """A `/proc` with these two files."""
    (folder / "vmstat").write_text(vmstat, encoding="ascii")
    if boot:
        (folder / "sys" / "kernel" / "random").mkdir(parents=True)
        (folder / "sys" / "kernel" / "random" / "boot_id").write_text(f"{boot}\n", encoding="ascii")
    return folder


def test_an_attempt_begins_with_the_count_as_it_is(tmp_path: Path) -> None:
    files = proc(tmp_path, "nr_free_pages 5\noom_kill_other 9\noom_kill 7\n")
    assert oom_kills(proc=files) == 7
    assert begun(proc=files) == StartedAttempt(boot=BOOT, kills=7)


@pytest.mark.parametrize(
    ("vmstat", "boot"), [("nr_free_pages 5\n", BOOT), ("oom_kill many\n", BOOT), ("oom_kill 7\n", "")]
)
def test_where_the_kernel_does_not_say_nothing_is_asked_later(tmp_path: Path, vmstat: str, boot: str) -> None:
    assert begun(proc=proc(tmp_path, vmstat, boot=boot)) is None


def test_without_any_such_files_too(tmp_path: Path) -> None:
    assert oom_kills(proc=tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that counts")
def test_this_kernel_counts_and_its_count_grows_only_with_a_kill() -> None:
    before = begun()
    assert before is not None
    assert not before.was_killed(before)
