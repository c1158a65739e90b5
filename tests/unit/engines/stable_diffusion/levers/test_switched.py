"""One lever by itself: the switched family differs from the product's in that lever alone."""

from __future__ import annotations

from typing import Any

import pytest

from aura_daemon.config.engine import Device, Dtype, EngineSettings
from aura_daemon.engines.families import FAMILIES
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.levers.switched import Switch, SwitchedStableDiffusion
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import Speed
from tests.support.running import run_alone

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

PROMPT = "a small blue star on a white background"


def drawn(switch: Switch | None, **keys: Any) -> Produced:
    settings = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32)
    families = dict(FAMILIES)
    if switch is not None:
        families[JobKind.GENERATE] = lambda given: SwitchedStableDiffusion(given, switch)
    request = GenerateRequest(prompt=PROMPT, seed=1, **({"speed": Speed.EXACT, "steps": 6} | keys))
    outcome = run_alone(Session(settings, families=families), request)
    assert isinstance(outcome, Produced), outcome
    return outcome


TURBO_BUT_FOR = {"speed": Speed.TURBO, "guidance_scale": 3.0, "scheduler": "dpm++_2m_karras"}


@pytest.mark.parametrize(
    ("switch", "keys", "levers"),
    [
        (Switch.GUIDANCE_INTERVAL, {}, ("guidance left out in 4 of 6 evaluations",)),
        (Switch.FEW_STEPS, {"speed": Speed.TURBO, "steps": 4}, ("4 steps by aura-mini/turbo/lora", "no guidance")),
        (Switch.PRUNED, {}, ()),
        (Switch.CONTIGUOUS, {}, ()),
        (Switch.FORGETFUL, {}, ()),
    ],
)
def test_what_ran_is_the_lever_alone(switch: Switch, keys: dict[str, Any], levers: tuple[str, ...]) -> None:
    assert drawn(switch, **keys).levers == levers


def test_the_tiny_decoder_alone_decodes_what_was_drawn_as_asked() -> None:
    alone = drawn(Switch.TINY_DECODER, **TURBO_BUT_FOR)
    assert [words for words in alone.levers if "decoded by" in words] == ["decoded by aura-mini/turbo/decoder"]
    assert "no guidance" not in alone.levers
    assert alone.payloads != drawn(None).payloads


def test_a_switch_that_changes_no_picture_changes_none() -> None:
    assert drawn(Switch.FORGETFUL).payloads == drawn(None).payloads
    assert drawn(Switch.PRUNED).payloads != drawn(None).payloads
