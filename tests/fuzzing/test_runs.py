"""The fuzzer: every reader keeps its promises on what it begins with, and what is found is made short."""

from __future__ import annotations

import pytest

from tests.fuzzing import runs
from tests.fuzzing.limits import BrokenContract, TooSlow, bounded, must
from tests.fuzzing.runs import fuzzed, is_here, minimised, seeds_of
from tests.fuzzing.targets import NAMES, target_of
from tests.fuzzing.targets.fuzz_target import FuzzTarget


@pytest.mark.parametrize("reader", NAMES)
def test_a_reader_keeps_its_promises_on_all_that_it_is_fuzzed_from(reader: str) -> None:
    seeds = list(seeds_of(reader))
    assert seeds
    for content in seeds:
        bounded(target_of(reader).read, content)


def _trips(content: bytes) -> None:
    must(b"bad" not in content, "it holds bad")
    if b"worse" in content:
        raise KeyError("worse")


def test_what_is_found_is_made_as_short_as_it_breaks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = FuzzTarget(read=_trips, seeds=lambda: iter(()))
    monkeypatch.setattr(runs, "target_of", lambda _: planted)
    assert minimised("planted", b"something bad, and worse") == b"bad"
    assert minimised("planted", b"much, much worse") == b"worse"
    assert minimised("planted", b"good") == b"good"


def test_an_input_that_takes_too_long_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzzing.limits.PLAIN_S", -1.0)
    with pytest.raises(TooSlow, match="4 bytes took"):
        bounded(lambda _: None, b"slow")


def test_a_broken_promise_is_said() -> None:
    must(True, "never said")
    with pytest.raises(BrokenContract, match="said"):
        must(False, "said")


@pytest.mark.skipif(not is_here(), reason="atheris is not installed")
def test_a_reader_is_fuzzed_guided_by_what_it_covers() -> None:
    run = fuzzed("control-socket", 1)
    assert run.finding is None, run
    assert run.executions > 100
    assert run.edges > 5
