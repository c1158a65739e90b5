"""The machine's memory, with /proc/meminfo and without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from aura_daemon.system.hardware.host_memory import from_nodes, machine_memory
from tests.support.hidden_proc import HIDE_PROC, can_hide_proc

NODE = """Node {number} MemTotal:       {total} kB
Node {number} MemFree:        1000 kB
Node {number} Active:          9999 kB
Node {number} Active(file):    200 kB
Node {number} Inactive(file):  300 kB
Node {number} SReclaimable:     50 kB
Node {number} HugePages_Total:     0
"""


def test_it_is_the_kernels_own_figure() -> None:
    assert machine_memory().total_bytes == psutil.virtual_memory().total


def test_memory_nodes_are_added_up(tmp_path: Path) -> None:
    for number, total in enumerate((4000, 8000)):
        (tmp_path / f"node{number}").mkdir()
        (tmp_path / f"node{number}" / "meminfo").write_text(NODE.format(number=number, total=total))
    found = from_nodes(tmp_path)
    assert (found.total_bytes, found.available_bytes) == (12_000 * 1024, 2 * 1550 * 1024)


def test_without_memory_nodes_the_free_pages_count(tmp_path: Path) -> None:
    found = from_nodes(tmp_path)
    assert found.total_bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < found.available_bytes <= found.total_bytes


@pytest.mark.skipif(not can_hide_proc(), reason="needs root and a mount namespace of its own")
def test_where_proc_shows_processes_alone_it_is_found_all_the_same_and_said_once() -> None:
    program = (
        "from aura_daemon.system.hardware.host_memory import machine_memory as m; "
        "print(m().total_bytes == m().total_bytes > 0)"
    )
    ran = subprocess.run([*HIDE_PROC, sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "True\n"
    assert ran.stderr.count("ProcSubset=pid") == 1
