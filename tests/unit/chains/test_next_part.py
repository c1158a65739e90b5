"""What of a job runs next, and what it delivers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aura_daemon.chains.next_part import chain_of, next_part
from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, GridRequest, Request

DESCRIBED = GenerateRequest(
    prompt="a watercolour of {caption}", negative_prompt="no {caption}", seed=7, image="a.png", described="a.png"
)
CAPTION = CaptionRequest(image="a.png")


def part(request: Request, text: str = "") -> JobPart:
    return JobPart(request=request, text=text, model="m", model_sha256="0", device="cpu", rung="cpu_full", seconds=1.0)


@pytest.mark.parametrize(
    "asked",
    [GenerateRequest(prompt="a cat"), GenerateRequest(prompt="a {caption}"), CAPTION, GridRequest(cells=(), columns=1)],
)
def test_a_job_of_one_part_has_no_chain_and_delivers_it(asked: Request) -> None:
    assert chain_of(asked) is None
    assert next_part(asked, (part(asked),)) == ChosenPart(part=0)


def test_a_picture_with_a_caption_in_its_texts_is_described_first_and_then_drawn() -> None:
    assert chain_of(DESCRIBED) == Chain(runs=CAPTION)
    first = part(CAPTION, "a red circle")
    drawn = replace(
        DESCRIBED, prompt="a watercolour of a red circle", negative_prompt="no a red circle", described=None
    )
    assert next_part(DESCRIBED, (first,)) == Chain(runs=drawn, done=(first,))
    assert next_part(DESCRIBED, (first, part(drawn))) == ChosenPart(part=1)
