"""Ranks the captions that were written of a picture. In: captions, a picture as the model sees it. Out: the best first.

Another way to rank, as a model that says how well text and picture match, is a class that implements `Ranker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenCaption:
    """A caption in words."""

    text: str
    """Cut, where it had too many words."""
    whole: str
    """As it was written."""
    log_probability: float
    """Mean of its tokens, by the captioner itself."""
    probability: float
    """Mean of its tokens, 0 to 1."""


class Ranker(Protocol):
    """Says how well captions tell of a picture."""

    @property
    def by(self) -> str:
        """What the captions are ranked by, in words, for the sidecar."""

    def score(self, pixels: torch.Tensor, captions: Sequence[WrittenCaption]) -> Sequence[float]:
        """A score for each caption, higher is better. `pixels`: `[3, H, W]`, normalized, as the captioner sees them."""


class OwnLikelihood:
    """The captioner's own opinion: how likely it found its words. It favours common words over telling ones."""

    by = "mean log probability of the tokens, by the captioner itself"

    def score(self, pixels: torch.Tensor, captions: Sequence[WrittenCaption]) -> Sequence[float]:
        """The mean log probability, which is 0 at most."""
        return [caption.log_probability for caption in captions]


def ranked(
    pixels: torch.Tensor, captions: Sequence[WrittenCaption], ranker: Ranker
) -> list[tuple[WrittenCaption, float]]:
    """Captions of different words with their scores, the best first. Of equal ones the likeliest stands for all."""
    distinct: dict[str, WrittenCaption] = {}
    for caption in sorted(captions, key=lambda one: -one.log_probability):
        distinct.setdefault(caption.text, caption)
    told = list(distinct.values())
    return sorted(zip(told, ranker.score(pixels, told), strict=True), key=lambda one: -one[1])
