"""The short version of `make torture`: a few kills, two tools, two faults, some fuzzing, by the same code."""

from __future__ import annotations

import pytest

from tests.house import House
from tests.torture.__main__ import every_fault

KILLS, FILES, FUZZ_S = 6, 300, 1.0
SHORT = (
    f"kill -9 at {KILLS} random instants",
    "delivered by cp -rp",
    "delivered by rsync",
    "the journal's disk is full, then not",
    f"{FILES} files at once, events overflow",
    f"the job parser, fuzzed for {FUZZ_S:g} s",
    f"the image probe, fuzzed for {FUZZ_S:g} s",
)


@pytest.mark.parametrize("name", SHORT)
def test_every_file_ends_as_exactly_one_result_or_failure(house: House, name: str) -> None:
    fault, missing = every_fault(KILLS, FILES, FUZZ_S)[name]
    if missing:
        pytest.skip(missing)
    verdict = fault(house)
    assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
    assert verdict.tried >= 6
