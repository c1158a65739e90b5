"""A small set, as `make dataset-check` has large ones: the real daemon and aura-mini, killed on the way."""

from __future__ import annotations

from pathlib import Path

from tests.checks.dataset_check import drawn, run


def test_a_set_of_drawings_is_captioned_once_through_a_kill_and_can_be_loaded(tmp_path: Path) -> None:
    sentences = drawn(tmp_path / "drawings", 12, seed=2)
    result = run(tmp_path, sentences, kills=1, seed=3)
    assert result.complaints == ()
    assert (result.starts, result.right) == (2, len(sentences))
