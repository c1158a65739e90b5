"""Maps, pictures and regions guide one picture together."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from aura_daemon.engines.session import Session
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.regions import Region
from tests.unit.engines.stable_diffusion.guidance.test_picture_prompts import (
    EDGES,
    OTHER,
    PROMPT,
    STYLE,
    asked,
    drawn,
    folder,
    tiny,
)

__all__ = ["folder", "tiny"]

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

LEFT = Region(prompt=PROMPT, box=(0.0, 0.0, 0.5, 1.0))
RIGHT = Region(prompt=PROMPT, box=(0.5, 0.0, 1.0, 1.0))


@pytest.mark.parametrize("beside", [{"control": (EDGES,)}, {"like": (STYLE, OTHER)}], ids=["maps", "pictures"])
def test_regions_that_say_the_same_are_one_prompt_beside(tiny: Session, beside: dict[str, Any]) -> None:
    like, keys = beside.get("like", ()), {name: value for name, value in beside.items() if name != "like"}
    request = asked(*like, **keys)
    parts = asked(*like, prompt="other", regions=(LEFT, RIGHT), **keys)
    assert abs(drawn(tiny, parts) - drawn(tiny, request)).max() <= 1  # of 255: halves of latents are summed


def test_the_regions_of_a_wide_picture_see_their_part_of_the_map(tiny: Session) -> None:
    def wide(*control: Control, image: str = "style.png") -> Any:
        keys = {"width": 128, "height": 64, "prompt": "other", "regions": (LEFT, RIGHT), "control": control}
        return drawn(tiny, asked(**keys))

    guided, other = wide(EDGES), wide()
    for half in (slice(0, 64), slice(64, 128)):
        assert abs(guided[:, half] - other[:, half]).max() > 1
    assert not numpy.array_equal(guided[:, :64], guided[:, 64:])
