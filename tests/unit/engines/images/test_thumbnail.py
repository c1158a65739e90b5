from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.engines.images.contact_sheet import laid_out
from aura_daemon.engines.images.thumbnail import LONGEST_SIDE_PX, thumbnail
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Devices, find_devices
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import BenchmarkRequest, CaptionRequest, GenerateRequest, GridRequest, Request
from aura_daemon.jobs.results import Produced
from tests.support.image_files import encoded
from tests.support.running import run_alone


@pytest.mark.parametrize(("size", "small"), [((64, 40), (64, 40)), ((912, 512), (400, 225)), ((10, 4000), (1, 400))])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_thumbnail_keeps_the_shape_and_is_never_larger(
    size: tuple[int, int], small: tuple[int, int], mode: str
) -> None:
    picture = Image.new(mode, size)
    content = thumbnail(picture, wanted=True)
    read = Image.open(BytesIO(content))
    assert (read.format, max(read.size) <= LONGEST_SIDE_PX) == ("WEBP", True)
    assert read.size == pytest.approx(small, abs=1)
    assert picture.size == size


def test_no_thumbnail_is_made_where_none_is_wanted() -> None:
    assert thumbnail(Image.new("RGB", (64, 64)), wanted=False) == b""


PICTURE = encoded(Image.new("RGB", (96, 48), "red"), "PNG")


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize("wanted", [True, False])
def test_every_kind_of_result_comes_with_a_thumbnail_where_the_gallery_wants_one(wanted: bool) -> None:
    session = Session(EngineSettings(device=Device.CPU, thumbnails=wanted))
    requests: tuple[Request, ...] = (GenerateRequest(prompt="a red circle", seed=1, steps=2), CaptionRequest())
    for request in requests:
        outcome = run_alone(session, request, PICTURE)
        assert isinstance(outcome, Produced)
        assert outcome.thumbnail.startswith(b"RIFF") is wanted


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_a_benchmark_has_none_as_its_chart_is_shown() -> None:
    session = Session(EngineSettings(device=Device.CPU, thumbnails=True))
    request = BenchmarkRequest(picture=GenerateRequest(prompt="a red circle", steps=1), sizes=((64, 64),), repeats=1)
    outcome = run_alone(session, request, b"")
    assert isinstance(outcome, Produced)
    assert outcome.thumbnail == b""


def test_a_sheet_has_a_thumbnail_of_all_of_it() -> None:

    request = GridRequest(cells=("a", "b"), columns=2)
    devices = find_devices(EngineSettings(device=Device.CPU))
    assert isinstance(devices, Devices)
    outcome = laid_out(request, [PICTURE, PICTURE], EngineSettings(thumbnails=True), PeakMemory(devices.cpu))
    assert isinstance(outcome, Produced)
    assert Image.open(BytesIO(outcome.thumbnail)).size == (outcome.payloads[0].width, outcome.payloads[0].height)
