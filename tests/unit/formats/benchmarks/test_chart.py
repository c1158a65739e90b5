"""The chart of a benchmark."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.benchmarks.chart import WIDTH_PX, chart
from aura_daemon.jobs.benchmarks import BenchmarkRun
from tests.support.benchmark_runs import CAPTIONED, run, seconds, size
from tests.support.examples import examples
from tests.unit.formats.benchmarks.any_run import RUNS

SVG = "{http://www.w3.org/2000/svg}"


def drawn(one: BenchmarkRun, *earlier: BenchmarkRun) -> Xml.Element:
    return Xml.fromstring(chart(one, earlier))


def texts(svg: Xml.Element) -> list[str]:
    return [text.text or "" for text in svg.iter(f"{SVG}text")]


def parts(svg: Xml.Element) -> list[tuple[float, float, float]]:
    """Left end, right end and top of every part of a bar."""
    found = [part for part in svg.iter(f"{SVG}rect") if part.get("class") == "part" and part.get("rx") is None]
    return [
        (float(part.attrib["x"]), float(part.attrib["x"]) + float(part.attrib["width"]), float(part.attrib["y"]))
        for part in found
    ]


def test_it_says_in_text_what_it_shows() -> None:
    svg = drawn(run(size(512, 512, 2.0)))
    told = texts(svg)
    assert told[:2] == [
        "sd-1.4 on A Fine CPU",
        "float32 on cpu, AVX2, 4 threads · 25 steps of euler · guidance 9 · batch 1",
    ]
    assert "30.0 images a minute" in told
    assert "2.00 s an image · load 3.00 s · peak 3.00 GiB · rung cpu" in told
    assert svg.findtext(f"{SVG}title") == "Benchmark: sd-1.4 on A Fine CPU, 512×512: 30.0 images a minute"
    assert [name for name in told if name in ("encode", "steps", "decode", "safety check", "encode file", "other")]


def test_the_bar_of_a_size_is_as_long_as_its_time_and_stacked_of_its_stages() -> None:
    found = parts(drawn(run(size(512, 512, 1.0), size(768, 768, 4.0))))
    bars = {top: [part for part in found if part[2] == top] for top in {top for _, _, top in found}}
    lengths = [bar[-1][1] - bar[0][0] for _, bar in sorted(bars.items())]
    assert lengths[1] == pytest.approx(4 * lengths[0], abs=0.1)
    for bar in bars.values():
        assert len(bar) == 6
        assert all(left[1] == pytest.approx(right[0], abs=0.02) for left, right in pairwise(bar))


def test_a_stage_that_is_not_there_has_no_place_in_the_legend() -> None:
    captions = size(0, 0, 0.5, runs=(seconds(0.5, steps_s=0, check_s=0, file_s=0, step_s=0),))
    told = texts(drawn(run(captions, of="caption", settings=CAPTIONED)))
    assert "steps" not in told
    assert "120 captions a minute" in told
    assert any(text.startswith("500 ms a caption") for text in told)


def test_without_earlier_runs_there_is_no_line() -> None:
    assert not list(drawn(run()).iter(f"{SVG}polyline"))


def test_each_size_has_a_line_over_the_runs_that_have_it() -> None:
    old = run(size(512, 512, 4.0), id="1")
    svg = drawn(run(size(512, 512, 2.0), size(768, 768, 8.0)), old, run(size(512, 512, 3.0), size(64, 64, 0.1), id="2"))
    lines = [line.attrib["points"].split() for line in svg.iter(f"{SVG}polyline")]
    assert [len(points) for points in lines] == [3, 1]
    heights = [float(point.split(",")[1]) for point in lines[0]]
    assert heights == sorted(heights, reverse=True)
    assert "The last 3 runs: images a minute" in texts(svg)
    assert "512×512: 30.0" in texts(svg)


def test_labels_of_lines_that_meet_do_not_cover_each_other() -> None:
    sizes = [size(side, side, 2.0 + side / 1e6) for side in (64, 128, 256)]
    svg = drawn(run(*sizes), run(*sizes, id="1"))
    heights = sorted(
        float(text.attrib["y"])
        for text in svg.iter(f"{SVG}text")
        if "×" in (text.text or "") and ": " in (text.text or "")
    )
    assert len(heights) == 3
    assert min(below - above for above, below in pairwise(heights)) >= 15


@pytest.mark.parametrize(
    ("seconds_of_one", "most"),
    [(60.0, "1"), (0.06, "1,000"), (0.058, "1,500"), (2.0, "30"), (9e4, "0.001"), (300.0, "0.2")],
)
def test_the_scale_of_the_lines_ends_at_a_round_number(seconds_of_one: float, most: str) -> None:
    one = run(size(512, 512, seconds_of_one))
    assert most in texts(drawn(one, run(size(512, 512, seconds_of_one), id="1")))


def test_text_with_markup_stays_text_and_long_text_is_cut() -> None:
    evil = "</text><script>alert(1)</script>&\x00\x1b" + "x" * 500
    found = drawn(run(model=evil))
    assert not list(found.iter(f"{SVG}script"))
    assert texts(found)[0].startswith("</text><script>alert(1)</script>&\\x00\\x1b")
    assert texts(found)[0].endswith("…")


def test_it_has_colours_for_a_light_and_for_a_dark_page() -> None:
    style = drawn(run()).findtext(f"{SVG}style") or ""
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    for part in ("text {", ".page {", ".soft {", ".rule {", ".dot {"):
        assert part in light
        assert part in dark


def test_it_fetches_nothing_and_runs_nothing() -> None:
    text = chart(run(), [run(id="1")])
    assert "href" not in text
    assert "url(" not in text
    assert text.count("http") == 1  # the name of SVG itself


@given(RUNS, st.lists(RUNS, max_size=3))
@settings(max_examples=examples(25))
def test_any_run_is_well_formed_and_within_its_page(one: BenchmarkRun, earlier: list[BenchmarkRun]) -> None:
    svg = drawn(one, *earlier, one)
    assert svg.tag == f"{SVG}svg"
    assert all(0 <= left <= right <= WIDTH_PX for left, right, _ in parts(svg))
    height = float(svg.attrib["height"])
    assert all(0 <= float(text.attrib["y"]) <= height + 16 * len(one.sizes) for text in svg.iter(f"{SVG}text"))
