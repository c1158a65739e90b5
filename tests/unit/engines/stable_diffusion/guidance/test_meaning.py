"""aura-mini shows what regions and a map ask for: on lower rungs, with a LoRA, at every speed.

One session, whose GPU is the CPU, serves all rungs.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.placement.device_memory import FreeMemory
from aura_daemon.engines.placement.devices import Devices
from aura_daemon.engines.session import Session
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.requests import GenerateRequest, Lora
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import Speed
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import TOP, Start
from aura_daemon.ladder.rungs import Backend, Rung
from aura_daemon.mini.grammar import Sentence
from aura_daemon.mini.knowledge import shows
from tests.support.listening import Listener
from tests.unit.engines.stable_diffusion.test_pipelines import encoded, made

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

STEPS = 8

LEFT = Sentence(size="large", colour="red", shape="circle", background="white")
RIGHT = Sentence(size="large", colour="blue", shape="square", background="white")
STARS = replace(LEFT, shape="star"), replace(RIGHT, shape="star")
APART = GenerateRequest(
    prompt="shapes on a white background",
    seed=1,
    steps=STEPS,
    width=128,
    height=64,
    regions=(
        Region(prompt=str(LEFT), box=(0.0, 0.0, 0.5, 1.0)),
        Region(prompt=str(RIGHT), box=(0.5, 0.0, 1.0, 1.0)),
    ),
)
GUIDED = GenerateRequest(prompt=str(RIGHT), seed=1, steps=STEPS, control=(Control(image="map.png", model="aura-mini"),))
LORA = (Lora(name="stars"),)


@pytest.fixture(scope="module")
def mini() -> Session:
    return session()


def session(**options: Any) -> Session:
    loras = str(Path(__file__).parents[4] / "loras")
    settings = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=GenerateSettings(loras=loras, **options))
    found = Session(settings).devices
    assert isinstance(found, Devices)
    devices = Devices(backend=Backend.CUDA, accelerator=replace(found.cpu, rung=Rung.RESIDENT), cpu=found.cpu)
    plenty = FreeMemory(device_bytes=1 << 40, host_bytes=1 << 40)
    return Session(settings, devices=devices, free=lambda _devices: plenty)


def drawn(on: Session, request: GenerateRequest, start: Start = TOP) -> tuple[Produced, Image.Image]:
    listener = Listener()
    further = {"map.png": encoded(the_map())} if request.control else {}
    on.run([Task(job_id="j", request=request, further_images=further)], listener, start=start)
    result = made(listener.results["j"].outcome)
    return result, Image.open(BytesIO(result.payloads[0].content)).convert("RGB")


def the_map() -> Image.Image:
    """A square, lower right."""
    found = Image.new("RGB", (64, 64))
    found.paste("white", (26, 24, 58, 56))
    return found


def sides_shown(picture: Image.Image, sentences: tuple[Sentence, Sentence] = (LEFT, RIGHT)) -> tuple[bool, ...]:
    halves = picture.crop((0, 0, 64, 64)), picture.crop((64, 0, 128, 64))
    return tuple(shows(half, sentence) for half, sentence in zip(halves, sentences, strict=True))


def overlap(picture: Image.Image) -> float:
    """Of what is blue with what is white on the map: intersection over union."""
    red, blue = (numpy.asarray(picture, dtype=int)[..., channel] for channel in (0, 2))
    drawn_there, wanted = blue - red > 64, numpy.asarray(the_map().convert("L")) > 127
    return float((drawn_there & wanted).sum() / (drawn_there | wanted).sum())


@pytest.mark.parametrize("rung", [Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD, Rung.CPU_MAPPED_WEIGHTS])
def test_lower_rungs_draw_each_region_and_where_the_map_says(mini: Session, rung: Rung) -> None:
    apart, picture = drawn(mini, APART, Start(rung=rung))
    assert (apart.rung, sides_shown(picture)) == (rung, (True, True))
    guided, picture = drawn(mini, GUIDED, Start(rung=rung))
    assert (guided.rung, shows(picture, RIGHT)) == (rung, True)
    assert overlap(picture) >= 0.8


def test_a_lora_changes_what_is_drawn_in_regions_and_by_maps_and_goes_again(mini: Session) -> None:
    start = Start(rung=Rung.GROUP_OFFLOAD)
    before = numpy.asarray(drawn(mini, GUIDED, start)[1])
    _, picture = drawn(mini, replace(APART, loras=LORA), start)
    assert sides_shown(picture, STARS) == (True, True)
    _, picture = drawn(mini, replace(GUIDED, loras=LORA), start)
    assert overlap(picture) >= 0.5
    numpy.testing.assert_array_equal(before, numpy.asarray(drawn(mini, GUIDED, start)[1]))


@pytest.mark.parametrize("speed", [Speed.BALANCED, Speed.FAST, Speed.TURBO])
def test_every_speed_draws_each_region_and_where_the_map_says(mini: Session, speed: Speed) -> None:
    steps = None if speed is Speed.TURBO else STEPS
    apart, picture = drawn(mini, replace(APART, speed=speed, steps=steps))
    assert sides_shown(picture) == (True, True)
    guided, picture = drawn(mini, replace(GUIDED, speed=speed, steps=steps))
    assert shows(picture, RIGHT)
    assert overlap(picture) >= 0.8
    assert not any("features" in lever for lever in (*apart.levers, *guided.levers))
