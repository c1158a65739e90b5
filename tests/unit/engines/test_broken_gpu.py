"""A GPU that answers no more, in a process that goes on a moment longer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

import pytest
import torch

from aura_daemon.config.engine import Device, Dtype, EngineSettings
from aura_daemon.engines.interface import DecodedTask, TaskResult
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import FreeMemory, PeakMemory
from aura_daemon.engines.placement.devices import Devices, Placement
from aura_daemon.engines.reporter import Reporter
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.family import StableDiffusion
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.rungs import Backend, Rung
from tests.support.running import run_alone

ERROR = "CUDA error: device-side assert triggered"


class Gpu:
    """What torch.cuda answers; once the GPU is broken, every question to it raises."""

    def __init__(self) -> None:
        self.is_broken = False

    def answer(self, *_: object) -> int:
        if self.is_broken:
            self.break_down()
        return 0

    def memory(self, *_: object) -> tuple[int, int]:
        return self.answer(), 1 << 40

    def break_down(self) -> NoReturn:
        self.is_broken = True
        raise torch.AcceleratorError(ERROR)


class Model:
    """A loaded model of no use."""

    def __init__(self, files: ModelFiles, placement: Placement) -> None:
        self.files = files
        self.placement = placement

    def move_to(self, placement: Placement) -> None:
        self.placement = placement


class Breaking(StableDiffusion):
    """Breaks the GPU while a model is loaded, or while a picture is drawn."""

    def __init__(self, settings: EngineSettings, gpu: Gpu, *, loading: bool) -> None:
        super().__init__(settings)
        self._gpu = gpu
        self._loading = loading

    def load(self, files: ModelFiles, placement: Placement) -> Model:  # type: ignore[override]
        if self._loading:
            self._gpu.break_down()
        return Model(files, placement)

    def run(  # type: ignore[override]
        self, engine: Model, tasks: Sequence[DecodedTask[object]], reporter: Reporter, peak: PeakMemory
    ) -> Iterator[TaskResult]:
        self._gpu.break_down()


@pytest.mark.parametrize("loading", [False, True], ids=["drawing", "loading"])
def test_it_is_said_and_the_gpu_is_asked_nothing_more(monkeypatch: pytest.MonkeyPatch, loading: bool) -> None:
    gpu = Gpu()
    for count in ("reset_peak_memory_stats", "max_memory_allocated"):  # the allocator's own: they ask no GPU
        monkeypatch.setattr(torch.cuda, count, lambda device: 0)
    monkeypatch.setattr(torch.cuda, "empty_cache", gpu.answer)
    monkeypatch.setattr(torch.cuda, "mem_get_info", gpu.memory)
    cpu = Placement(device="cpu", device_name="", dtype=Dtype.FLOAT32, rung=Rung.CPU)
    card = Placement(device="cuda:0", device_name="", dtype=Dtype.FLOAT32, rung=Rung.RESIDENT)
    session = Session(
        EngineSettings(device=Device.CPU),
        families={JobKind.GENERATE: lambda settings: Breaking(settings, gpu, loading=loading)},
        devices=Devices(backend=Backend.CUDA, accelerator=card, cpu=cpu),
        free=lambda devices: FreeMemory(device_bytes=1 << 40, host_bytes=1 << 40),
    )
    failure = run_alone(session, GenerateRequest(prompt="a", seed=1, steps=1))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.CRASHED, failure
    assert ERROR in failure.message
    assert session.memory().total_bytes > 0
