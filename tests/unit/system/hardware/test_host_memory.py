"""The memory that is free on the machine: read from trees like the kernel's, and once from the kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aura_daemon.system.hardware.host_memory import HostMemory, host_memory
from tests.support.memorygroup import MemoryGroup, obstacle

MIB = 1 << 20
NO_LIMIT_V1 = 9223372036854771712
"""2^63 minus a page: the kernel's value for no limit."""


class Kernel:
    """A `/proc/self/cgroup` and a tree of control groups."""

    def __init__(self, root: Path) -> None:
        self.proc, self.groups = root / "proc", root / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        self.groups.mkdir()

    def belongs(self, *lines: str) -> None:
        (self.proc / "self" / "cgroup").write_text("\n".join(lines) + "\n", encoding="ascii")

    def v2(self, path: str, limit: int | str, used: int = 0, cache: int = 0, high: int | str = "max") -> None:
        folder = self.groups / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{limit}\n", encoding="ascii")
        (folder / "memory.high").write_text(f"{high}\n", encoding="ascii")
        (folder / "memory.current").write_text(f"{used}\n", encoding="ascii")
        stat = f"anon 1\ninactive_file {cache}\nactive_file 0\nfile 999\n"
        (folder / "memory.stat").write_text(stat, encoding="ascii")

    def v1(self, path: str, limit: int, used: int = 0, cache: int = 0) -> None:
        folder = self.groups / "memory" / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.limit_in_bytes").write_text(f"{limit}\n", encoding="ascii")
        (folder / "memory.usage_in_bytes").write_text(f"{used}\n", encoding="ascii")
        stat = f"inactive_file 7\ntotal_inactive_file {cache}\ntotal_active_file 0\n"
        (folder / "memory.stat").write_text(stat, encoding="ascii")

    def memory(self) -> HostMemory:
        return host_memory(proc=self.proc, groups=self.groups)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_without_control_groups_it_is_the_machines_memory(kernel: Kernel) -> None:
    found = kernel.memory()
    assert (found.total_bytes, found.limit_bytes) == (psutil.virtual_memory().total, None)
    assert 0 < found.available_bytes <= found.total_bytes


def test_a_limit_of_version_2_counts_less_what_is_used_and_not_cache(kernel: Kernel) -> None:
    kernel.belongs("0::/system.slice/aura.service")
    kernel.v2("system.slice/aura.service", 100 * MIB, used=60 * MIB, cache=20 * MIB)
    assert kernel.memory() == HostMemory(available_bytes=60 * MIB, total_bytes=100 * MIB, limit_bytes=100 * MIB)


def test_max_is_no_limit(kernel: Kernel) -> None:
    kernel.belongs("0::/a")
    kernel.v2("a", "max", used=60 * MIB)
    found = kernel.memory()
    assert (found.total_bytes, found.limit_bytes) == (psutil.virtual_memory().total, None)


@pytest.mark.parametrize(("most", "high"), [("max", 50 * MIB), (80 * MIB, 50 * MIB), (50 * MIB, 80 * MIB)])
def test_where_the_kernel_halts_what_takes_more_that_is_a_limit_too(kernel: Kernel, most: int | str, high: int) -> None:
    kernel.belongs("0::/outer/inner")
    kernel.v2("outer/inner", "max", used=MIB)
    kernel.v2("outer", most, used=30 * MIB, cache=10 * MIB, high=high)
    assert kernel.memory() == HostMemory(available_bytes=30 * MIB, total_bytes=50 * MIB, limit_bytes=50 * MIB)


def test_the_tightest_limit_of_all_groups_above_counts(kernel: Kernel) -> None:
    kernel.belongs("0::/outer/middle/inner")
    kernel.v2("outer/middle/inner", "max", used=MIB)
    kernel.v2("outer/middle", 50 * MIB, used=45 * MIB)
    kernel.v2("outer", 200 * MIB, used=60 * MIB)
    found = kernel.memory()
    assert (found.limit_bytes, found.available_bytes) == (50 * MIB, 5 * MIB)


def test_neighbours_in_an_outer_group_leave_less_than_the_inner_limit_says(kernel: Kernel) -> None:
    kernel.belongs("0::/outer/inner")
    kernel.v2("outer/inner", 50 * MIB, used=0)
    kernel.v2("outer", 60 * MIB, used=58 * MIB)
    found = kernel.memory()
    assert (found.limit_bytes, found.available_bytes) == (50 * MIB, 2 * MIB)


def test_more_used_than_allowed_leaves_nothing_not_less(kernel: Kernel) -> None:
    kernel.belongs("0::/a")
    kernel.v2("a", 10 * MIB, used=11 * MIB)
    assert kernel.memory().available_bytes == 0


def test_a_container_whose_path_is_the_hosts_is_limited_by_what_is_mounted(kernel: Kernel) -> None:
    kernel.belongs("0::/../../kubepods/pod1/container1")
    kernel.v2("", 70 * MIB, used=10 * MIB)
    assert kernel.memory().limit_bytes == 70 * MIB


def test_a_limit_larger_than_the_machine_leaves_the_machines_memory(kernel: Kernel) -> None:
    machine = psutil.virtual_memory().total
    kernel.belongs("0::/a")
    kernel.v2("a", machine * 4)
    found = kernel.memory()
    assert (found.total_bytes, found.limit_bytes) == (machine, machine * 4)
    assert found.available_bytes <= machine


def test_a_limit_of_version_1_counts_with_the_whole_groups_cache(kernel: Kernel) -> None:
    kernel.belongs("5:cpu:/x", "4:memory:/docker/abc", "0::/")
    kernel.v1("docker/abc", 100 * MIB, used=80 * MIB, cache=30 * MIB)
    kernel.v1("docker", NO_LIMIT_V1)
    found = kernel.memory()
    assert (found.limit_bytes, found.available_bytes) == (100 * MIB, 50 * MIB)


def test_version_1_says_no_limit_by_a_great_number(kernel: Kernel) -> None:
    kernel.belongs("4:hugetlb,memory:/a")
    kernel.v1("a", NO_LIMIT_V1, used=MIB)
    assert kernel.memory().limit_bytes is None


def test_a_container_of_version_1_is_limited_by_what_is_mounted(kernel: Kernel) -> None:
    kernel.belongs("4:memory:/docker/0123")
    kernel.v1("", 90 * MIB, used=10 * MIB)
    assert kernel.memory().limit_bytes == 90 * MIB


def test_files_that_say_nothing_sensible_limit_nothing(kernel: Kernel) -> None:
    kernel.belongs("0::/a")
    kernel.v2("a", "many", used=MIB)
    assert kernel.memory().limit_bytes is None


# -- the kernel's own --------------------------------------------------------------------------------------------------

LIMIT = 300 * MIB

LOOK = (
    "from aura_daemon.system.hardware.host_memory import host_memory as m; "
    "f = m(); print(f.limit_bytes, f.available_bytes)"
)


@pytest.fixture
def group() -> Iterator[MemoryGroup]:
    """A control group with a limit of its own."""
    missing = obstacle()
    if missing:
        pytest.skip(missing)
    made = MemoryGroup("test", LIMIT)
    yield made
    made.close()


def test_a_child_in_a_real_control_group_sees_its_limit(group: MemoryGroup) -> None:
    child = group.start([sys.executable, "-c", LOOK], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, complaint = child.communicate()
    assert child.returncode == 0, complaint
    limit, available = map(int, said.split())
    assert limit == LIMIT
    assert 0 < available < LIMIT
