"""What is noted of an attempt under way, from files like the kernel's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aura_daemon.journal.started_attempts import started_attempt
from aura_daemon.ladder.attempts import StartedAttempt
from tests.unit.ladder.test_measurements import tried

BOOT = "0f0e0d0c-0000-4000-8000-000000000000"


def proc(folder: Path, vmstat: str, *, boot: str = BOOT) -> Path:
    """A `/proc` with these two files."""
    (folder / "vmstat").write_text(vmstat, encoding="ascii")
    if boot:
        (folder / "sys" / "kernel" / "random").mkdir(parents=True)
        (folder / "sys" / "kernel" / "random" / "boot_id").write_text(f"{boot}\n", encoding="ascii")
    return folder


def test_an_attempt_starts_with_the_count_as_it_is(tmp_path: Path) -> None:
    files = proc(tmp_path, "oom_kill 7\n")
    assert started_attempt(proc=files) == StartedAttempt(boot=BOOT, kills=7)
    assert started_attempt(tried(), proc=files) == StartedAttempt(boot=BOOT, kills=7, tried=tried())


@pytest.mark.parametrize(
    ("vmstat", "boot"), [("nr_free_pages 5\n", BOOT), ("oom_kill many\n", BOOT), ("oom_kill 7\n", "")]
)
def test_where_the_kernel_does_not_tell_nothing_is_compared_later(tmp_path: Path, vmstat: str, boot: str) -> None:
    assert started_attempt(proc=proc(tmp_path, vmstat, boot=boot)) is None


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that counts")
def test_the_count_of_this_kernel_grows_only_with_a_kill() -> None:
    before = started_attempt()
    assert before is not None
    assert not before.was_killed(before)
