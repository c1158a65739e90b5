"""When memory is waited for, and which jobs wait together."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.queueing import demand_of
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, GridRequest, Hires, Request
from aura_daemon.jobs.results import FailureKind
from aura_daemon.ladder.attempts import Attempt, RunConditions
from aura_daemon.ladder.prediction import REFUSED
from aura_daemon.ladder.rungs import Rung
from aura_daemon.ladder.shortage import passes, waited

LACKING = RunConditions(
    device="cpu",
    device_name="a CPU",
    dtype="bfloat16",
    rung=Rung.CPU_HALF_WEIGHTS,
    width=512,
    height=512,
    batch=1,
    alone=True,
    expected_bytes=900,
    room_bytes=100,
    total_bytes=1000,
)
"""There was not room enough to try."""


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"expected_bytes": 950}, True),
        ({"expected_bytes": 951}, False),
        ({"total_bytes": 0}, False),
        ({"expected_bytes": 90, "room_bytes": 900}, True),
        ({"expected_bytes": 90, "room_bytes": 950}, False),
    ],
    ids=["would fit", "just", "never", "nobody knows", "ran out in less than there is", "ran out in all there is"],
)
def test_memory_is_waited_for_where_there_is_more_in_all_than_is_needed(changes: dict[str, object], may: bool) -> None:
    assert passes(replace(LACKING, **changes)) is may  # type: ignore[arg-type]


def test_a_job_that_was_never_placed_waits_for_nothing() -> None:
    assert not passes(None)


def test_what_ran_out_is_run_again_only_in_more_room_so_that_it_ends() -> None:
    tried, runs = replace(LACKING, expected_bytes=90, room_bytes=100), 0
    while passes(tried):
        tried, runs = replace(tried, room_bytes=int(tried.room_bytes * REFUSED) + 1), runs + 1
    assert 30 < runs < 60


ATTEMPT = Attempt(kind=FailureKind.OUT_OF_MEMORY, reason="full", device="cpu", rung=Rung.CPU_HALF_WEIGHTS, seconds=2)


def test_an_attempt_that_was_not_made_tells_how_long_it_waited_and_one_that_was_how_it_ran() -> None:
    reason = "full; it waited for memory that other programs had"
    unmade = waited(ATTEMPT, LACKING, 60.0)
    assert unmade == replace(ATTEMPT, reason=reason, waited=True, rung=None, seconds=60.0)
    made = waited(ATTEMPT, replace(LACKING, expected_bytes=90), 60.0)
    assert made == replace(ATTEMPT, reason=reason, waited=True)


PLAIN = GenerateRequest(prompt="a cat")

SAID: dict[str, tuple[object, str]] = {
    "model": ("sd-1.4", "generate sd-1.4"),
    "aspect_ratio": ("16:9", "generate 16:9"),
    "width": (912, "generate 912xnative"),
    "height": (912, "generate nativex912"),
    "image": ("a\udcff.png", "generate from a\\xff.png"),
    "hires": (Hires(scale=1.5), "generate then 1.5 times as large"),
    "control": ((Control(image="a.png", model="canny"),), "generate with canny"),
    "like": ((PicturePrompt(image="a.png"),), "generate like 1 picture"),
    "guidance_scale": (1.0, "generate unguided"),
}
UNSAID = {
    "prompt", "negative_prompt", "steps", "scheduler", "seed", "loras", "mask", "strength", "clip_skip", "format",
    "quality", "metadata", "preview", "output", "tags", "notes", "embedded", "speed",
    "variant", "described", "follows", "check", "regions", "upscale",
}  # fmt: skip
"""They take no memory to speak of."""


@pytest.mark.parametrize("key", SAID)
def test_a_demand_tells_all_that_takes_memory(key: str) -> None:
    value, said = SAID[key]
    assert demand_of(replace(PLAIN, **{key: value})) == said  # type: ignore[arg-type]


def test_every_key_of_a_request_was_thought_of() -> None:
    assert {field.name for field in fields(GenerateRequest)} == {*SAID, *UNSAID}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (PLAIN, "generate"),
        (replace(PLAIN, guidance_scale=7.5, width=512, height=256, aspect_ratio="16:9"), "generate 512x256 guided"),
        (CaptionRequest(image="a.png"), "caption"),
        (CaptionRequest(beams=4, candidates=2), "caption along 4 beams with 2 candidates"),
        (GridRequest(cells=("a",), columns=1), "grid"),
    ],
)
def test_other_jobs_have_a_demand_too(request_: Request, said: str) -> None:
    assert demand_of(request_) == said
