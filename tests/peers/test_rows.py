"""Ratios of pairs, the table, and a run beside an earlier one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.peers.compare import compared
from tests.peers.rows import ORIGIN, Reference, Row, document, markdown, paired

REFERENCE = Reference(encode_s=0.5, step_s=6.0, decode_s=7.0)
PLAIN = Row(name=ORIGIN, how="composed", calls=51, step=1.6, decode=2.0, spread=0.1, pairs=3, dtype="float32")
OURS = Row(name="aura-daemon, speed: fast", how="eager", calls=25, step=0.3, decode=0.5, end_to_end=4.0, is_whole=True)
MACHINE = {"processor": "a CPU", "cores": 2, "flags": ["avx2"], "finished": "2026-01-01"}


def test_a_pair_is_a_ratio_so_that_a_slow_minute_changes_nothing() -> None:
    assert paired([2.0, 4.0, 8.0], [1.0, 2.0, 4.0]) == (2.0, 0.0)
    assert paired([1.0, 3.0], [1.0, 1.0]) == (2.0, 1.0)


def test_a_picture_is_composed_or_whole() -> None:
    assert REFERENCE.picture_s(PLAIN) == pytest.approx(0.5 + 51 * 9.6 + 14)
    assert REFERENCE.picture_s(OURS) == 24.0


def test_the_table_begins_with_the_slowest_and_names_what_is_missing() -> None:
    text = markdown([OURS, PLAIN], REFERENCE, {"ONNX Runtime": "onnxruntime is not installed"}, {"float32": 9.0})
    lines = text.splitlines()
    assert lines[2].startswith(f"| {ORIGIN}") and "| 3, 10 % | 9.00 s |" in lines[2]
    assert "24.0 s, whole | 21.0 |" in lines[3]
    assert "Not measured: ONNX Runtime: onnxruntime is not installed" in text


def run_of(*rows: Row) -> dict[str, Any]:
    """A run as `benchmarks/` holds it."""
    content: dict[str, Any] = json.loads(json.dumps(document(rows, REFERENCE, machine=MACHINE)))
    return content


def test_what_became_slower_is_named_and_nothing_is_asserted() -> None:
    lines = compared(run_of(PLAIN, OURS), run_of(PLAIN, replace(OURS, step=0.6, name=OURS.name)))
    assert any(line.startswith("slower: aura-daemon, speed: fast: step 2.00 times as long") for line in lines)
    assert lines[-1] == "within 5%: 5 figures; slower: 1; faster: 0"


def test_what_is_new_or_gone_is_named() -> None:
    lines = compared(run_of(PLAIN), run_of(OURS))
    assert f"no longer measured: {ORIGIN}" in lines
    assert f"new: {OURS.name}" in lines


def test_a_change_within_the_spread_is_said_to_be_so() -> None:
    lines = compared(run_of(PLAIN), run_of(replace(PLAIN, step=1.72)))
    assert any("(within the spread of 10%)" in line for line in lines)
