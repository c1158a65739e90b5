"""Whether a process runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aura_daemon.system.processes.running import exists, is_ending


def test_a_process_exists_until_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert exists(child.pid)
    child.communicate(b"\n")
    assert not exists(child.pid)


def test_a_process_of_another_user_exists() -> None:
    assert exists(1)
    assert exists(os.getppid())


@pytest.mark.parametrize("number", [0, -1, -1000, 1 << 70])
def test_no_process_has_such_a_number(number: int) -> None:
    assert not exists(number)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's /proc")
def test_a_process_that_runs_nothing_more_and_is_there_is_ending() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert not is_ending(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_ending(child.pid)
    assert not is_ending(child.pid)
    assert not is_ending(os.getpid())
    assert not is_ending(2)  # the kernel's own


def test_where_processes_cannot_be_asked_none_is_ending(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    assert not is_ending(8, proc=tmp_path)
    for text in ("", "7 (a) b)", "7 (python) D 1 1 1 0 -1 x"):
        (tmp_path / "7" / "stat").write_text(text)
        assert not is_ending(7, proc=tmp_path)
    (tmp_path / "7" / "stat").write_text("7 (a) b) D 1 1 1 0 -1 4194564 0")
    assert is_ending(7, proc=tmp_path)
