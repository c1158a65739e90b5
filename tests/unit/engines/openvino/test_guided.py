"""Pictures with regions are computed by OpenVINO; those with maps are not, which is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from aura_daemon.engines.session import Session
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import EAGER, OPENVINO, Produced
from aura_daemon.jobs.tasks import Task
from tests.support.listening import Listener
from tests.unit.engines.openvino.conftest import SETTINGS
from tests.unit.engines.stable_diffusion.test_pipelines import encoded, made, picture_of, pixels

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

APART = GenerateRequest(
    prompt="a large red circle on a white background",
    seed=3,
    width=128,
    height=64,
    steps=6,
    regions=(
        Region(prompt="a large red circle on a white background", box=(0.0, 0.0, 0.5, 1.0)),
        Region(prompt="a large blue square on a white background", box=(0.5, 0.0, 1.0, 1.0)),
    ),
)


def drawn(request: GenerateRequest) -> Produced:
    listener = Listener()
    map_ = encoded(Image.new("RGB", (64, 64), "white"))
    Session(SETTINGS).run([Task(job_id="j", request=request, further_images={"map.png": map_})], listener)
    return made(listener.results["j"].outcome)


def test_regions_are_computed_by_openvino_as_by_pytorch(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    converted, eager = drawn(APART), drawn(replace(APART, variant=EAGER))
    assert (converted.variant, eager.variant) == (OPENVINO, EAGER)
    assert abs(pixels(picture_of(converted)) - pixels(picture_of(eager))).mean() < 1


def test_maps_are_drawn_by_pytorch_which_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    result = drawn(GenerateRequest(prompt="a", seed=3, steps=2, control=(Control(image="map.png", model="canny"),)))
    assert result.variant == EAGER
    assert [one for one in result.warnings if "openvino" in one] == [
        "engine: openvino is configured, but PyTorch drew this: the job has `control`"
    ]
