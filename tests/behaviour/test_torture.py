"""A short `make torture`, with the same code: a few kills, two tools, two faults, some fuzzing."""

from __future__ import annotations

import pytest

from aura_daemon.cli.run import FAILED
from tests.support.house import House
from tests.torture import beside
from tests.torture.__main__ import Extent, every_fault
from tests.torture.ledger import torture_program

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


def test_what_is_wrong_beside_the_results_is_seen(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("bad.yaml", b"steps: 0\n")
    assert torture_program(house).call("once").returncode == FAILED
    assert list(beside.complaints(house, hooks_are_over=True)) == []
    index, told = house.outbox / "index.html", house.root / "told"
    (thumbnail,) = (house.outbox / "aura-gallery" / "thumbnails").rglob("*.webp")
    ids = told.read_text("utf-8").splitlines()
    told.write_text("\n".join([ids[0], ids[0], "x"]), "utf-8")
    thumbnail.unlink()
    index.write_text(index.read_text("utf-8").replace('id="2', 'id="1', 1)[:-2], "utf-8")
    found = " ".join(beside.complaints(house, hooks_are_over=True))
    for complaint in ("ran 2 times", "never ran", "knows nothing", "half a page", ".webp, which", "stands on no page"):
        assert complaint in found
