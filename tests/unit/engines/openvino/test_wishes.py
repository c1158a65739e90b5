"""What a worker that may only read converted models wishes comes to the same as if it had done it itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aura_daemon.config.engine import Dtype
from aura_daemon.config.settings import Settings
from aura_daemon.config.workers.services import (
    ConvertedPart,
    FaultyConversion,
    ModelRole,
    WantedConversion,
    WantedModel,
)
from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.choice import machine_of
from aura_daemon.engines.openvino.store import ConversionStore, ConvertedModel, Kind
from aura_daemon.engines.openvino.wishes.asking import AskedConversion
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.results import Failure
from aura_daemon.workers.converting.conversions import ModelConversions
from aura_daemon.workers.local.reach import reach_of_conversions
from aura_daemon.workers.local.worker_sandbox import WorkerSandbox
from tests.unit.engines.openvino.conftest import SETTINGS


class Asked:
    """Writes down what is wished (`config.workers.services.Services`)."""

    def __init__(self) -> None:
        self.wishes: list[WantedConversion | FaultyConversion | str] = []

    def fetch(self, wanted: WantedModel) -> Failure | None:
        raise AssertionError(wanted)

    def picture(self, job_id: str, number: int) -> bytes | None:
        raise AssertionError(job_id, number)

    def convert(self, conversion: WantedConversion) -> None:
        self.wishes.append(conversion)

    def report_faulty(self, fault: FaultyConversion) -> None:
        self.wishes.append(fault)

    def note_used(self, place: str) -> None:
        self.wishes.append(place)


@pytest.fixture
def converted(cache: Path, tmp_path: Path, files: ModelFiles) -> ConvertedModel:
    """The converted model in a cache of its own."""
    shutil.copytree(cache, tmp_path / "cache")
    return ConversionStore(tmp_path / "cache" / "aura-daemon" / "openvino").of(files)


def fulfilled(tmp_path: Path, wish: WantedConversion | FaultyConversion) -> int:
    """In a process that is shut in, as far as the kernel can."""
    settings = Settings(inbox=tmp_path / "in", outbox=tmp_path / "out", state=tmp_path / "state")
    sandbox = WorkerSandbox(settings.engine(), settings.shut_in(), name="conversions", reaches=reach_of_conversions)
    environment = {"CACHE_DIRECTORY": str(tmp_path / "cache" / "aura-daemon")}
    conversions = ModelConversions(SETTINGS, environment=environment, sandbox=sandbox)
    if isinstance(wish, FaultyConversion):
        conversions.settle(wish)
    else:
        conversions.convert(wish)
    return conversions.wait()


def test_what_lacks_is_wished_and_made_at_the_place_where_the_worker_looks(
    converted: ConvertedModel, tmp_path: Path, files: ModelFiles, placement: Placement
) -> None:
    asked = Asked()
    asking = AskedConversion(ConversionStore(converted.folder.parent), asked)
    machine = machine_of(placement)
    asking.consider(files, placement, machine=machine, wants_int8=False)
    assert asked.wishes == []
    (converted.folder / f"measured-{machine}.json").unlink()
    asking.consider(files, placement, machine=machine, wants_int8=False)
    (wish,) = asked.wishes
    assert wish == WantedConversion(
        wanted=WantedModel(role=ModelRole.GENERATOR, model=files.name),
        part=ConvertedPart.UNET,
        wants_int8=False,
        device_name=placement.device_name,
        dtype=Dtype.FLOAT32,
    )
    assert fulfilled(tmp_path, wish) == 0
    assert set(converted.measured(machine)) == {"eager", "openvino"}


def test_a_damaged_conversion_is_told_of_and_deleted_by_another_process(
    converted: ConvertedModel, tmp_path: Path
) -> None:
    asked = Asked()
    asking = AskedConversion(ConversionStore(converted.folder.parent), asked)
    file = converted.folder / Kind.OPENVINO / "unet.bin"
    file.write_bytes(b"\xff" * file.stat().st_size)
    asking.settle(converted, Kind.OPENVINO, FaultyVariant("it failed", lasts=True))
    (fault,) = asked.wishes
    assert fault == FaultyConversion(place=converted.folder.name, kind=Kind.OPENVINO, reason="it failed", lasts=True)
    assert file.exists()
    assert fulfilled(tmp_path, fault) == 0
    assert not file.exists()
    assert converted.failure(Kind.OPENVINO) == ""


def test_the_use_of_a_conversion_is_told_once_an_hour(converted: ConvertedModel) -> None:
    asked = Asked()
    asking = AskedConversion(ConversionStore(converted.folder.parent), asked)
    for _ in range(3):
        asking.note_used(converted)
    assert asked.wishes == [converted.folder.name]
