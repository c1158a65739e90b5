"""How many processes the kernel has killed: read from files like the kernel's, and once from the kernel's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aura_daemon.system.processes.oom_kills import boot_id, oom_kills


@pytest.mark.parametrize(
    ("vmstat", "count"),
    [
        ("nr_free_pages 5\noom_kill_other 9\noom_kill 7\n", 7),
        ("nr_free_pages 5\n", None),
        ("oom_kill many\n", None),
    ],
)
def test_the_count_is_read_where_the_kernel_tells_it(tmp_path: Path, vmstat: str, count: int | None) -> None:
    (tmp_path / "vmstat").write_text(vmstat, encoding="ascii")
    assert oom_kills(proc=tmp_path) == count


def test_without_these_files_nothing_is_known(tmp_path: Path) -> None:
    assert oom_kills(proc=tmp_path) is None
    assert boot_id(proc=tmp_path) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that counts")
def test_this_kernel_counts() -> None:
    before = oom_kills()
    assert before is not None
    assert before >= 0
    assert boot_id() == boot_id() != ""
