"""Failures as people read them."""

from __future__ import annotations

import pytest

from aura_daemon.jobs.results import Failure, FailureKind


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
