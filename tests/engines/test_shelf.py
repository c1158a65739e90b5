"""Several models: kept while there is memory, given up when there is none, and named only where allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from aura_daemon.core.job import CaptionRequest, Failure, FailureKind, GenerateRequest, JobKind, Produced
from aura_daemon.core.settings import CaptionSettings, Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.models import find_model
from aura_daemon.engines.session import Session
from aura_daemon.engines.shelf import ROOM, SPARE_BYTES, weight_bytes
from tests.engines.listening import Listener
from tests.engines.test_pipelines import drawing, encoded, made
from tests.tiny_models import write_generator

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("models")
    return [str(write_generator(root / name)) for name in ("first", "second", "third")]


@pytest.fixture
def session(folders: list[str], captioner_folder: Path) -> Session:
    settings = GenerateSettings(model=folders[0], models=tuple(folders[1:]))
    caption = CaptionSettings(model=str(captioner_folder))
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=settings, caption=caption))


def draw(session: Session, model: str | None) -> Any:
    request = GenerateRequest(prompt="a", seed=1, steps=1, model=model)
    return session.run(request, None, "", Listener())


def test_models_stay_loaded_side_by_side_while_there_is_memory(session: Session, folders: list[str]) -> None:
    listener = Listener()
    for model in (None, folders[1], folders[2], None, folders[1]):
        outcome = session.run(GenerateRequest(prompt="a", seed=1, steps=1, model=model), None, "", listener)
        assert made(outcome).model == (model or folders[0])
        assert made(outcome).resolved.model == model  # type: ignore[union-attr]
    made(session.run(CaptionRequest(), encoded(drawing()), "", Listener()))
    assert set(session.models) >= set(folders)
    assert len(session.models) == 4
    assert len({name for name, _, _ in listener.loads}) == 3


def test_the_model_that_was_used_longest_ago_is_given_up_for_another(
    session: Session, folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made(draw(session, folders[0]))
    made(draw(session, folders[1]))
    made(draw(session, folders[0]))
    free = iter([0, 1 << 40])  # too little, and enough as soon as one is gone
    assert session._shelf is not None
    monkeypatch.setattr(session._shelf, "_free_bytes", lambda: next(free))
    made(draw(session, folders[2]))
    assert session.models == (folders[0], folders[2])


def test_all_are_given_up_where_memory_is_short_and_the_job_is_tried_all_the_same(
    session: Session, folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made(draw(session, folders[0]))
    made(draw(session, folders[1]))
    assert session._shelf is not None
    monkeypatch.setattr(session._shelf, "_free_bytes", lambda: 0)
    assert isinstance(draw(session, folders[2]), Produced)
    assert session.models == (folders[2],)


def test_what_a_model_takes_is_told_from_its_files(folders: list[str]) -> None:
    files = find_model(GenerateSettings(model=folders[0]), JobKind.GENERATE, half=False, report=Listener())
    assert not isinstance(files, Failure)
    whole = weight_bytes(files, torch.float32)
    assert whole == sum(place.stat().st_size for place in Path(folders[0]).rglob("*.safetensors"))
    assert weight_bytes(files, torch.bfloat16) == whole // 2
    assert ROOM > 1
    assert SPARE_BYTES > 0


def test_a_model_that_is_not_allowed_is_refused_with_those_that_are(session: Session, folders: list[str]) -> None:
    outcome = draw(session, "evil/model")
    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.BAD_INPUT
    assert "evil/model is none that the configuration allows" in outcome.message
    assert folders[2] in outcome.mend
