"""What a worker reaches, by what is configured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.config.settings import Settings
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.workers.local import reach
from aura_daemon.workers.local.reach import EXCEPTIONS, Reach, Surroundings, hub_cache, reach_of

NO_HOME: Mapping[str, str] = {"HF_HOME": "/models/hf", "CACHE_DIRECTORY": "/cache"}


def reached(
    folder: Path, *, environment: Mapping[str, str] = NO_HOME, exceptions: tuple[Any, ...] | None = None, **keys: Any
) -> Reach:
    keys = {"caption": {"engine": "eager"}, **keys}
    settings = Settings.model_validate(
        {"inbox": folder / "in", "outbox": folder / "out", "state": folder / "state", **keys}
    )
    return reach_of(Surroundings(settings=settings, environment=environment), exceptions)


def test_with_the_embedded_model_a_worker_writes_nothing_starts_nothing_and_has_no_network(tmp_path: Path) -> None:
    found = reached(tmp_path)
    assert (found.writes, found.programs, found.network) == ((), (), False)
    assert found.told == ("reading the inbox, because the pictures of a set are read there",)


def test_without_the_exceptions_it_reads_models_and_nothing_else(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    found = reached(tmp_path, exceptions=(), generate={"model": "sd-1.4", "loras": loras, "engine": "openvino"})
    assert found == Reach(reads=("/models/hf/hub", "/cache/openvino", str(loras)))


def test_each_exception_can_be_taken_away_by_itself(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"generate": {"model": "sd-1.4", "engine": "openvino"}}
    everything = reached(tmp_path, **keys)
    for one in EXCEPTIONS:
        rest = tuple(other for other in EXCEPTIONS if other is not one)
        assert set(reached(tmp_path, exceptions=rest, **keys).told) <= set(everything.told)


def test_models_of_the_hub_open_the_network_and_its_cache_until_it_is_forbidden(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"generate": {"model": "sd-1.4", "engine": "eager"}}
    found = reached(tmp_path, **keys)
    assert found.network
    assert found.writes == ("/models/hf/hub", "/models/hf/xet")
    assert "sd-1.4" in found.told[0]
    offline = reached(tmp_path, environment={**NO_HOME, "HF_HUB_OFFLINE": "1"}, **keys)
    assert (offline.network, offline.writes) == (False, ())


def test_models_on_this_machine_are_read_where_they_lie(tmp_path: Path) -> None:
    folder, file = tmp_path / "anime", tmp_path / "single" / "photo.safetensors"
    folder.mkdir()
    file.parent.mkdir()
    file.touch()
    of_a_hub = tmp_path / "models--a--b" / "snapshots" / "0123"
    of_a_hub.mkdir(parents=True)
    models = [str(file), str(of_a_hub), str(tmp_path / "missing"), "aura-mini"]
    found = reached(tmp_path, exceptions=(), generate={"model": str(folder), "models": models})
    assert found.reads[2:] == (
        str(folder),
        str(file),
        str(file.with_suffix("")),
        str(of_a_hub),
        str(of_a_hub.parents[1]),
    )
    (file.parent / "model_index.json").touch()
    assert str(file.parent) in reached(tmp_path, exceptions=(), generate={"model": str(file)}).reads


def test_what_a_local_model_takes_at_turbo_may_come_from_the_hub(tmp_path: Path) -> None:
    generate = {"model": str(tmp_path), "engine": "eager"}
    assert reached(tmp_path, generate=generate).network
    own = {"lora": "none", "decoder": str(tmp_path)}
    assert not reached(tmp_path, generate={**generate, "turbo": own}).network


def test_a_large_model_is_converted_by_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "find_spec", lambda name: name)
    found = reached(tmp_path, generate={"model": str(tmp_path), "turbo": {"lora": "none", "decoder": "none"}})
    assert found.writes == ("/cache/openvino",)
    assert found.programs
    monkeypatch.setattr(reach, "find_spec", lambda _: None)
    assert reached(tmp_path, generate={"model": str(tmp_path)}).programs == ()


@pytest.mark.parametrize("engine", [EngineChoice.COMPILED, EngineChoice.TENSORRT])
def test_compilers_are_started_by_key_alone(engine: EngineChoice, tmp_path: Path) -> None:
    kept = {**NO_HOME, "TORCHINDUCTOR_CACHE_DIR": "/code"}
    found = reached(tmp_path, environment=kept, exceptions=(), generate={"engine": engine})
    assert found.writes == ("/code",)
    assert found.programs
    assert found.told == (f"starting compilers, and writing in /code, because of engine: {engine}",)


def test_profiles_are_written_where_they_are_wanted(tmp_path: Path) -> None:
    around = Surroundings(settings=Settings(state=tmp_path), environment=NO_HOME, profiles="/state/profiles")
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
