"""Models that are converted for workers: one process at a time, which begins only so often."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aura_daemon.config.engine import Dtype, EngineSettings
from aura_daemon.config.workers.services import (
    ConversionKind,
    ConvertedPart,
    FaultyConversion,
    ModelRole,
    WantedConversion,
    WantedModel,
)
from aura_daemon.engines.openvino.wishes.orders import WishOrder, wish_format
from aura_daemon.engines.openvino.wishes.places import ABOUT, note_used
from aura_daemon.workers.converting.conversions import BUSY, MOST_DEATHS, MOST_FAULTS, MOST_OF_ONE, ModelConversions

WISH = WantedConversion(
    wanted=WantedModel(role=ModelRole.GENERATOR, model="aura-mini"),
    part=ConvertedPart.UNET,
    wants_int8=False,
    device_name="a processor",
    dtype=Dtype.FLOAT32,
)
FAULT = FaultyConversion(place="0" * 32, kind=ConversionKind.INT8, reason="it failed", lasts=True)

SCRIPT = """
import os, sys, time
from pathlib import Path
folder = Path(os.environ["AURA_TEST_FOLDER"])
order = sys.stdin.read()
(folder / f"order-{time.monotonic_ns()}").write_text(order)
while (folder / "stay").exists():
    time.sleep(0.01)
sys.exit(int((folder / "code").read_text()) if (folder / "code").exists() else 0)
"""


@pytest.fixture
def conversions(tmp_path: Path) -> Iterator[ModelConversions]:
    made = ModelConversions(
        EngineSettings(), command=(sys.executable, "-c", SCRIPT), environment={"AURA_TEST_FOLDER": str(tmp_path)}
    )
    yield made
    made.stop()


def orders(folder: Path) -> list[WishOrder]:
    return [wish_format().validate_json(file.read_bytes()) for file in sorted(folder.glob("order-*"))]


def test_a_wish_passes_with_the_daemon_s_own_settings(conversions: ModelConversions, tmp_path: Path) -> None:
    conversions.convert(WISH)
    assert conversions.wait() == 0
    assert orders(tmp_path) == [WishOrder(settings=EngineSettings(), wish=WISH)]


def test_one_process_runs_at_a_time_and_faults_wait_for_it(conversions: ModelConversions, tmp_path: Path) -> None:
    (tmp_path / "stay").touch()
    conversions.convert(WISH)
    conversions.convert(replace(WISH, wants_int8=True))
    for _ in range(MOST_FAULTS):
        conversions.settle(FAULT)
    (tmp_path / "stay").unlink()
    while conversions.go_on():
        time.sleep(0.01)
    assert [order.wish for order in orders(tmp_path)] == [WISH, FAULT]


def test_a_wish_is_fulfilled_only_so_often(conversions: ModelConversions, tmp_path: Path) -> None:
    for _ in range(MOST_OF_ONE + 2):
        conversions.convert(WISH)
        conversions.wait()
    assert len(orders(tmp_path)) == MOST_OF_ONE


def test_processes_that_die_are_not_started_for_ever_and_one_that_is_busy_does_not_count(
    conversions: ModelConversions, tmp_path: Path
) -> None:
    (tmp_path / "code").write_text(str(BUSY), encoding="ascii")
    conversions.convert(WISH)
    assert conversions.wait() == BUSY
    (tmp_path / "code").write_text("9", encoding="ascii")
    for number in range(MOST_DEATHS + 2):
        conversions.convert(replace(WISH, device_name=str(number)))
        conversions.wait()
    assert len(orders(tmp_path)) == 1 + MOST_DEATHS


def test_a_process_that_cannot_be_started_fails_no_job() -> None:
    conversions = ModelConversions(EngineSettings(), command=("/nowhere/python",))
    conversions.convert(WISH)
    conversions.settle(FAULT)
    assert conversions.wait() == 0


def test_the_process_ends_with_the_daemon(conversions: ModelConversions, tmp_path: Path) -> None:
    (tmp_path / "stay").touch()
    conversions.convert(WISH)
    assert conversions.go_on()
    conversions.stop()
    assert not conversions.go_on()


def test_a_used_conversion_is_as_old_as_the_last_job_that_used_it(tmp_path: Path) -> None:
    place = tmp_path / "aura-daemon" / "openvino" / FAULT.place
    place.mkdir(parents=True)
    (place / ABOUT).write_text(json.dumps({}), encoding="utf-8")
    os.utime(place / ABOUT, (0, 0))
    conversions = ModelConversions(EngineSettings(), environment={"CACHE_DIRECTORY": str(tmp_path / "aura-daemon")})
    conversions.note_used("1" * 32)
    assert (place / ABOUT).stat().st_mtime == 0
    conversions.note_used(FAULT.place)
    assert (place / ABOUT).stat().st_mtime > 0


@pytest.mark.parametrize("place", ["../secret", "", "0" * 31, "0" * 32 + "/x", "G" * 32])
def test_what_is_no_folder_of_converted_models_is_not_touched(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValueError, match="no folder"):
        note_used(tmp_path, place)
