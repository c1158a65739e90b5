"""Our captions and those of plain transformers, in turn on the same pictures."""

from __future__ import annotations

import pytest

from aura_daemon.bench.captions import measure
from aura_daemon.config.engine import CaptionSettings, EngineSettings
from aura_daemon.errors import AuraError


def test_both_sides_describe_the_same_pictures_in_turn() -> None:
    found = measure(EngineSettings(), pairs=1, together=2, count=3)
    (pair,) = found.pairs
    assert pair.times == found.times == pair.plain_s / pair.ours_s > 0
    assert 0 < pair.model_share < 1
    assert found.sample.batch_size == 2
    assert "BlipForConditionalGeneration.generate, float32" in found.plain_how
    assert min(found.plain_peak_bytes, found.sample.peak_bytes, found.encoded_s, found.decoded_s) > 0


def test_a_model_that_is_not_there_is_told() -> None:
    with pytest.raises(AuraError, match="plain transformers could not be measured"):
        measure(EngineSettings(caption=CaptionSettings(model="/nowhere")), pairs=1, together=1, count=1)
