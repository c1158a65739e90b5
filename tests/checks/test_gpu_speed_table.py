"""The targets of speed on a GPU, from rows as the check's processes write them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.gpu_speed_table import (
    AGAIN,
    CAPTIONS,
    DEFAULTS,
    EAGER,
    FOUR_GB,
    GRAPHS,
    ORIGIN,
    PLAIN,
    Row,
    speed_tables,
    speed_targets,
)

H100 = "NVIDIA H100 80GB HBM3"


def engine(what: str, **figures: Any) -> Row:
    usual = {"steps_per_s": 50.0, "pictures_per_s": 1.5, "batch_per_s": 4.0, "first_s": 5.0, "peak": 2 << 30}
    return {"kind": "engine", "what": what, "off": [0.0, 0.0], "note": "", **usual, **figures}


ROWS = [
    engine(PLAIN, off=[-1.0, -1.0]),
    engine(EAGER),
    engine(DEFAULTS, steps_per_s=51.0),
    engine(GRAPHS, steps_per_s=107.0, batch_per_s=8.5),
    engine(ORIGIN, pictures_per_s=0.15, batch_per_s=0.0),
    engine(FOUR_GB, pictures_per_s=1.4, steps_per_s=500.0),
    engine(AGAIN, compiled=0, found=2),
    {"kind": CAPTIONS, "count": 64, "together": 32, "alone_per_s": 10.0, "together_per_s": 210.0},
]


def changed(what: str, **figures: Any) -> list[Row]:
    return [row | figures if what in (row.get("what"), row["kind"]) else row for row in ROWS]


def test_all_that_was_promised_is_measured_and_met() -> None:
    found = speed_targets(ROWS, H100)
    assert [one.what for one in found if not one.met] == []
    assert [one.measured for one in found] == [
        "107.0",
        "1.02x",
        "2.12x",
        "21.00x",
        "0.93x",
        "10.00x",
        "0 graphs, 2 found",
        "0",
    ]


@pytest.mark.parametrize(
    ("rows", "missed"),
    [
        (changed(GRAPHS, steps_per_s=104.0), "steps a second, one picture, the fastest engine"),
        (changed(DEFAULTS, steps_per_s=49.0), "steps a second of the default engine to plain diffusers"),
        (changed(GRAPHS, batch_per_s=7.9), "pictures a second in batches of 8 to plain diffusers"),
        (changed(CAPTIONS, together_per_s=199.0), "captions a second, together to one at a time"),
        (changed(FOUR_GB, pictures_per_s=1.3), "a picture on a card of 4 GB to all of the GPU"),
        (changed(ORIGIN, pictures_per_s=0.2), "a picture to the origin's settings"),
        (changed(AGAIN, compiled=1), "compiled at the second start"),
        (changed(AGAIN, found=0), "compiled at the second start"),
        (changed(GRAPHS, off=[1.0, 0.1]), "the largest difference of cuda-graphs to eager, of 255"),
    ],
)
def test_each_target_is_missed_by_itself(rows: list[Row], missed: str) -> None:
    assert [one.what for one in speed_targets(rows, H100) if not one.met] == [missed]


def test_what_did_not_run_is_not_met() -> None:
    found = speed_targets([], H100)
    assert not any(one.met for one in found)
    assert [one.measured for one in found] == ["0.0", *["not run"] * 7]


def test_steps_a_second_are_a_target_of_the_cards_it_was_set_for() -> None:
    assert len(speed_targets(ROWS, "NVIDIA GeForce RTX 3050")) == len(speed_targets(ROWS, H100)) - 1


def test_the_tables_set_every_engine_beside_plain_diffusers() -> None:
    unets = [
        {"kind": "unet", "what": EAGER, "steps_per_s": 60.0, "first_s": 0.5, "off": 0.0},
        {"kind": "unet", "what": "recorded", "steps_per_s": 120.0, "first_s": 1.0, "off": 0.0},
    ]
    floors = [{"kind": "floor", "what": "a step", "is_step": True, "flops": 1.6e12, "floor_s": 0.002}]
    engines, alone, captions, floor, said = speed_tables([*ROWS, *unets, *floors])
    assert f"| {GRAPHS} | 107.0 | 2.14x | 0.667 | 8.50 | 2.12x | 5.0 | 2.00 GiB | 0 / 0 |  |" in engines
    assert f"| {ORIGIN} | 50.0 | 1.00x | 6.667 | - | - | 5.0 | 2.00 GiB | 0 / 0 |  |" in engines
    assert "| recorded | 120.0 | 2.00x | 1.0 | 0 |" in alone
    assert captions.startswith("BLIP: 10.0 captions a second one at a time, 210.0 where 64 wait together")
    assert "| a step | 1.60 | 2.00 | 2.00 | 100% |" in floor
    assert said == ""
