"""A single `.safetensors` file draws what the folder it was made of draws."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, Outcome, Produced
from tests.support.running import run_alone
from tests.support.single_file import write_single_file
from tests.unit.engines.stable_diffusion.test_pipelines import picture_of, pixels

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def draw(model: Path) -> Outcome:
    settings = GenerateSettings(model=str(model))
    session = Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=settings))
    return run_alone(session, GenerateRequest(prompt="a red circle", seed=7, steps=3))


@pytest.mark.parametrize("beside", ["model", "."], ids=["folder of its name", "folder it lies in"])
def test_a_single_file_draws_what_its_folder_draws(generator_folder: Path, tmp_path: Path, beside: str) -> None:
    file = write_single_file(generator_folder, tmp_path / "model.safetensors")
    without_weights = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(generator_folder, tmp_path / beside, ignore=without_weights, dirs_exist_ok=True)
    expected, drawn = draw(generator_folder), draw(file)
    assert isinstance(expected, Produced)
    assert isinstance(drawn, Produced), drawn
    assert (pixels(picture_of(drawn)) == pixels(picture_of(expected))).all()  # the model's name is in the files
    assert drawn.model == str(file)
    assert drawn.model_sha256 != expected.model_sha256


def test_a_single_file_that_was_cut_short_is_named(generator_folder: Path, tmp_path: Path) -> None:
    file = write_single_file(generator_folder, tmp_path / "model.safetensors")
    shutil.copy(generator_folder / "model_index.json", tmp_path)
    file.write_bytes(file.read_bytes()[:-10])
    failure = draw(file)
    assert isinstance(failure, Failure)
    assert "cut short or damaged" in failure.message
