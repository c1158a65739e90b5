"""Whether a process runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from aura_daemon.system.processes.running import exists


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
