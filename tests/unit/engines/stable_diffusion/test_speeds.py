"""Pictures at every speed: what they take, what is said of it, and that they still show what was asked for."""

from __future__ import annotations

import random
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy
import pytest
from PIL import Image

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import GenerateRequest, Hires
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import Speed
from aura_daemon.mini.grammar import parse, seen_sentences
from aura_daemon.training.models import name
from tests.support.listening import Listener
from tests.support.running import run_alone

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

STAR = GenerateRequest(prompt="a large red star on a white background", seed=3)


@pytest.fixture(scope="module")
def mini() -> Session:
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=GenerateSettings()))


def drawn(session: Session, request: GenerateRequest, **changed: Any) -> Produced:
    outcome = run_alone(session, replace(request, **changed), b"", "", Listener())
    assert isinstance(outcome, Produced), outcome
    return outcome


def picture(outcome: Produced) -> Image.Image:
    return Image.open(BytesIO(outcome.payloads[0].content)).convert("RGB")


def apart(one: Produced, other: Produced) -> float:
    first, second = (numpy.asarray(picture(outcome)).astype(int) for outcome in (one, other))
    return float(abs(first - second).mean())


def steps(outcome: Produced) -> int:
    assert isinstance(outcome.resolved, ResolvedGenerate)
    return outcome.resolved.steps


def test_each_speed_says_what_it_left_out_and_draws_nearly_the_same_picture(mini: Session) -> None:
    exact, balanced, fast = (drawn(mini, STAR, speed=speed) for speed in (Speed.EXACT, Speed.BALANCED, Speed.FAST))
    assert exact.levers == ()
    assert balanced.levers == ("features of the UNet carried on in 15 of 25 evaluations",)
    assert fast.levers == (
        "features of the UNet carried on in 8 of 15 evaluations",
        "guidance left out in 8 of 15 evaluations",
    )
    assert [steps(outcome) for outcome in (exact, balanced, fast)] == [25, 25, 15]
    assert 0 < apart(balanced, exact) < 2
    assert apart(balanced, exact) < apart(fast, exact) < 10
    again = drawn(mini, STAR, speed=Speed.FAST, steps=15)  # named, as a sidecar names them
    assert (again.levers, apart(again, fast)) == (fast.levers, 0)


def test_state_of_one_picture_does_not_reach_the_next(mini: Session) -> None:
    first = drawn(mini, STAR, speed=Speed.BALANCED)
    drawn(mini, STAR, speed=Speed.BALANCED, prompt="a small blue ring on a black background", seed=4)
    assert apart(drawn(mini, STAR, speed=Speed.BALANCED), first) == 0


def test_few_steps_and_prompts_in_turn_leave_nothing_out(mini: Session) -> None:
    assert drawn(mini, STAR, speed=Speed.BALANCED, steps=8).levers == ()
    turning = "a large [red|blue] star on a white background"
    assert drawn(mini, STAR, speed=Speed.BALANCED, prompt=turning, steps=20).levers == ()


@pytest.mark.parametrize("scheduler", ["heun", "dpm++_sde_karras", "euler_a", "pndm"])
def test_samplers_that_evaluate_otherwise_stay_near_their_exact_picture(mini: Session, scheduler: str) -> None:
    exact, balanced = (drawn(mini, STAR, speed=speed, scheduler=scheduler) for speed in (Speed.EXACT, Speed.BALANCED))
    assert balanced.levers
    assert apart(balanced, exact) < 8


def test_a_second_pass_has_a_plan_of_its_own(mini: Session) -> None:
    twice = drawn(mini, STAR, speed=Speed.FAST, steps=25, hires=Hires(scale=1.5, strength=0.6))
    assert [words for words in twice.levers if "features" in words] == [
        "features of the UNet carried on in 17 of 25 evaluations",
        "features of the UNet carried on in 8 of 15 evaluations",
    ]


@pytest.mark.parametrize("speed", [Speed.BALANCED, Speed.FAST])
def test_a_dozen_prompts_come_back_from_their_pictures(mini: Session, speed: Speed) -> None:
    sentences = random.Random(6).sample(seen_sentences(), 12)
    pictures = [picture(drawn(mini, STAR, prompt=str(sentence), speed=speed)) for sentence in sentences]
    answers = [parse(caption) for caption in name(pictures)]
    right = [
        got is not None and got.combination == meant.combination for meant, got in zip(sentences, answers, strict=True)
    ]
    assert sum(right) >= 11
