"""The files of BLIP captioners. Importing this module imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.weights import WeightFiles, choose_weights
from aura_daemon.mini import CAPTIONER


def captioner_weights(
    names: Iterable[str], _index: Mapping[str, Any], half: bool, allow_pickle: bool
) -> WeightFiles | str:
    """Weights of a transformers folder; a str says what is missing or refused."""
    return choose_weights(names, [("", "model")], half, allow_pickle)


BLIP: Final = ModelFormat(
    noun="a captioner",
    description="a BLIP captioner (BlipForConditionalGeneration in its config.json)",
    architectures=("BlipForConditionalGeneration", "blip"),
    embedded=CAPTIONER,
    weight_files=captioner_weights,
)
