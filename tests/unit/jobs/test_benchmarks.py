"""Figures that follow from other figures."""

import pytest

from tests.support.benchmark_runs import run, seconds, size


def test_a_rate_is_that_of_the_median_run_and_counts_every_picture_of_a_batch() -> None:
    assert size(512, 512, 1.0, 2.0, 9.0).per_minute == 30
    assert size(512, 512, 1.0, 2.0, 9.0, batch=4).per_minute == 120


def test_the_spread_is_the_distance_of_fastest_and_slowest_as_a_share_of_the_median() -> None:
    assert size(512, 512, 1.5, 2.0, 2.5).spread == 0.5
    assert size(512, 512, 2.0).spread == 0


def test_what_no_stage_accounts_for_is_told_apart_and_never_negative() -> None:
    assert seconds(2.0).other_s == pytest.approx(0.04)
    assert seconds(2.0, steps_s=5.0).other_s == 0


def test_figures_of_a_clock_that_stood_still_divide_by_nothing() -> None:
    assert size(512, 512, 0.0).per_minute > 0
    assert size(512, 512, 0.0).spread == 0


def test_a_size_is_found_and_called_as_people_write_it() -> None:
    found = run(size(512, 768)).size(512, 768)
    assert found is not None
    assert found.name == "512x768"
    assert run().size(512, 768) is None
    assert size(0, 0).name == "caption"


def test_runs_of_other_settings_devices_or_formats_have_another_key() -> None:
    same = run(versions=(), threads=1, id="other", repeats=9)
    assert same.key == run().key
    assert (
        len({run(**change).key for change in ({}, {"dtype": "bfloat16"}, {"device_name": "x"}, {"settings": ()})}) == 4
    )
