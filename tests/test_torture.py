"""The short version of `make torture`: a few kills, two tools, two faults, by the same code."""

from __future__ import annotations

import pytest

from tests.house import House
from tests.torture.__main__ import every_fault

KILLS, FILES = 6, 300
SHORT = (
    f"kill -9 at {KILLS} random instants",
    "delivered by cp -rp",
    "delivered by rsync",
    "the journal's disk is full, then not",
    f"{FILES} files at once, events overflow",
)


@pytest.mark.parametrize("name", SHORT)
def test_every_file_ends_as_exactly_one_result_or_failure(house: House, name: str) -> None:
    fault, missing = every_fault(KILLS, FILES)[name]
    if missing:
        pytest.skip(missing)
    verdict = fault(house)
    assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
    assert verdict.tried >= 6
