"""What the measurement of regions asks for, and that it tells right from wrong."""

from __future__ import annotations

import random

import pytest
import torch
from PIL import Image

from aura_daemon.jobs.speed import Speed
from aura_daemon.mini.drawing import render
from aura_daemon.training.models import as_pictures
from aura_daemon.training.quality.regions import Pair, drawn, judged, pairs, request_of, table

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def drawing_of(pair: Pair) -> Image.Image:
    picture = Image.new("RGB", (128, 64))
    for number, half in enumerate(as_pictures(render(pair, torch.Generator().manual_seed(0)))):
        picture.paste(half, (number * 64, 0))
    return picture


def test_a_pair_is_right_where_both_halves_are() -> None:
    asked = pairs(2, random.Random(0), one_background=False)
    assert asked[0][0].background != asked[0][1].background
    swapped = drawing_of((asked[1][1], asked[1][0]))
    row = judged("drawings", asked, [drawing_of(asked[0]), swapped], seconds=1.0)
    assert (row.count, row.both, row.shown, row.backgrounds) == (2, 1, 1, 1)
    assert "| drawings | 2 | 50.0% |" in table([row])


def test_two_things_stand_where_they_are_asked_for() -> None:
    asked = pairs(3, random.Random(0))
    requests = [request_of(pair, seed, (128, 64), Speed.BALANCED, with_regions=True) for seed, pair in enumerate(asked)]
    assert request_of(asked[0], 0, (128, 64), Speed.BALANCED, with_regions=False).regions == ()
    assert judged("regions", asked, drawn(requests), seconds=1.0).both >= 2
