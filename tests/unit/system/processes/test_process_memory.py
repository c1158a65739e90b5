"""The memory of processes."""

from __future__ import annotations

import subprocess
import sys

from aura_daemon.system.processes.process_memory import may_make_code, peak_at_the_end_of


def test_an_ordinary_process_may_make_code() -> None:
    assert may_make_code()


def test_the_peak_of_a_child_is_known_when_it_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "bytearray(64 << 20); raise SystemExit(3)"]) as child:
        assert peak_at_the_end_of(child) > 64 << 20
        assert child.returncode == 3
