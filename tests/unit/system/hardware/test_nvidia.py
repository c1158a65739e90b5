"""Facts about GPUs from the driver's library, a third party's, which is replaced by doubles as NVIDIA documents it."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from aura_daemon.system.hardware.nvidia import UNKNOWN, Gpu, first_visible, gpus, others

GIB = 1 << 30
UUIDS = ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "GPU-8a1bd0f7-7c1a-4f2c-9d3b-000000000001")
ON_FIRST, ON_SECOND = (uuid.removeprefix("GPU-") for uuid in UUIDS)
"""The UUID as torch gives it."""


class NoDriver(Exception):
    """`NVMLError`, which every function raises that the driver refuses."""


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

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return UUIDS[handle]

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return "NVIDIA GeForce RTX 3050 Laptop GPU"

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "560.35.03"

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:  # noqa: N802
        if not self._lists_processes:
            raise NoDriver("Not Supported")
        return [SimpleNamespace(pid=os.getpid(), usedGpuMemory=self._used)]


class Two(Driver):
    """Two cards; this process is only on the first, as the driver counts them."""

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:  # noqa: N802
        return super().nvmlDeviceGetComputeRunningProcesses(handle) if handle == 0 else []


class Nameless(Two):
    """Cards whose UUID the driver does not tell."""

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        raise NoDriver("Not Supported")


class Shared(Driver):
    """A GPU whose memory is the host's."""

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        raise NoDriver("Not Supported")


class Absent(Driver):
    """A machine without `libnvidia-ml.so`."""

    def nvmlInit(self) -> None:  # noqa: N802
        raise NoDriver("NVML Shared Library Not Found")


def install(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> None:
    """Replaces the functions of NVIDIA's library by those of a double."""
    pynvml = pytest.importorskip("pynvml")
    for name in dir(driver):
        if name.startswith("nvml"):
            monkeypatch.setattr(pynvml, name, getattr(driver, name))
    monkeypatch.setattr(pynvml, "NVMLError", NoDriver)


def test_here_it_answers_whether_there_is_a_driver_or_not() -> None:
    for card in gpus():
        assert card.name
        assert 0 <= card.free_bytes <= card.total_bytes


def test_without_a_driver_it_knows_of_none_and_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Absent())
    assert gpus() == ()
    assert others(1, ON_FIRST) == ""


def test_without_the_package_it_knows_of_none() -> None:
    code = (
        "import sys; sys.modules['pynvml'] = None; from aura_daemon.system.hardware.nvidia import gpus, others; "
        "print(gpus(), repr(others(1, 'x')))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "() ''\n"


def test_a_card_is_told_with_its_memory_and_who_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    install(monkeypatch, driver)
    (card,) = gpus()
    ((pid, name, size),) = card.users
    assert card == Gpu(
        name="NVIDIA GeForce RTX 3050 Laptop GPU",
        uuid=UUIDS[0],
        total_bytes=4 * GIB,
        free_bytes=3 * GIB,
        driver="560.35.03",
        users=((pid, name, size),),
    )
    assert (pid, size) == (os.getpid(), GIB)
    assert "python" in name or "pytest" in name
    assert driver.open == 0


def test_others_are_named_without_oneself(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Driver())
    assert others(os.getpid(), ON_FIRST) == ""
    assert others(1, ON_FIRST).endswith(f"({os.getpid()}) 1.0 GiB")


def test_a_driver_that_does_not_say_how_much_names_the_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Driver(used=None))
    assert others(1, ON_FIRST).endswith(f"({os.getpid()})")


def test_a_card_that_lists_no_processes_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Driver(lists_processes=False))
    (card,) = gpus()
    assert card.users == ()


def test_a_card_without_memory_of_its_own_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Shared()
    install(monkeypatch, driver)
    assert (gpus(), others(1, ON_FIRST), driver.open) == ((), "", 0)


def test_of_several_cards_the_one_that_torch_computes_on_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Two())
    assert others(1, ON_FIRST).endswith(f"({os.getpid()}) 1.0 GiB")
    assert others(1, UUIDS[0]) == others(1, ON_FIRST.upper()) == others(1, ON_FIRST)
    assert others(1, ON_SECOND) == ""


@pytest.mark.parametrize("uuid", ["", "00000000-7c1a-4f2c-9d3b-000000000002"], ids=["torch does not say", "a part"])
def test_where_nobody_knows_which_of_several_it_is_none_s_users_are_named(
    monkeypatch: pytest.MonkeyPatch, uuid: str
) -> None:
    install(monkeypatch, Two())
    assert others(1, uuid) == UNKNOWN
    install(monkeypatch, Nameless())
    assert others(1, ON_FIRST) == UNKNOWN


def test_an_only_card_is_meant_where_torch_says_no_uuid_and_not_where_it_says_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, Driver())
    assert others(1, "") == others(1, ON_FIRST) != ""
    assert others(1, ON_SECOND) == UNKNOWN


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({}, None),
        ({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, None),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, 0),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1,0"}, 1),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "2"}, None),
        ({"CUDA_VISIBLE_DEVICES": "1"}, None),
        ({"CUDA_VISIBLE_DEVICES": UUIDS[1]}, 1),
        ({"CUDA_VISIBLE_DEVICES": "GPU-893"}, 0),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8"}, None),
        ({"CUDA_VISIBLE_DEVICES": f" {UUIDS[1]} , {UUIDS[0]}"}, 1),
        ({"CUDA_VISIBLE_DEVICES": "MIG-8932f937-d72c-4106-c12f-20bd9faed9f6"}, None),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, None),
        ({"CUDA_VISIBLE_DEVICES": ""}, None),
    ],
    ids=str,
)
def test_which_card_cuda_calls_the_first_is_told_from_its_variables_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], number: int | None
) -> None:
    install(monkeypatch, Two())
    cards = gpus()
    assert first_visible(cards, environment) == (cards[number] if number is not None else None)


def test_an_only_card_is_the_first_one() -> None:
    assert first_visible((), {}) is None
    card = Gpu(name="x", uuid="", total_bytes=1, free_bytes=1, driver="1", users=())
    assert first_visible((card,), {}) is card
    assert first_visible((card,), {"CUDA_VISIBLE_DEVICES": "0"}) is card
