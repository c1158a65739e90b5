"""Converted models on the disk: whole or not at all, by versions, one at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.background import BackgroundConversion, ConversionOrder, order_format
from aura_daemon.engines.openvino.choice import machine_of
from aura_daemon.engines.openvino.store import UNUSED_S, ConversionStore, ConvertedModel, Kind
from aura_daemon.engines.openvino.wishes.places import cache_folder
from aura_daemon.engines.placement.devices import Placement
from tests.support.prompt_conversion import CHILD


@pytest.fixture
def model(tmp_path: Path) -> ConvertedModel:
    return ConvertedModel(folder=tmp_path / "model")


def written(model: ConvertedModel) -> Path:
    with model.writing(Kind.OPENVINO) as folder:
        (folder / "unet.xml").write_text("a graph")
        (folder / "unet.bin").write_bytes(b"weights")
    graph = model.graph(Kind.OPENVINO)
    assert graph is not None
    return graph


def test_what_was_written_is_found(model: ConvertedModel) -> None:
    assert model.graph(Kind.OPENVINO) is None
    assert written(model).read_text() == "a graph"
    assert model.graph(Kind.INT8) is None


def test_a_conversion_that_breaks_off_leaves_nothing(model: ConvertedModel) -> None:
    with pytest.raises(OSError, match="no room"), model.writing(Kind.OPENVINO) as folder:
        (folder / "unet.xml").write_text("half")
        raise OSError("no room")
    assert model.graph(Kind.OPENVINO) is None
    assert list(model.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["unet.xml", "unet.bin", "manifest.json"])
def test_a_damaged_file_counts_as_none_and_is_replaced(model: ConvertedModel, name: str) -> None:
    graph = written(model)
    (graph.parent / name).write_bytes(b"damaged")
    assert model.graph(Kind.OPENVINO) is None
    written(model)


def test_a_failure_is_kept_with_its_reason(model: ConvertedModel) -> None:
    assert model.failure(Kind.OPENVINO) == ""
    model.record_failure(Kind.OPENVINO, "NoCut: no block")
    assert model.failure(Kind.OPENVINO) == "NoCut: no block"
    assert model.failure(Kind.INT8) == ""


def test_measurements_are_of_one_machine(model: ConvertedModel) -> None:
    model.record("this", {"eager": 2.0, "openvino": 1.5}, processor="a CPU")
    assert model.measured("this") == {"eager": 2.0, "openvino": 1.5}
    assert model.measured("another") == {}
    (model.folder / "measured-this.json").write_text("{")
    assert model.measured("this") == {}


def test_other_weights_are_another_model(tmp_path: Path, files: ModelFiles) -> None:
    store = ConversionStore(tmp_path)
    assert store.of(files) == store.of(files)
    assert store.of(files) != store.of(replace(files, sha256="0" * 64))


def test_what_no_job_has_used_for_long_is_deleted(tmp_path: Path) -> None:
    store = ConversionStore(tmp_path)
    used, unused = (ConvertedModel(folder=tmp_path / name) for name in ("used", "unused"))
    for model in (used, unused):
        written(model)
        model.describe({})
        long_ago_s = time.time() - UNUSED_S - 60
        os.utime(model.folder / "about.json", (long_ago_s, long_ago_s))
    used.touch()
    store.sweep()
    assert [entry.name for entry in tmp_path.iterdir()] == ["used"]
    assert used.graph(Kind.OPENVINO) is not None


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"CACHE_DIRECTORY": "/var/cache/aura-daemon:/other"}, "/var/cache/aura-daemon/openvino"),
        ({}, "/home/user/cache/aura-daemon/openvino"),
    ],
)
def test_the_cache_is_where_the_service_manager_or_xdg_has_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/user/cache")
    assert cache_folder(environment) == Path(folder)


def order(store: ConversionStore, files: ModelFiles, placement: Placement) -> bytes:
    return order_format().dump_json(
        ConversionOrder(
            store=store.folder,
            files=files,
            kinds=(Kind.OPENVINO,),
            device_name=placement.device_name,
            dtype=placement.dtype,
            machine=machine_of(placement),
        )
    )


def child(pid: int, given: bytes) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([*CHILD, str(pid)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    with process.stdin as opened:
        opened.write(given)
    return process


def test_one_process_converts_at_a_time(tmp_path: Path) -> None:
    with ConversionStore(tmp_path).locked() as first, ConversionStore(tmp_path).locked() as second:
        assert (first, second) == (True, False)
    with ConversionStore(tmp_path).locked() as later:
        assert later


def test_a_child_that_is_killed_leaves_nothing_that_counts(
    tmp_path: Path, files: ModelFiles, placement: Placement
) -> None:
    store = ConversionStore(tmp_path)
    half = store.of(files).folder / f".{Kind.OPENVINO}-1"
    half.mkdir(parents=True)
    process = child(os.getpid(), order(store, files, placement))
    while not (begun := [entry for entry in half.parent.iterdir() if entry != half]) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert begun
    assert not half.exists()  # swept by the new one
    assert store.of(files).graph(Kind.OPENVINO) is None


def test_what_is_done_is_not_done_again(store: ConversionStore, files: ModelFiles, placement: Placement) -> None:
    graph = store.of(files).graph(Kind.OPENVINO)
    assert graph is not None
    before = graph.stat().st_mtime_ns
    conversion = BackgroundConversion(store)
    conversion.consider(files, placement, machine=machine_of(placement), wants_int8=False)
    assert conversion.wait() == 0
    assert graph.stat().st_mtime_ns == before
    measured = json.loads(next(graph.parent.parent.glob("measured-*.json")).read_text())
    assert set(measured["step_s"]) == {"eager", "openvino"}
    assert sys.platform != "linux" or not list(store.of(files).folder.glob(".*"))
