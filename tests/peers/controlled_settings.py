"""What both sides of `tests.peers.controlled` draw with, for who must not import torch. In: nothing. Out: names."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Final

CONTROLNETS: Final = "controlnets-random-1"
NETS: Final = ("first", "second")
UPSCALERS: Final = "upscalers-random-1"
"""Folders below that of the models with random weights."""

GUIDANCE: Final = 7.5
SEED: Final = 7
WEIGHT: Final = 0.5
"""Of each map."""

MODULE: Final = "tests.peers.engines.plain_controlled"


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlledSettings:
    """What plain diffusers draws with."""

    plain: dict[str, Any]
    """Of `PlainSettings`."""
    nets: list[str]
    """Folders of ControlNets."""
    maps: list[str]
    """Files of pictures, one each, with `{}` for their size."""
    picture: str
    """Where the last picture is written."""
    halves: bool = False
    """Weights in float16, widened layer by layer: diffusers' layerwise casting."""


def step_seconds(ended: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of a step without the first, by clock and by processor: medians. `ended`: what both said as each ended."""
    clock_s, cpu_s = ([later - before for before, later in pairwise(times)] for times in zip(*ended, strict=True))
    return median(clock_s), median(cpu_s)


def served(settings: ControlledSettings) -> tuple[str, ...]:
    """Starts plain diffusers, served."""
    return sys.executable, "-m", MODULE, json.dumps(asdict(settings))


def writer(folder: str, *, tiny: bool) -> tuple[str, ...]:
    """Writes the models that are not there yet."""
    return sys.executable, "-m", MODULE, "--write", folder, *(["--tiny"] if tiny else [])
