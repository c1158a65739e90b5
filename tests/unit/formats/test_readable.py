"""Figures in words."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.readable import (
    bytes_text,
    download_text,
    minute_text,
    number_text,
    rounded_up,
    seconds_text,
    share_text,
    shortened,
    size_text,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.000012, "0.01 ms"),
        (0.0125, "12.5 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.255, "1.25 s"),
        (12.34, "12.3 s"),
        (119.9, "120 s"),
        (200, "3 min 20 s"),
    ],
)
def test_seconds_have_three_digits_that_count(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (4.314, "4.31"), (43.14, "43.1"), (431.4, "431"), (1230, "1,230")]
)
def test_numbers_have_three_digits_that_count(number: float, text: str) -> None:
    assert number_text(number) == text


@given(st.floats(0.01, 1e6))
def test_a_number_in_words_is_never_far_from_the_number(number: float) -> None:
    written = Fraction(number_text(number).replace(",", ""))
    assert abs(written - Fraction(number)) <= max(Fraction("0.005"), Fraction(number) * Fraction("0.006"))


def test_bytes_shares_sizes_and_stamps_are_written_as_people_do() -> None:
    assert (bytes_text(512 << 20), bytes_text(3 << 30), bytes_text(0)) == ("512 MiB", "3.00 GiB", "0 MiB")
    assert share_text(0.123) == "12 %"
    assert (size_text("512x768"), size_text("caption")) == ("512×768", "caption")
    assert minute_text("2026-11-27T22:30:59+00:00") == "2026-11-27 22:30"
    assert (download_text(3_440_000_000), download_text(990_000)) == ("3.4 GB", "1.0 MB")


def test_a_long_text_is_cut_and_shows_it() -> None:
    assert (shortened("a cat", 5), shortened("a cat", 4)) == ("a cat", "a c…")


@pytest.mark.parametrize(("number", "round_number"), [(0.0004, 0.001), (0.9, 1), (1.2, 1.5), (5, 6), (83, 100)])
def test_the_end_of_an_axis_is_round(number: float, round_number: float) -> None:
    assert rounded_up(number) == pytest.approx(round_number)
