"""A GPU that answers no more, in a process that goes on a moment longer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aura_daemon.config.engine import Device, EngineSettings, GenerateSettings
from aura_daemon.engines import session
from aura_daemon.engines.placement import rung_choice
from aura_daemon.engines.placement.device_memory import MemoryFigures, memory_figures
from aura_daemon.engines.placement.devices import Devices, Placement
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.pipelines import Pipelines
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.rungs import Backend, Rung
from tests.support.running import run_alone

ERROR = "CUDA error: device-side assert triggered"


@pytest.fixture
def on_gpu(generator_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Its GPU is the CPU, which answers until it is broken."""
    made = Session(EngineSettings(device=Device.CPU, generate=GenerateSettings(model=str(generator_folder))))
    assert isinstance(made.devices, Devices)
    gpu = replace(made.devices.cpu, rung=Rung.RESIDENT)
    made.devices = Devices(backend=Backend.CUDA, accelerator=gpu, cpu=made.devices.cpu)
    monkeypatch.setattr(rung_choice, "device_room", lambda placement: 1 << 40)
    return made


class Breaking:
    """From its first call on the GPU answers no more."""

    def __init__(self) -> None:
        self.is_over = False

    def now(self, *_: object) -> None:
        self.is_over = True
        raise torch.AcceleratorError(ERROR)

    def memory_figures(self, placement: Placement | None) -> MemoryFigures:
        if self.is_over and placement is not None:
            self.now()
        return memory_figures(None)


@pytest.mark.parametrize("where", ["drawing", "loading"])
def test_it_is_said_and_the_gpu_is_asked_nothing_more(
    on_gpu: Session, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    breaking = Breaking()
    if where == "drawing":
        monkeypatch.setattr(Pipelines, "denoise", breaking.now)
    else:
        monkeypatch.setattr(session, "Generator", breaking.now)
    monkeypatch.setattr(session, "release", breaking.now)
    monkeypatch.setattr(session, "memory_figures", breaking.memory_figures)
    failure = run_alone(on_gpu, GenerateRequest(prompt="a", seed=1, steps=1))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.CRASHED, failure
    assert ERROR in failure.message
    assert on_gpu.memory().total_bytes > 0
