"""The part of a sidecar that is about a benchmark; such a sidecar is a job file too."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from aura_daemon.formats.sidecars.schema import Sidecar
from aura_daemon.jobfile.from_sidecar import parse, request_of
from aura_daemon.jobs.benchmarks import BenchmarkRun, SizeNotRun
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    CaptionSampling,
    GenerateRequest,
    Hires,
    ImageFormat,
    Lora,
    Metadata,
)
from aura_daemon.jobs.resolved import ResolvedBenchmark, ResolvedCaption
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import Speed
from aura_daemon.outbox.sidecar_writer import sidecar
from tests.support.benchmark_runs import run, size
from tests.support.outcomes import measured
from tests.unit.outbox.test_sidecar_writer import DRAWN, SOURCE, TIMING

CAPTIONED = ResolvedCaption(image=None, prompt="a photo", max_new_tokens=16)


def page(produced: Produced) -> Sidecar:
    return sidecar(
        produced, job_id="j", finished="", source=SOURCE, tried=(), seconds=1, timing_s=TIMING, outputs=[], warnings=()
    )


def of(run: BenchmarkRun, *earlier: BenchmarkRun) -> dict[str, Any]:
    content = page(replace(measured(run), earlier=earlier)).to_json()
    document: dict[str, Any] = json.loads(content)
    jsonschema.validate(document, Sidecar.model_json_schema(by_alias=True))
    return document


def test_it_holds_the_figures_of_each_size() -> None:
    found = of(run(size(512, 512, 1.0, 2.0, 4.0), not_run=(SizeNotRun(width=2048, height=2048, reason="no"),)))
    (figures,) = found["benchmark"]["sizes"]
    assert (figures["per_minute"], figures["run_s"], figures["runs_s"], figures["spread"]) == (30, 2, [1, 2, 4], 1.5)
    assert figures["stages_s"] == {
        "encode": 0.1,
        "steps": 1.5,
        "decode": 0.2,
        "safety check": 0.06,
        "encode file": 0.1,
        "other": 0.04,
    }
    assert found["benchmark"]["not_run"] == [{"width": 2048, "height": 2048, "reason": "no"}]
    assert (found["benchmark"]["since_last"], found["benchmark"]["earlier"]) == (None, [])


def test_it_holds_what_changed_since_the_last_run_and_the_rates_of_earlier_ones() -> None:
    before = run(size(512, 512, 4.0), id="before", versions=(("torch", "2.8"),))
    found = of(run(size(512, 512, 2.0), versions=(("torch", "2.9"),)), before)["benchmark"]
    assert found["earlier"] == [
        {"job_id": "before", "finished": before.finished, "per_minute": {"512x512": 15}, "versions": {"torch": "2.8"}}
    ]
    since = found["since_last"]
    assert since["job_id"] == "before"
    assert since["changed"] == [{"what": "torch", "before": "2.8", "after": "2.9"}]
    assert since["figures"][0] == {
        "size": "512x512",
        "figure": "images a minute",
        "before": 15,
        "after": 30,
        "ratio": 2,
        "in_words": "up 100 %, faster",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": "sd-1.4", "loras": (Lora(name="ink", weight=0.5),), "hires": Hires(scale=2), "clip_skip": 2},
        {"speed": Speed.FAST},
        {"format": ImageFormat.WEBP, "quality": 80, "metadata": Metadata.NONE, "negative_prompt": "a dog"},
    ],
)
def test_a_sidecar_of_pictures_asks_for_the_same_benchmark_again(changes: dict[str, Any]) -> None:
    drawn = replace(DRAWN, **changes)
    resolved = ResolvedBenchmark(settings=drawn, sizes=((512, 512), (768, 512)), repeats=4, batch=2)
    read = parse(page(replace(measured(run()), resolved=resolved)).to_json(), file="speed.json")
    assert isinstance(read, Sidecar), read
    assert request_of(read) == BenchmarkRequest(
        picture=GenerateRequest(
            prompt=drawn.prompt,
            negative_prompt=drawn.negative_prompt,
            steps=drawn.steps,
            guidance_scale=drawn.guidance_scale,
            scheduler=drawn.scheduler,
            seed=drawn.seed,
            model=drawn.model,
            loras=drawn.loras,
            hires=drawn.hires,
            speed=drawn.speed,
            clip_skip=drawn.clip_skip,
            format=drawn.format,
            quality=drawn.quality,
            metadata=drawn.metadata,
        ),
        sizes=((512, 512), (768, 512)),
        repeats=4,
        batch=2,
    )


def test_a_sidecar_of_captions_asks_for_the_same_benchmark_again() -> None:
    resolved = ResolvedBenchmark(settings=CAPTIONED, sizes=(), repeats=4, batch=1)
    read = parse(page(replace(measured(run()), resolved=resolved)).to_json(), file="speed.json")
    assert isinstance(read, Sidecar), read
    caption = CaptionRequest(prompt="a photo", max_new_tokens=16, beams=1)
    assert request_of(read) == BenchmarkRequest(caption=caption, repeats=4)


def test_a_sidecar_of_captions_drawn_by_chance_asks_for_the_same_benchmark_again() -> None:
    drawn = replace(CAPTIONED, sampling=CaptionSampling(temperature=0.5, seed=7), candidates=3)
    resolved = ResolvedBenchmark(settings=drawn, sizes=(), repeats=4, batch=1)
    read = parse(page(replace(measured(run()), resolved=resolved)).to_json(), file="speed.json")
    assert isinstance(read, Sidecar), read
    caption = CaptionRequest(prompt="a photo", max_new_tokens=16, sampling=drawn.sampling, candidates=3)
    assert request_of(read) == BenchmarkRequest(caption=caption, repeats=4)


def test_the_sidecars_of_other_jobs_do_not_speak_of_benchmarks() -> None:
    produced = replace(measured(run()), resolved=DRAWN, benchmark=None)
    assert "benchmark" not in json.loads(page(produced).to_json())
