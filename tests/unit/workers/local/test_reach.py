"""What a worker reaches, by what is configured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.settings import Settings
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.workers.local.reach import Reach, Surroundings, hub_cache, reach_of, reach_of_fetches

NO_HOME: Mapping[str, str] = {"HF_HOME": "/models/hf", "CACHE_DIRECTORY": "/cache"}


def reached(folder: Path, *, environment: Mapping[str, str] = NO_HOME, **keys: Any) -> Reach:
    keys = {"caption": {"engine": "eager"}, **keys}
    settings = Settings.model_validate(
        {"inbox": folder / "in", "outbox": folder / "out", "state": folder / "state", **keys}
    )
    return reach_of(Surroundings(settings=settings.engine(), environment=environment))


def test_a_worker_reads_its_models_and_nothing_else(tmp_path: Path) -> None:
    loras, nets = tmp_path / "loras", tmp_path / "controlnets"
    found = reached(tmp_path, generate={"model": "sd-1.4", "loras": loras, "controlnets": nets, "engine": "openvino"})
    caches = ("/models/hf/hub", "/cache/openvino")
    assert found == Reach(reads=(*caches, str(loras), str(nets)), filled=caches)
    assert reached(tmp_path).filled == ()  # the embedded model is there


def test_a_process_that_fetches_writes_the_cache_of_the_hub_and_reads_its_token(tmp_path: Path) -> None:
    around = Surroundings(settings=Settings(state=tmp_path).engine(), environment=NO_HOME)
    found = reach_of_fetches(around)
    assert found.writes == ("/models/hf/hub", "/models/hf/xet")
    assert "/models/hf/token" in found.reads
    assert str(tmp_path) not in found.reads


def test_models_on_this_machine_are_read_where_they_lie(tmp_path: Path) -> None:
    folder, file = tmp_path / "anime", tmp_path / "single" / "photo.safetensors"
    folder.mkdir()
    file.parent.mkdir()
    file.touch()
    of_a_hub = tmp_path / "models--a--b" / "snapshots" / "0123"
    of_a_hub.mkdir(parents=True)
    models = [str(file), str(of_a_hub), str(tmp_path / "missing"), "aura-mini"]
    found = reached(tmp_path, generate={"model": str(folder), "models": models})
    assert found.reads[2:] == (
        str(folder),
        str(file),
        str(file.with_suffix("")),
        str(of_a_hub),
        str(of_a_hub.parents[1]),
    )
    (file.parent / "model_index.json").touch()
    assert str(file.parent) in reached(tmp_path, generate={"model": str(file)}).reads


@pytest.mark.parametrize("engine", [EngineChoice.COMPILED, EngineChoice.TENSORRT])
def test_compilers_are_started_by_key_alone(engine: EngineChoice, tmp_path: Path) -> None:
    kept = {**NO_HOME, "TORCHINDUCTOR_CACHE_DIR": "/code"}
    found = reached(tmp_path, environment=kept, generate={"engine": engine})
    assert found.writes == ("/code",)
    assert found.programs
    assert found.told == (f"starting compilers, and writing in /code, because of engine: {engine}",)


def test_profiles_are_written_where_they_are_wanted() -> None:
    around = Surroundings(settings=EngineSettings(profiles="/state/profiles"), environment=NO_HOME)
    assert "/state/profiles" in reach_of(around).writes


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/b"}, "/b"),
        ({"HF_HOME": "/c"}, "/c/hub"),
    ],
)
def test_the_cache_of_the_hub_is_where_its_library_looks(environment: Mapping[str, str], expected: str) -> None:
    assert hub_cache(environment) == expected
