"""A model's folder that means ill is refused in a line that a person can act on; no code of it runs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from aura_daemon.config.engine import ModelSettings
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.mini import CAPTIONER, GENERATOR
from tests.support.hostile_models import HARMLESS, REFUSED, copied
from tests.support.listening import Listener
from tests.support.programs import ROOT

MOST_GROWN_BYTES = 150_000_000
"""Of a process while it looks at a folder."""

MOST_LOADED_MB = 700
"""Of a process while it loads a model whose configuration just passes: 50 million numbers, and a copy."""


def found(folder: Path, model: Path) -> ModelFiles | Failure:
    model_format = STABLE_DIFFUSION if model is GENERATOR else CAPTIONS
    return find_model(ModelSettings(model=str(folder)), model_format, half=False, reporter=Listener())


@pytest.mark.parametrize("model", [GENERATOR, CAPTIONER])
def test_a_model_as_it_is_shipped_has_no_fault(model: Path) -> None:
    assert isinstance(found(model, model), ModelFiles)


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_folder_is_refused_in_words(name: str, tmp_path: Path) -> None:
    model, spoil, said = REFUSED[name]
    canary = tmp_path / "canary"
    folder = copied(model, tmp_path / "model")
    spoil(folder, canary)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    failure = found(folder, model)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_GROWN_BYTES
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert said in failure.message
    assert failure.message.startswith(f"model {folder}: ")
    assert failure.mend
    assert "\n" not in failure.message + failure.mend
    assert len(failure.message) < 1000
    assert not canary.exists()


def test_code_of_a_model_is_never_run_and_memory_stays_bounded(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    command = [sys.executable, "-m", "tests.support.hostile_models", str(tmp_path), str(canary)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    told = {one["name"]: one for one in map(json.loads, ended.stdout.splitlines())}
    assert told.keys() == {"nothing", *HARMLESS}, ended.stderr[-2000:]
    assert not canary.exists()
    for name, one in told.items():
        assert one["said"] == "made" or one["said"].startswith("model_unavailable: "), one
        assert "\n" not in one["said"], one
        if name != "nothing":  # which imports the libraries
            assert one["grown_mb"] < MOST_LOADED_MB, one
    made = {name for name, one in told.items() if one["said"] == "made"}
    assert {"nothing", "names elsewhere", "code for every class"} <= made


def test_links_within_the_cache_of_the_hub_are_followed(tmp_path: Path) -> None:
    repository = tmp_path / "models--owner--name"
    blobs = repository / "blobs"
    snapshot = copied(CAPTIONER, repository / "snapshots" / "0123")
    blobs.mkdir()
    for file in list(snapshot.iterdir()):
        file.rename(blobs / file.name)
        file.symlink_to(f"../../blobs/{file.name}")
    assert isinstance(found(snapshot, CAPTIONER), ModelFiles)
    (blobs / "config.json").unlink()
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to(CAPTIONER / "config.json")
    failure = found(snapshot, CAPTIONER)
    assert isinstance(failure, Failure)
    assert "config.json is a link out of its folder" in failure.message


def test_a_link_to_nothing_is_a_file_that_is_missing(tmp_path: Path) -> None:
    folder = copied(CAPTIONER, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("model.safetensors")
    failure = found(folder, CAPTIONER)
    assert isinstance(failure, Failure)
    assert "model.safetensors is missing" in failure.message
