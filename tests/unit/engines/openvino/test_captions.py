"""A captioner whose pictures OpenVINO looks at says what transformers says; faults cost no caption."""

from __future__ import annotations

import random
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import torch

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings
from aura_daemon.engines.captioning.family import Captioning
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.families import FAMILIES
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.openvino.background import BUSY
from aura_daemon.engines.openvino.choice import machine_of
from aura_daemon.engines.openvino.store import ConversionStore, ConvertedModel, Kind
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.footprints import captioner_footprint
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest, JobKind
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import CaptionEngine, CaptionSpeed
from aura_daemon.jobs.tasks import Task
from aura_daemon.mini.drawing import render
from aura_daemon.mini.grammar import every_sentence, parse
from aura_daemon.training.models import as_pictures
from tests.support.listening import Listener
from tests.unit.engines.openvino.test_faulty import damaged_unseen

FORCED = CaptionSettings(engine=CaptionEngine.OPENVINO)
SETTINGS = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=FORCED)
PICTURES = 40


class Waiting(Captioning):
    """Tells when a conversion has ended."""

    def wait(self) -> int:
        assert self._converted.conversions is not None
        return self._converted.conversions.wait()


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    sentences = [parse(str(one)) for one in random.Random(3).sample(every_sentence(), PICTURES)]
    drawings = as_pictures(render([one for one in sentences if one], torch.Generator().manual_seed(1)))

    def png(number: int) -> bytes:
        content = BytesIO()
        drawings[number].save(content, "PNG")
        return content.getvalue()

    prompts = ("", "a large", "a")
    return [
        Task(
            job_id=str(number),
            request=CaptionRequest(prompt=prompts[number % 3], beams=3 if number >= PICTURES - 8 else None),
            image=png(number),
            image_name="a.png",
        )
        for number in range(PICTURES)
    ]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, tasks: list[Task]) -> Path:
    """A folder of caches with the embedded captioner converted, by a worker that captions meanwhile."""
    folder = tmp_path_factory.mktemp("captions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        family, listener = Waiting(SETTINGS), Listener()
        session = Session(SETTINGS, families={**FAMILIES, JobKind.CAPTION: lambda _: family})
        for task in tasks[:2]:  # from the second one on the same worker takes what was converted
            session.run([task], listener)
            assert family.wait() == 0
    first, second = (listener.results[task.job_id].outcome for task in tasks[:2])
    assert isinstance(first, Produced)
    assert isinstance(second, Produced)
    assert second.variant in list(Kind)
    assert second.warnings == ()
    assert first.variant == "eager"
    assert "PyTorch looked at this: it is not converted yet" in first.warnings[0]
    return folder


@pytest.fixture(autouse=True)
def in_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="module")
def files() -> ModelFiles:
    found = find_model(FORCED, CAPTIONS, False, Listener())
    assert isinstance(found, ModelFiles)
    return found


@pytest.fixture
def converted(cache: Path, files: ModelFiles) -> ConvertedModel:
    return ConversionStore(cache / "aura-daemon" / "openvino").of(files)


def described(settings: EngineSettings, tasks: list[Task], *, ends_with: int = 0) -> list[Produced]:
    """Waits for what is converted or measured meanwhile, and its exit code."""
    family, listener = Waiting(settings), Listener()
    Session(settings, families={**FAMILIES, JobKind.CAPTION: lambda _: family}).run(tasks, listener, together=8)
    assert family.wait() == ends_with
    outcomes = [listener.results[task.job_id].outcome for task in tasks]
    made = [outcome for outcome in outcomes if isinstance(outcome, Produced)]
    assert len(made) == len(tasks), outcomes
    return made


def with_captions(**changes: object) -> EngineSettings:
    return replace(SETTINGS, caption=replace(FORCED, **changes))  # type: ignore[arg-type]


def test_exactly_the_captions_of_pytorch_whatever_they_begin_with(tasks: list[Task]) -> None:
    looked = described(with_captions(speed=CaptionSpeed.EXACT), tasks)
    plain = described(with_captions(engine=CaptionEngine.EAGER), tasks)
    assert {one.variant for one in looked} == {Kind.OPENVINO}
    assert {one.variant for one in plain} == {"eager"}
    assert [one.text for one in looked] == [one.text for one in plain]
    assert {one.levers for one in looked} == {()}


def test_in_8_bits_the_captions_stay_the_same_and_the_sidecar_says_so(
    tasks: list[Task], files: ModelFiles, converted: ConvertedModel, placement: Placement
) -> None:
    assert set(converted.measured(machine_of(placement))) == {"eager", *Kind}
    half = replace(placement, dtype=Dtype.BFLOAT16)
    converted.record(machine_of(half), {"eager": 3.0, Kind.OPENVINO: 2.0, Kind.INT8: 1.0})
    weights = [captioner_footprint(files, replace(half, variant=kind)).weight_bytes for kind in ("eager", Kind.INT8)]
    assert weights[1] < 0.9 * weights[0]
    eager = described(with_captions(engine=CaptionEngine.EAGER), tasks)
    made = described(replace(SETTINGS, dtype=Dtype.BFLOAT16), tasks)
    assert {one.variant for one in made} == {Kind.INT8}
    assert {one.levers for one in made} == {("pictures looked at in 8 bits",)}
    assert sum(one.text == other.text for one, other in zip(made, eager, strict=True)) >= 0.99 * PICTURES


def test_a_damaged_conversion_costs_no_caption_and_is_made_anew(tasks: list[Task], converted: ConvertedModel) -> None:
    graph = converted.graph(Kind.OPENVINO)
    assert graph is not None
    damaged_unseen(graph.with_suffix(".bin"), b"\xff" * graph.with_suffix(".bin").stat().st_size)
    with ConversionStore(converted.folder.parent).locked():  # the child that would make it anew ends at once
        made = described(with_captions(speed=CaptionSpeed.EXACT), tasks[:9], ends_with=BUSY)
    assert {one.variant for one in made} == {"eager"}
    assert not (converted.folder / Kind.OPENVINO).exists()
    assert converted.failure(Kind.OPENVINO) == ""
