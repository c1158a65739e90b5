"""Failures as people read them."""

from __future__ import annotations

import pytest

from aura_daemon.jobs.results import EngineTiming, Failure, FailureKind


@pytest.mark.parametrize(
    ("message", "mend", "told"),
    [
        ("the mask is nowhere white", "paint it", "the mask is nowhere white. Paint it"),
        ("it broke.", "`aura-daemon retry`.", "it broke. `aura-daemon retry`."),
        ("it broke", "", "it broke"),
    ],
)
def test_a_failure_is_told_with_its_mend_as_sentences(message: str, mend: str, told: str) -> None:
    assert Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend).told == told


def test_loading_a_model_is_no_part_of_what_is_computed() -> None:
    assert EngineTiming(loaded_s=8, encoded_s=1, denoised_s=4, decoded_s=2, checked_s=1).computed_s == 7
