"""Where models run here."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch

from aura_daemon.config.engine import Device, Dtype, EngineSettings
from aura_daemon.engines.placement.device_memory import PeakMemory, memory_figures, release
from aura_daemon.engines.placement.devices import Devices, Placement, find_devices, uuid_of
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.rungs import Rung

ON_CPU = EngineSettings(device=Device.CPU)


def placed(settings: EngineSettings) -> Placement:
    devices = find_devices(settings)
    assert isinstance(devices, Devices)
    return devices.first


def test_on_the_cpu_auto_takes_bfloat16_only_where_the_processor_computes_in_it() -> None:
    flags = torch.cpu.get_capabilities()
    computes = flags.get("amx_bf16") or flags.get("avx512_bf16")
    assert placed(ON_CPU).dtype is (Dtype.BFLOAT16 if computes else Dtype.FLOAT32)


@pytest.mark.parametrize("name", ["avx2", "AVX2", "default"])
def test_bfloat16_is_not_native_where_torch_is_forbidden_the_instructions(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", name)
    assert placed(ON_CPU).dtype is Dtype.FLOAT32


def test_a_dtype_that_is_asked_for_is_taken() -> None:
    placement = placed(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT16))
    assert (placement.device, placement.torch_dtype, placement.rung) == ("cpu", torch.float16, Rung.CPU)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
def test_cuda_asked_for_but_absent_is_said_and_not_replaced_by_the_cpu() -> None:
    failure = find_devices(EngineSettings(device=Device.CUDA))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert "no CUDA device" in failure.message


def test_the_peak_counts_memory_that_was_given_back() -> None:
    placement = placed(ON_CPU)
    size = 200 << 20
    before = memory_figures(placement).resident_bytes
    peak = PeakMemory(placement)
    block = torch.ones(size, dtype=torch.uint8)
    peak.sample()
    del block
    release(placement)
    assert peak.highest_bytes() >= before + size // 2


def test_a_new_peak_forgets_the_one_before() -> None:
    placement = placed(ON_CPU)
    block = torch.ones(400 << 20, dtype=torch.uint8)
    high = PeakMemory(placement).highest_bytes()
    del block
    release(placement)
    assert PeakMemory(placement).highest_bytes() < high


def test_memory_figures_add_up() -> None:
    figures = memory_figures(placed(ON_CPU))
    assert 0 < figures.resident_bytes == figures.used_bytes < figures.total_bytes
    assert 0 < figures.free_bytes < figures.total_bytes


def test_a_card_s_uuid_is_text_also_where_torch_has_it_as_an_object_or_not_at_all() -> None:
    class Uuid:
        """As `torch._C._CUuuid`, which builds without CUDA lack."""

        def __repr__(self) -> str:
            return "ffc79498-8ff3-c2dc-3b0d-fafd804516ae"

    assert uuid_of(SimpleNamespace(uuid=Uuid())) == "ffc79498-8ff3-c2dc-3b0d-fafd804516ae"
    assert uuid_of(SimpleNamespace()) == ""


@pytest.mark.skipif(not torch.cuda.is_available(), reason="has no CUDA")
def test_the_driver_knows_the_card_by_the_uuid_that_torch_says() -> None:
    from aura_daemon.system.hardware import nvidia

    if not nvidia.gpus():
        pytest.skip("the driver's library does not answer")
    assert nvidia.others(os.getpid(), placed(EngineSettings(device=Device.CUDA)).uuid) != nvidia.UNKNOWN
