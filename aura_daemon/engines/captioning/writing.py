"""Finds the words of captions: the likeliest, along beams, or drawn by chance. In: what a decoder takes. Out: tokens.

Everything is kept row by row: each drawn caption has random numbers of its own, so that neighbours change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from aura_daemon.jobs.requests import CaptionSampling
from aura_daemon.jobs.resolved import ResolvedCaption


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenTokens:
    """One caption as the decoder wrote it."""

    tokens: tuple[int, ...]
    """After those it had to begin with; the end mark included where it came to an end."""
    log_probability: float
    """Mean over the tokens, by the decoder itself."""
    probability: float
    """Mean over the tokens, 0 to 1."""


def write(
    generate: Callable[..., Any],
    inputs: Mapping[str, Any],
    resolved: Sequence[ResolvedCaption],
    *,
    begun: int,
    end: int,
    most_tokens: int,
) -> list[list[WrittenTokens]]:
    """For each picture as many captions as are wanted; the requests differ in seeds alone.

    `generate`: of a transformers decoder; `inputs`: for it, its tensors with a row for each picture. `begun`: tokens
    that every caption begins with; `end`: the token that ends it.
    """
    how = resolved[0]
    steps: _Steps
    options: dict[str, Any] = {}
    if how.sampling is not None:
        inputs = {name: _repeated(value, how.candidates) for name, value in inputs.items()}
        steps = _DrawnSteps(how.sampling, [number for one in resolved for number in _numbers(one)])
    else:
        steps = _Steps(most=2 * how.beams if how.beams > 1 else 1)
        options = {"num_beams": how.beams, "num_return_sequences": how.candidates}
    written = generate(
        **inputs,
        **options,
        do_sample=False,
        max_new_tokens=most_tokens,
        logits_processor=LogitsProcessorList([steps]),
        return_dict_in_generate=True,
    )
    paths = getattr(written, "beam_indices", None)
    captions = []
    for row, sequence in enumerate(written.sequences.tolist()):
        new = sequence[begun:]
        path = [row] * len(new) if paths is None else [place for place in paths[row].tolist() if place >= 0]
        new = new[: len(path)]
        new = new[: new.index(end) + 1] if end in new else new
        likely = steps.log_probabilities(new, path)
        captions.append(
            WrittenTokens(
                tokens=tuple(new),
                log_probability=float(likely.mean()),
                probability=float(likely.exp().mean()),
            )
        )
    each = how.candidates
    return [captions[first : first + each] for first in range(0, len(captions), each)]


class _Steps(LogitsProcessor):  # type: ignore[misc]
    """Notes how likely the next tokens of each row are, and changes nothing.

    Only the likeliest are kept: a search along n beams takes none but the 2 n likeliest of a row.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._noted: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        likely = torch.log_softmax(scores, dim=-1)
        self.note(*likely.topk(min(self._most, likely.shape[-1]), dim=-1))
        return scores

    def note(self, likely: torch.Tensor, tokens: torch.Tensor) -> None:
        """Keeps the log probabilities of some tokens; both `[rows, n]`."""
        self._noted.append((likely, tokens))

    def log_probabilities(self, tokens: Sequence[int], path: Sequence[int]) -> torch.Tensor:
        """Of the tokens of a caption; `path`: the row in which each was found."""
        found = [
            likely[row][noted[row] == token]
            for token, row, (likely, noted) in zip(tokens, path, self._noted, strict=False)
        ]
        return torch.cat(found).cpu()


class _DrawnSteps(_Steps):
    """Draws the next token of each row by chance: the highest is drawn of what is made of the scores.

    Log probabilities less the logarithms of exponential random numbers have their maximum where multinomial sampling
    would draw (Maddison et al. 2014, "A* Sampling").
    """

    def __init__(self, sampling: CaptionSampling, seeds: Sequence[int]) -> None:
        super().__init__(most=1)
        self._warpers = [TopPLogitsWarper(sampling.top_p)]
        if sampling.temperature != 1:
            self._warpers.insert(0, TemperatureLogitsWarper(float(sampling.temperature)))
        self._dice = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        warped = scores
        for warper in self._warpers:
            warped = warper(input_ids, warped)
        chance = torch.stack([torch.empty(scores.shape[-1]).exponential_(generator=dice) for dice in self._dice])
        drawn = torch.log_softmax(warped, dim=-1) - chance.log().to(scores.device)
        chosen = drawn.argmax(dim=-1, keepdim=True)
        self.note(torch.log_softmax(scores, dim=-1).gather(-1, chosen), chosen)
        return drawn


def _numbers(resolved: ResolvedCaption) -> Iterator[int]:
    """A seed for each candidate of a picture: however many are wanted, the first ones are the same."""
    assert resolved.sampling is not None
    for number in range(resolved.candidates):
        digest = hashlib.sha256(f"{resolved.sampling.seed}/{number}".encode()).digest()
        yield int.from_bytes(digest[:8]) >> 1


def _repeated(value: object, times: int) -> object:
    """Each row of a tensor so many times in a row."""
    return value.repeat_interleave(times, dim=0) if isinstance(value, torch.Tensor) and times > 1 else value
