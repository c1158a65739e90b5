"""The embedded model, converted once a session by the child that converts for a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.openvino import background
from aura_daemon.engines.openvino.background import BackgroundConversion
from aura_daemon.engines.openvino.choice import machine_of
from aura_daemon.engines.openvino.store import ConversionStore
from aura_daemon.engines.placement.devices import Devices, Placement, find_devices
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.speed import EngineChoice
from tests.support import prompt_conversion
from tests.support.listening import Listener

SETTINGS = EngineSettings(
    device=Device.CPU, dtype=Dtype.FLOAT32, generate=GenerateSettings(engine=EngineChoice.OPENVINO)
)


@pytest.fixture(scope="session", autouse=True)
def conversions_at_once() -> Iterator[None]:
    """Has the children that convert keep the priority of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(background, "CHILD", prompt_conversion.CHILD)
        yield


@pytest.fixture(scope="session")
def files() -> ModelFiles:
    found = find_model(GenerateSettings(), STABLE_DIFFUSION, False, Listener())
    assert isinstance(found, ModelFiles)
    return found


@pytest.fixture(scope="session")
def placement() -> Placement:
    devices = find_devices(SETTINGS)
    assert isinstance(devices, Devices)
    return devices.cpu


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, files: ModelFiles, placement: Placement) -> Path:
    """A folder of caches (XDG's) with the embedded model converted and measured."""
    folder = tmp_path_factory.mktemp("cache")
    conversion = BackgroundConversion(ConversionStore(folder / "aura-daemon" / "openvino"))
    conversion.consider(files, placement, machine=machine_of(placement), wants_int8=False)
    assert conversion.wait() == 0
    return folder


@pytest.fixture
def store(cache: Path) -> ConversionStore:
    return ConversionStore(cache / "aura-daemon" / "openvino")
