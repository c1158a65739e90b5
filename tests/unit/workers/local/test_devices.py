"""Which devices get a worker each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pytest

from aura_daemon.config.engine import Device
from aura_daemon.system.hardware.nvidia import Gpu
from aura_daemon.workers.local.devices import BY_BUS, ONLY, ORDER, VISIBLE, DevicePlan, device_plans


def card(name: str, uuid: str = "") -> Gpu:
    return Gpu(name=name, uuid=uuid, total_bytes=0, free_bytes=0, driver="", users=())


LARGE, SMALL = card("RTX 4090", "GPU-aaaa-1"), card("GTX 1650", "GPU-bbbb-2")
ALIKE = (card("H200", "GPU-1111"), card("H200", "GPU-2222"), card("H200", "GPU-3333"))

CPU = DevicePlan(name="cpu", device=Device.CPU)


def gpu(number: int) -> DevicePlan:
    return DevicePlan(name=f"gpu {number}", device=Device.CUDA, environment={VISIBLE: str(number), ORDER: BY_BUS})


@pytest.mark.parametrize(
    ("devices", "plans"),
    [
        ([0], (gpu(0),)),
        ([1, 0], (gpu(1), gpu(0))),
        ([0, "cpu"], (gpu(0), CPU)),
        (["cpu"], (CPU,)),
        ([2, 2, 2], (gpu(2),)),  # one worker a device
        ([], (ONLY,)),
    ],
)
def test_devices_that_are_named_get_a_worker_each(
    devices: list[int | Literal["cpu"]], plans: tuple[DevicePlan, ...]
) -> None:
    """Whatever the environment lets CUDA see: who names devices means places on the bus."""
    for environment in ({}, {VISIBLE: "5"}):
        assert device_plans(devices, configured=Device.AUTO, cards=ALIKE, environment=environment) == plans


@pytest.mark.parametrize("configured", [Device.AUTO, Device.CUDA])
@pytest.mark.parametrize(
    ("cards", "environment", "numbers"),
    [
        ((), {}, []),
        ((LARGE,), {}, []),  # the only worker finds it by itself
        ((LARGE, SMALL), {}, [0, 1]),
        (ALIKE, {VISIBLE: "0,2"}, [0, 2]),
        (ALIKE, {VISIBLE: "2, 0"}, [2, 0]),
        (ALIKE, {VISIBLE: "1"}, []),
        (ALIKE, {VISIBLE: ""}, []),
        (ALIKE, {VISIBLE: "0,1,7"}, [0, 1]),
        (ALIKE, {VISIBLE: "0,7,1,2"}, []),  # CUDA sees none after a wrong one
        (ALIKE, {VISIBLE: "7,0,1"}, []),
        (ALIKE, {VISIBLE: "-1"}, []),
        # Of cards that differ nobody knows in which order CUDA counts them, unless it is told:
        ((LARGE, SMALL), {VISIBLE: "1,0"}, []),
        ((LARGE, SMALL), {VISIBLE: "1,0", ORDER: BY_BUS}, [1, 0]),
        ((LARGE, SMALL), {VISIBLE: "GPU-bbbb,GPU-aaaa"}, [1, 0]),
        ((LARGE, SMALL), {VISIBLE: "GPU-cccc"}, []),
        ((card("old"), card("old")), {VISIBLE: "GPU-aaaa"}, []),
    ],
)
def test_where_nothing_is_named_every_card_gets_one_that_the_environment_lets_cuda_see(
    configured: Device, cards: tuple[Gpu, ...], environment: Mapping[str, str], numbers: list[int]
) -> None:
    plans = tuple(gpu(number) for number in numbers) or (ONLY,)
    assert device_plans("auto", configured=configured, cards=cards, environment=environment) == plans


@pytest.mark.parametrize("configured", [Device.CPU, Device.XPU, Device.MPS])
def test_another_configured_device_gets_the_only_worker(configured: Device) -> None:
    assert device_plans("auto", configured=configured, cards=ALIKE, environment={}) == (ONLY,)
