"""Several models: kept while there is memory, given up when there is none, and named only where allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.families import FAMILIES
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.placement.device_memory import FreeMemory
from aura_daemon.engines.placement.devices import Devices, Placement
from aura_daemon.engines.placement.footprints import generator_footprint
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.family import Decoded, StableDiffusion
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, JobKind
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.attempts import Start
from aura_daemon.ladder.prediction import Footprint
from aura_daemon.ladder.rungs import Rung
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.support.tiny_models import write_generator
from tests.unit.engines.stable_diffusion.test_pipelines import drawing, encoded, made

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("models")
    return [str(write_generator(root / name)) for name in ("first", "second", "third")]


class HostMemory:
    """Answers how much memory is free: plenty, until a test says otherwise."""

    def __init__(self) -> None:
        self.host_bytes = 1 << 40

    def free(self, devices: Devices) -> FreeMemory:
        return FreeMemory(device_bytes=0, host_bytes=self.host_bytes)


class LargeModels(StableDiffusion):
    """As if each model took a GiB: these tiny ones take less than what is drawn with them."""

    def footprint(self, files: ModelFiles, placement: Placement, tasks: Sequence[Decoded] = ()) -> Footprint:
        return replace(super().footprint(files, placement, tasks), unet_bytes=GIB)


GIB = 1 << 30


@pytest.fixture
def memory() -> HostMemory:
    return HostMemory()


@pytest.fixture
def session(folders: list[str], captioner_folder: Path, memory: HostMemory) -> Session:
    return Session(settings_of(folders, captioner_folder), free=memory.free)


@pytest.fixture
def large(folders: list[str], captioner_folder: Path, memory: HostMemory) -> Session:
    families = {**FAMILIES, JobKind.GENERATE: LargeModels}
    return Session(settings_of(folders, captioner_folder), families=families, free=memory.free)


def settings_of(folders: list[str], captioner_folder: Path) -> EngineSettings:
    generate = GenerateSettings(model=folders[0], models=tuple(folders[1:]))
    caption = CaptionSettings(model=str(captioner_folder))
    return EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=generate, caption=caption)


def draw(session: Session, model: str | None) -> Any:
    request = GenerateRequest(prompt="a", seed=1, steps=1, model=model)
    return run_alone(session, request)


def test_models_stay_loaded_side_by_side_while_there_is_memory(session: Session, folders: list[str]) -> None:
    listener = Listener()
    for model in (None, folders[1], folders[2], None, folders[1]):
        outcome = run_alone(session, GenerateRequest(prompt="a", seed=1, steps=1, model=model), None, "", listener)
        assert made(outcome).model == (model or folders[0])
        assert made(outcome).resolved.model == model  # type: ignore[union-attr]
    made(run_alone(session, CaptionRequest(), encoded(drawing()), "", Listener()))
    assert set(session.models) >= set(folders)
    assert len(session.models) == 4
    assert len({name for name, _, _ in listener.loads}) == 3


def test_the_model_that_was_used_longest_ago_is_given_up_for_another(
    large: Session, folders: list[str], memory: HostMemory
) -> None:
    made(draw(large, folders[0]))
    made(draw(large, folders[1]))
    made(draw(large, folders[0]))
    memory.host_bytes = large.base_bytes + 5 * GIB // 2  # for two models, not for three
    made(draw(large, folders[2]))
    assert large.models == (folders[0], folders[2])


def test_all_others_are_given_up_where_memory_is_short(large: Session, folders: list[str], memory: HostMemory) -> None:
    made(draw(large, folders[0]))
    made(draw(large, folders[1]))
    memory.host_bytes = large.base_bytes + 3 * GIB // 2
    assert made(draw(large, folders[2])).rung == "cpu"
    assert large.models == (folders[2],)


def test_what_fits_on_no_rung_is_not_tried_and_says_what_it_takes(
    session: Session, folders: list[str], memory: HostMemory
) -> None:
    memory.host_bytes = 1000 << 10
    listener = Listener()
    run_alone(session, GenerateRequest(prompt="a", seed=1, steps=1), listener=listener)
    (ended,) = listener.results.values()
    assert isinstance(ended.outcome, Failure)
    assert ended.outcome.kind is FailureKind.OUT_OF_MEMORY
    assert "needed on the last rung, cpu_mapped_weights, 1000.0 KiB to be had" in ended.outcome.message
    assert ended.tried is not None
    assert ended.tried.expected_bytes > session.base_bytes
    assert session.models == ()


def test_after_memory_ran_out_others_are_given_up_though_there_seems_to_be_room(
    session: Session, folders: list[str]
) -> None:
    made(draw(session, folders[0]))
    listener, request = Listener(), GenerateRequest(prompt="a", seed=1, steps=1, model=folders[1])
    for start in (Start(), Start(rung=Rung.CPU_TILED_DECODE, most=1, alone=True)):
        run_alone(session, request, listener=listener, start=start)
    placed = [(tried.rung, tried.alone) for _, tried in listener.placed_together]
    assert placed == [(Rung.CPU, False), (Rung.CPU_TILED_DECODE, True)]
    assert session.models == (folders[1],)


def test_where_there_is_no_room_it_would_not_help_to_be_alone(
    large: Session, folders: list[str], memory: HostMemory
) -> None:
    made(draw(large, folders[0]))
    memory.host_bytes = 1000 << 10
    listener = Listener()
    run_alone(large, GenerateRequest(prompt="a", seed=1, steps=1, model=folders[1]), listener=listener)
    assert [(tried.alone, tried.room_bytes) for _, tried in listener.placed_together] == [(True, 1000 << 10)]


def test_what_a_model_takes_is_told_from_its_files(folders: list[str]) -> None:
    files = find_model(GenerateSettings(model=folders[0]), STABLE_DIFFUSION, half=False, reporter=Listener())
    assert not isinstance(files, Failure)
    wide, narrow = (generator_footprint(files, placement(dtype)) for dtype in (Dtype.FLOAT32, Dtype.BFLOAT16))
    on_disk = sum(place.stat().st_size for place in Path(folders[0]).rglob("*.safetensors"))
    assert on_disk * 0.8 < wide.weight_bytes <= on_disk  # files have headers
    assert narrow.unet_bytes + narrow.text_bytes == (wide.unet_bytes + wide.text_bytes) // 2
    assert narrow.vae_bytes * 4 == wide.vae_bytes * narrow.vae_element_bytes  # wide too, but where bfloat16 is native
    assert 0 < wide.largest_layer_bytes < wide.unet_bytes


def placement(dtype: Dtype) -> Placement:
    return Placement(device="cpu", device_name="", dtype=dtype, rung=Rung.CPU)


def test_a_model_that_is_not_allowed_is_refused_with_those_that_are(session: Session, folders: list[str]) -> None:
    outcome = draw(session, "evil/model")
    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.BAD_INPUT
    assert "evil/model is none that the configuration allows" in outcome.message
    assert folders[2] in outcome.mend
