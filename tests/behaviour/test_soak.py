"""A soak of seconds, with the same code as `make soak`, and what the table says of figures that grow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.__main__ import show
from tests.soak.fates import Fates
from tests.soak.figures import FIGURES
from tests.soak.run import Extent, Record, Soak
from tests.soak.slopes import Figure, slope_of, theil_sen

SHORT = Extent(hours=2 / 3600, rate=400, engine="light", every=0.5, pace=400)


def test_every_file_has_its_fate_through_reloads_kills_and_unmounts(tmp_path: Path) -> None:
    record = Soak(tmp_path, SHORT).run()
    assert [record.fates[name] for name in ("open or lost", "doubled", "wrong")] == [[], [], []]
    assert record.fates["expected"] > 0
    assert record.done["configurations read again"] > 0
    assert record.samples[-1][1].keys() == {figure.name for figure in FIGURES}
    assert Record.read(record.place) == replace(record, samples=[tuple(one) for one in record.samples])


GROWS = Figure(name="memory", unit="MiB", noise=5, an_hour=1)


@pytest.mark.parametrize(
    ("per_hour", "is_flat"),
    [(0.0, True), (0.9, True), (-20.0, True), (4.0, False)],
)
def test_growth_is_told_from_noise(per_hour: float, is_flat: bool) -> None:
    def value(number: int) -> float:
        spike = 500.0 if number % 9 == 0 else 0.0
        return 50 + per_hour * number / 240 + (number * 7919 % 13) / 13 + spike

    slope = slope_of(GROWS, [(number * 15.0, value(number)) for number in range(480)])
    assert slope.is_flat is is_flat
    assert abs(slope.per_hour - per_hour) < 0.2


def test_what_fills_up_at_the_start_does_not_count() -> None:
    samples = [(number * 60.0, min(number, 20) * 10.0) for number in range(120)]
    assert slope_of(GROWS, samples).per_hour == 0.0


def test_a_single_sample_has_no_slope() -> None:
    assert theil_sen([(1.0, 2.0)]) == 0.0


def test_lost_doubled_and_foreign_results_are_seen(tmp_path: Path) -> None:
    fates = Fates(outbox=tmp_path)
    fates.expect("lost.yaml", b"lost")
    fates.expect("twice.yaml", b"twice")
    fates.expect("list.txt", b"list", range(1, 4))

    def sidecar(name: str, digest: str, document: int | None, schema: str = "sidecar") -> None:
        source = {"sha256": digest, "document": document}
        found = {"schema": f"aura-daemon/{schema}/1", "job_id": name, "source": source, "outputs": []}
        (tmp_path / f"{name}.json").write_text(json.dumps(found))

    from tests.support.house import sha256

    sidecar("a", sha256(b"twice"), None)
    sidecar("b", sha256(b"twice"), None)
    sidecar("c", "0" * 64, None)
    sidecar("d", sha256(b"list"), None, "failure")
    fates.collect(0.0)
    fates.collect(1.0)
    verdict = fates.verdict()
    assert (verdict.tried, verdict.lost, verdict.doubled) == (5, ["lost.yaml"], ["twice.yaml"])
    assert verdict.wrong == ["nobody sent 000000000000 None"]
    fates.pick_up(2.0)
    assert [place.name for place in tmp_path.iterdir()] == ["d.json"]


def test_the_table_tells_what_grows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steady = {figure.name: 7.0 * figure.scale for figure in FIGURES} | {"daemon, processor": 0.0}
    samples = [(number * 15.0, steady | {"threads": number * 2.0}) for number in range(100)]
    fates = {"expected": 3, "open or lost": [], "doubled": [], "wrong": []}
    record = Record(place=tmp_path / "soak.json", extent=SHORT, samples=samples, done={}, fates=fates, notes=[])
    assert show(record) == 1
    told = capsys.readouterr().out
    assert told.count("**grows**") == 1
    assert "| threads |" in told
    record.samples = [(at_s, steady) for at_s, _ in samples]
    assert show(record) == 0
