"""What `bench` measured: medians, ratios, JSON and chart."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from aura_daemon.bench.figures import ORIGIN, Figures, NotMeasured, charted, document, ratio
from aura_daemon.formats.benchmarks.chart import chart

FAST = Figures(
    name="fast",
    how="eager, bfloat16, features kept",
    steps=10,
    pictures_s=(2.0, 4.0, 3.0),
    load_s=1.0,
    encode_s=0.1,
    step_s=0.2,
    decode_s=0.5,
    peak_bytes=1 << 30,
    rung="cpu",
    dtype="bfloat16",
)
PLAIN = replace(FAST, name=ORIGIN, how="plain diffusers", steps=50, pictures_s=(), step_s=1.0, rung="")


def test_a_picture_takes_the_median_of_whole_ones_or_what_its_stages_make() -> None:
    assert FAST.picture_s == 3.0
    assert PLAIN.picture_s == pytest.approx(50.6)
    assert (FAST.spread, PLAIN.spread) == (pytest.approx(2 / 3), 0.0)


def test_a_ratio_is_to_the_origins_settings() -> None:
    assert ratio(FAST, PLAIN) == pytest.approx(50.6 / 3)
    assert ratio(FAST, None) is None


def test_the_document_says_what_was_composed_and_what_was_not_measured() -> None:
    missing = NotMeasured(name="turbo", reason="no few-step model is known for it")
    told = json.loads(
        json.dumps(document([FAST, PLAIN], [missing], machine={"cores": 2}, settings={}, more={"caption": {}}))
    )
    assert [(row["name"], row["composed"]) for row in told["rows"]] == [("fast", False), (ORIGIN, True)]
    assert told["not_measured"] == [{"name": "turbo", "reason": missing.reason}]
    assert told["rows"][1]["times_origin"] == 1


def test_the_chart_has_a_bar_for_each_name() -> None:
    run = charted(
        [FAST, PLAIN], model="sd-1.4", device="a CPU", size=(512, 512), guidance_scale=7.5, scheduler="dpm++_2m_karras"
    )
    assert [one.name for one in run.sizes] == ["fast", ORIGIN]
    svg = chart(run, ())
    assert ">fast<" in svg and f">{ORIGIN}<" in svg and "10/50 steps" in svg
