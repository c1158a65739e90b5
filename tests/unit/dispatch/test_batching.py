"""Which jobs are drawn together, and how many."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from aura_daemon.dispatch.batching import MOST, PAYS, most_together, together
from aura_daemon.jobs.requests import (
    CaptionRequest,
    EmbeddedSettings,
    GenerateRequest,
    GridRequest,
    Hires,
    ImageFormat,
    Lora,
    Metadata,
    Request,
)
from aura_daemon.ladder.prediction import Measured
from aura_daemon.ladder.rungs import Rung

PLAIN = GenerateRequest(prompt="a cat")

APART: dict[str, object] = {
    "steps": 3,
    "guidance_scale": 1.0,
    "scheduler": "ddim",
    "aspect_ratio": "16:9",
    "width": 512,
    "height": 512,
    "model": "sd-1.4",
    "loras": (Lora(name="ink"),),
    "strength": 0.5,
    "clip_skip": 2,
}
ALONE: dict[str, object] = {"image": "a.png", "hires": Hires()}
ALIKE: dict[str, object] = {
    "prompt": "a dog",
    "negative_prompt": "blue",
    "seed": 7,
    "format": ImageFormat.WEBP,
    "quality": 50,
    "metadata": Metadata.NONE,
    "preview": 5,
    "output": "{seed}",
    "tags": ("x",),
    "notes": "y",
    "embedded": EmbeddedSettings(image="a.png"),
}


def changed(**changes: object) -> GenerateRequest:
    return replace(PLAIN, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ALIKE)
def test_jobs_go_together_whatever_they_ask_for_and_however_it_is_written(key: str) -> None:
    assert together(changed(**{key: ALIKE[key]})) == together(PLAIN)


@pytest.mark.parametrize("key", APART)
def test_jobs_do_not_go_together_that_are_drawn_in_another_way(key: str) -> None:
    other = together(changed(**{key: APART[key]}))
    assert other is not None
    assert other != together(PLAIN)


@pytest.mark.parametrize(
    "request_",
    [*(changed(**{key: value}) for key, value in ALONE.items()), CaptionRequest(), GridRequest(cells=(), columns=1)],
    ids=["image", "hires", "caption", "grid"],
)
def test_what_starts_from_an_image_has_two_passes_or_is_no_picture_runs_alone(request_: Request) -> None:
    assert together(request_) is None


def test_every_key_of_a_request_was_thought_of() -> None:
    assert {field.name for field in fields(GenerateRequest)} == {*APART, *ALONE, *ALIKE, "mask"}


def row(batch: int, step_s: float, **changes: object) -> Measured:
    made = Measured(
        device="a GPU", dtype="float16", rung=Rung.RESIDENT, width=512, height=512, batch=batch, step_s=step_s
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measured", "most"),
    [
        ([], MOST),
        ([row(1, 1.0)], MOST),
        ([row(4, 4.0)], MOST),
        ([row(1, 1.0), row(4, 4 * PAYS)], MOST),
        ([row(1, 1.0), row(4, 4 * PAYS + 0.01)], 2),
        ([row(1, 1.0), row(4, 4.0), row(2, 1.5)], 2),
        ([row(1, 1.0), row(4, 4.0), row(2, 2.0)], 1),
        ([row(1, 1.0), row(3, 3.0)], 1),
        ([row(1, 1.0), row(4, 4.0, device="another GPU")], MOST),
        ([row(1, 1.0, device="another GPU"), row(4, 4.0)], MOST),
        ([row(1, 1.0, height=912), row(4, 4.0)], MOST),
        ([row(1, 1.0, guided=False), row(4, 4.0)], MOST),
        ([row(1, 1.0, rung=Rung.FP8_STORAGE), row(4, 4.0)], MOST),
        ([row(1, 0.0), row(4, 4.0)], MOST),
        ([row(1, 1.0), row(4, 0.0, refused_bytes=5)], MOST),
    ],
)
def test_a_batch_is_halved_where_a_picture_in_it_took_no_less_time_than_alone(
    measured: list[Measured], most: int
) -> None:
    assert most_together(configured=None, on_gpu=True, measured=measured, device="a GPU") == most


def test_a_cpu_draws_one_at_a_time_and_what_is_configured_counts() -> None:
    assert most_together(configured=None, on_gpu=False, measured=[], device="a CPU") == 1
    assert most_together(configured=8, on_gpu=False, measured=[], device="a CPU") == 8
    assert most_together(configured=8, on_gpu=True, measured=[row(1, 1.0), row(4, 4.0)], device="a GPU") == 8
