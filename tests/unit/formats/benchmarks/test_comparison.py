"""A benchmark beside earlier ones: what is compared, what is said of it, and what is not claimed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.benchmarks.comparison import (
    MOST_EARLIER,
    Changed,
    FigureChange,
    changed,
    comparable,
    figure_changes,
    per_minute_words,
    previous,
    stages_of,
)
from tests.support.benchmark_runs import CAPTIONED, DRAWN, run, size
from tests.support.examples import examples
from tests.unit.formats.benchmarks.any_run import RUNS

OTHER_SETTINGS = (("steps", "30"), *DRAWN[1:])


def of(changes: tuple[FigureChange, ...], figure: str) -> FigureChange:
    return next(one for one in changes if one.figure == figure)


def test_the_last_runs_with_the_same_key_can_be_compared_the_oldest_first() -> None:
    earlier = [run(id=f"{number}", settings=DRAWN if number % 2 else OTHER_SETTINGS) for number in range(30)]
    found = comparable(run(), earlier)
    assert [one.id for one in found] == [str(number) for number in range(13, 30, 2)]
    assert len(found) == MOST_EARLIER


def test_it_is_compared_with_the_last_run_that_can_be_compared() -> None:
    same, other = run(id="same"), run(id="other", settings=OTHER_SETTINGS)
    assert previous(run(), [same, other]) == same
    assert previous(run(), [other]) == other
    assert previous(run(), []) is None


def test_a_run_without_a_common_size_is_nothing_to_compare_with() -> None:
    shares = run(size(768, 768), size(), id="shares", settings=OTHER_SETTINGS)
    assert previous(run(), [shares, run(size(768, 768), id="none")]) == shares
    assert previous(run(), [run(size(768, 768), id="none")]) is None


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"versions": (("torch", "2.10"),)}, {"aura-daemon": ("0.1.0", "unknown"), "torch": ("2.9.1", "2.10")}),
        ({"device_name": "Another"}, {"device": ("A Fine CPU", "Another")}),
        ({"dtype": "bfloat16"}, {"dtype": ("float32", "bfloat16")}),
        ({"variant": "compiled"}, {"variant": ("eager", "compiled")}),
        ({"processor": "", "threads": 0}, {"processor": ("AVX2", "none"), "threads": ("4", "none")}),
        ({"model_sha256": "cd" * 32}, {"weights": ("abababababab", "cdcdcdcdcdcd")}),
        ({"settings": OTHER_SETTINGS}, {"steps": ("25", "30")}),
        ({"settings": (*DRAWN, ("loras", "ink"))}, {"loras": ("none", "ink")}),
        ({"sizes": (size(rung="sequential"),)}, {"rung at 512x512": ("cpu", "sequential")}),
        ({"sizes": (size(together=2),)}, {"drawn at once at 512x512": ("1", "2")}),
        ({"id": "x", "repeats": 9, "load_average": 7.0}, {}),
    ],
)  # fmt: skip
def test_everything_that_a_figure_depends_on_is_told_where_it_is_not_as_it_was(
    change: dict[str, object], what: dict[str, tuple[str, str]]
) -> None:
    expected = {Changed(what=name, before=before, after=after) for name, (before, after) in what.items()}
    assert set(changed(run(), run(**change))) == expected


def test_a_size_that_is_new_is_no_change_of_its_rung() -> None:
    assert changed(run(size()), run(size(), size(768, 512, rung="sequential"))) == ()


def test_more_images_a_minute_are_faster_and_more_seconds_are_slower() -> None:
    changes = figure_changes(run(size(512, 512, 2.0)), run(size(512, 512, 1.0, load_s=6.0, peak_bytes=1 << 30)))
    words = {one.figure: one.in_words for one in changes}
    assert words == {
        "images a minute": "up 100 %, faster",
        "load": "up 100 %, slower",
        "encode": "down 50 %, faster",
        "steps": "down 50 %, faster",
        "decode": "down 50 %, faster",
        "safety check": "down 50 %, faster",
        "encode file": "down 50 %, faster",
        "peak memory": "down 67 %, less",
    }


def test_within_the_spread_of_the_runs_nothing_is_claimed() -> None:
    before, after = run(size(512, 512, 1.8, 2.0, 2.2)), run(size(512, 512, 2.1, 2.3, 2.5))
    assert of(figure_changes(before, after), "images a minute").in_words == "down 13 %, within the spread"


def test_what_is_measured_once_is_compared_with_care() -> None:
    changes = figure_changes(run(size(load_s=3.0)), run(size(load_s=3.2, peak_bytes=3 << 30)))
    assert of(changes, "load").in_words == "up 7 %, within the spread"
    assert of(changes, "peak memory").in_words == "as before"


def test_a_figure_that_was_nothing_is_as_before() -> None:
    assert of(figure_changes(run(size(load_s=0.0)), run(size(load_s=0.0))), "load").in_words == "as before"


def test_what_is_many_times_as_much_is_not_told_in_percent() -> None:
    assert (
        of(figure_changes(run(size(load_s=0.1)), run(size(load_s=3.0))), "load").in_words == "30 times as much, slower"
    )
    assert "1,000,000 times" in of(figure_changes(run(size(load_s=0.0)), run(size(load_s=3.0))), "load").in_words


def test_only_sizes_that_both_have_are_compared() -> None:
    changes = figure_changes(run(size()), run(size(), size(768, 768)))
    assert {one.size for one in changes} == {"512x512"}


def test_captions_have_no_steps_and_are_called_captions() -> None:
    captions = size(0, 0, 1.0)
    bare = run(captions, of="caption", settings=CAPTIONED)
    assert figure_changes(bare, bare)[0].figure == per_minute_words("caption") == "captions a minute"
    assert "steps" in stages_of([captions]).values()


def test_a_stage_that_takes_next_to_nothing_is_not_there() -> None:
    assert list(stages_of([size(512, 512, 1e-5)])) == []


@given(RUNS, st.lists(RUNS, max_size=4))
@settings(max_examples=examples(25))  # under coverage, on an older processor
def test_a_run_beside_itself_has_not_changed(one: object, others: list[object]) -> None:
    assert changed(one, one) == ()  # type: ignore[arg-type]
    changes = figure_changes(one, one)  # type: ignore[arg-type]
    assert {change.in_words for change in changes} == {"as before"}


@given(RUNS, RUNS)
@settings(max_examples=examples(25))
def test_what_went_up_went_down_the_other_way_round(one: object, other: object) -> None:
    there = figure_changes(one, other)  # type: ignore[arg-type]
    back = figure_changes(other, one)  # type: ignore[arg-type]
    assert {(change.size, change.figure) for change in there} == {(change.size, change.figure) for change in back}
    reverse = {(change.size, change.figure): change for change in back}
    for change in there:
        same = reverse[change.size, change.figure]
        assert (same.before, same.after, same.is_in_spread) == (change.after, change.before, change.is_in_spread)
