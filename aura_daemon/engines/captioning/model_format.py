"""The files of models that read pictures: captioners, and those that answer or compare. Importing it imports no torch.

A family of captioners is a file beside this one, its names here, and a row in `captioners`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aura_daemon.config.workers.services import ModelRole
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.weights import WeightFiles, choose_weights
from aura_daemon.mini import CAPTIONER


def captioner_weights(
    names: Iterable[str], _index: Mapping[str, Any], half: bool, allow_pickle: bool
) -> WeightFiles | str:
    """Weights of a transformers folder; a str says what is missing or refused."""
    return choose_weights(names, [("", "model")], half, allow_pickle)


BLIP_NAMES: Final = ("BlipForConditionalGeneration", "blip")
GIT_NAMES: Final = ("GitForCausalLM", "git")
FLORENCE2_NAMES: Final = ("Florence2ForConditionalGeneration", "florence2")
BLIP_VQA_NAMES: Final = ("BlipForQuestionAnswering",)
BLIP_ITM_NAMES: Final = ("BlipForImageTextRetrieval",)
"""Architectures, as their config.json names them; a model type where there is no class name."""

CAPTIONS: Final = ModelFormat(
    noun="a captioner",
    description="a captioner (BlipForConditionalGeneration, GitForCausalLM or Florence2ForConditionalGeneration in its"
    " config.json)",
    architectures=(*BLIP_NAMES, *GIT_NAMES, *FLORENCE2_NAMES),
    embedded=CAPTIONER,
    weight_files=captioner_weights,
    role=ModelRole.CAPTIONER,
)

ANSWERS: Final = ModelFormat(
    noun="a model for questions",
    description="a model that answers questions (BlipForQuestionAnswering in its config.json)",
    architectures=BLIP_VQA_NAMES,
    embedded=CAPTIONER,
    weight_files=captioner_weights,
    role=ModelRole.ANSWERS,
)
"""aura-mini has none: its captioner is refused as what it is."""

MATCHES: Final = ModelFormat(
    noun="a model for matching",
    description="a model that compares pictures and texts (BlipForImageTextRetrieval in its config.json)",
    architectures=BLIP_ITM_NAMES,
    embedded=CAPTIONER,
    weight_files=captioner_weights,
    role=ModelRole.MATCHES,
)
