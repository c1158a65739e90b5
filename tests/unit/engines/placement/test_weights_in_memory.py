"""A loaded model's weights: what of its files stays in the process, and what counts as its peak."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import pytest
import torch

from aura_daemon.config.engine import Device, EngineSettings, GenerateSettings
from aura_daemon.engines.placement import device_memory
from aura_daemon.engines.placement.device_memory import PeakMemory, host_room
from aura_daemon.engines.placement.devices import Devices, find_devices
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.loading import copy_weights
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Produced
from aura_daemon.system.hardware.host_memory import HostMemory
from tests.support.running import run_alone

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="what is mapped stands in /proc"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


def test_no_file_of_a_loaded_generator_stays_mapped(generator_folder: Path) -> None:
    session = Session(EngineSettings(device=Device.CPU, generate=GenerateSettings(model=str(generator_folder))))
    outcome = run_alone(session, GenerateRequest(prompt="a", seed=1, steps=1))
    assert isinstance(outcome, Produced), outcome
    assert session.models == (str(generator_folder),)
    assert str(generator_folder) not in Path("/proc/self/maps").read_text()


def test_copies_have_the_numbers_the_layout_and_the_alignment_of_what_they_are_copies_of() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.Linear(7, 3), torch.nn.BatchNorm1d(3))
    model.to(memory_format=torch.channels_last)
    room = torch.arange(22, dtype=torch.float32)
    model[1].weight.data = room[1:].view(3, 7)
    before = [tensor.data for tensor in (*model.parameters(), *model.buffers())]
    copy_weights(model)
    after = [tensor.data for tensor in (*model.parameters(), *model.buffers())]
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old, new) and old.data_ptr() != new.data_ptr()
        assert old.stride() == new.stride()
        assert (old.data_ptr() - new.data_ptr()) % 64 == 0


def test_pages_of_files_are_counted_as_room_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = HostMemory(available_bytes=1 << 30, total_bytes=2 << 30, limit_bytes=None)
    monkeypatch.setattr(device_memory, "host_memory", lambda: machine)
    file = tmp_path / "weights"
    file.write_bytes(bytes(256 << 20))
    before = host_room()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        seen = sum(mapped[place] for place in range(0, len(mapped), mmap.PAGESIZE))
        after = host_room()
    assert seen == 0
    assert after - before < 128 << 20  # 256 MiB, were they


def test_a_peak_that_is_restarted_forgets_what_was_before() -> None:
    devices = find_devices(EngineSettings(device=Device.CPU))
    assert isinstance(devices, Devices)
    peak = PeakMemory(devices.cpu)
    filled = torch.ones(64 << 20, dtype=torch.uint8)
    with_it = peak.highest_bytes()
    del filled
    peak.restart()
    assert peak.highest_bytes() < with_it - (32 << 20)
