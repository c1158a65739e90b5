"""What the driver's library says of cards. Its functions stand in here as NVIDIA documents them: it is not ours."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from aura_daemon.engines import nvml
from aura_daemon.engines.nvml import Gpu, gpus, others

GIB = 1 << 30


class NoDriver(Exception):
    """`NVMLError`, raised by every function that the driver refuses."""


class Driver:
    """One RTX 3050 with a process on it."""

    NVMLError = NoDriver

    def __init__(self, *, used: int | None = GIB, lists_processes: bool = True) -> None:
        self.open = 0
        self._used = used
        self._lists_processes = lists_processes

    def nvmlInit(self) -> None:  # noqa: N802 - NVIDIA's names
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(total=4 * GIB, free=3 * GIB, used=GIB)

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return "NVIDIA GeForce RTX 3050 Laptop GPU"

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "560.35.03"

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:  # noqa: N802
        if not self._lists_processes:
            raise NoDriver("Not Supported")
        return [SimpleNamespace(pid=os.getpid(), usedGpuMemory=self._used)]


class Shared(Driver):
    """A GPU whose memory is the host's."""

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        raise NoDriver("Not Supported")


class Absent(Driver):
    """`libnvidia-ml.so` is not there."""

    def nvmlInit(self) -> None:  # noqa: N802
        raise NoDriver("NVML Shared Library Not Found")


def test_here_it_answers_whether_there_is_a_driver_or_not() -> None:
    for card in gpus():
        assert card.name
        assert 0 <= card.free_bytes <= card.total_bytes


def test_without_a_driver_it_knows_of_none_and_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "pynvml", Absent())
    assert gpus() == ()
    assert others(1) == ""


def test_without_the_package_it_knows_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "pynvml", None)
    assert (gpus(), others(1)) == ((), "")


def test_a_card_is_told_with_its_memory_and_who_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setattr(nvml, "pynvml", driver)
    (card,) = gpus()
    ((pid, name, size),) = card.users
    assert card == Gpu(
        name="NVIDIA GeForce RTX 3050 Laptop GPU",
        total_bytes=4 * GIB,
        free_bytes=3 * GIB,
        driver="560.35.03",
        users=((pid, name, size),),
    )
    assert (pid, size) == (os.getpid(), GIB)
    assert "python" in name or "pytest" in name
    assert driver.open == 0


def test_others_are_named_without_oneself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "pynvml", Driver())
    assert others(os.getpid()) == ""
    assert others(1).endswith(f"({os.getpid()}) 1.0 GiB")
    assert others(1, number=1) == ""


def test_a_driver_that_does_not_say_how_much_names_the_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "pynvml", Driver(used=None))
    assert others(1).endswith(f"({os.getpid()})")


def test_a_card_that_lists_no_processes_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "pynvml", Driver(lists_processes=False))
    (card,) = gpus()
    assert card.users == ()


def test_a_card_without_memory_of_its_own_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Shared()
    monkeypatch.setattr(nvml, "pynvml", driver)
    assert (gpus(), others(1), driver.open) == ((), "", 0)
