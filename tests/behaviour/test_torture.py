"""A short `make torture`, with the same code: a few kills, two tools, two faults, some fuzzing."""

from __future__ import annotations

import pytest

from tests.support.house import House
from tests.torture.__main__ import Extent, every_fault

EXTENT = Extent(kills=6, files=300, fuzz_s=1)
SHORT = (
    f"kill -9 at {EXTENT.kills} random instants",
    "delivered by cp -rp",
    "delivered by rsync",
    "the journal's disk is full, then not",
    f"{EXTENT.files} files at once, events overflow",
    f"the job parser, fuzzed for {EXTENT.fuzz_s:g} s",
    f"the image probe, fuzzed for {EXTENT.fuzz_s:g} s",
)


@pytest.mark.parametrize("name", SHORT)
def test_every_file_ends_as_exactly_one_result_or_failure(house: House, name: str) -> None:
    fault, missing = every_fault(EXTENT)[name]
    if missing:
        pytest.skip(missing)
    verdict = fault(house)
    assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
    assert verdict.tried >= 6
