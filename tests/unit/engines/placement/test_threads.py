"""One thread for small work, more for the rest; measured, see "Levers" in BENCHMARKS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from aura_daemon.config.engine import Device, Dtype, EngineSettings
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.threads import is_small_work
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.prediction import Extent, Footprint
from aura_daemon.ladder.rungs import Rung
from tests.support.listening import Listener

ON_CPU = Placement(device="cpu", device_name="a CPU", dtype=Dtype.BFLOAT16, rung=Rung.CPU)
ON_GPU = replace(ON_CPU, device="cuda:0", rung=Rung.RESIDENT)

MINI, SD = Footprint(unet_bytes=8_400_000, native_px=64), Footprint(unet_bytes=1_720_000_000)
MINI_CAPTIONER, BLIP = Footprint(unet_bytes=1_600_000), Footprint(unet_bytes=448_000_000)


def square(side: int, batch: int = 1) -> Extent:
    return Extent(width=side, height=side, batch=batch)


def captions(batch: int) -> Extent:
    return Extent(width=0, height=0, batch=batch, guided=False)


@pytest.mark.parametrize(
    ("placement", "footprint", "extent", "small"),
    [
        (ON_CPU, MINI, square(64), True),
        (ON_CPU, MINI, square(192), True),
        (ON_CPU, MINI, square(256), False),
        (ON_CPU, MINI, square(64, batch=16), False),
        (ON_CPU, replace(MINI, unet_bytes=16_800_000, element_bytes=4), square(192), True),
        (ON_CPU, SD, square(512), False),
        (ON_CPU, SD, square(64), False),
        (ON_CPU, MINI_CAPTIONER, captions(8), True),
        (ON_CPU, BLIP, captions(1), False),
        (replace(ON_CPU, variant="openvino-bfloat16"), MINI, square(64), False),
        (ON_GPU, MINI, square(64), False),
    ],
)
def test_small_work_is_what_one_thread_computes_as_fast(
    placement: Placement, footprint: Footprint, extent: Extent, *, small: bool
) -> None:
    assert is_small_work(placement, footprint, extent) is small


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(("configured", "computed"), [(None, 1), (3, 3)])
def test_the_embedded_model_takes_one_thread_unless_a_number_is_configured(
    listener: Listener, configured: int | None, computed: int
) -> None:
    session = Session(EngineSettings(device=Device.CPU, threads=configured))
    session.run([Task(job_id="job", request=GenerateRequest(prompt="a red circle", seed=1, steps=1))], listener)
    produced = listener.results["job"].outcome
    assert isinstance(produced, Produced)
    assert produced.processor is not None
    assert produced.processor.threads == computed
    assert torch.get_num_threads() == 3  # for what comes next
