"""A UNet that is told what diffusers knows no way to tell: texts that change from step to step, and joined texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import torch

from aura_daemon.engines.prompts.encoding import PassPrompt

NEGATIVE: Final = -1
"""Stands for the negative prompt, where a part of the prompt has its number."""

Row: TypeAlias = tuple[int, int]
"""A picture of a batch, and a part of its prompt or `NEGATIVE`."""


class PromptedUNet:
    """A UNet that is told other texts at each evaluation, and that composes the parts of a prompt.

    diffusers' guidance then multiplies what they are together. No more rows are computed at once than diffusers hands
    over, so that a prompt of many parts takes no more memory than a plain one.
    """

    def __init__(
        self, unet: Any, pictures: Sequence[PassPrompt], tell: Callable[[Sequence[bool]], None] | None = None
    ) -> None:
        """`tell`: is told before each call of the UNet which of its rows are of prompts, and which of negative ones."""
        self._unet = unet
        self._tell = tell
        self._pictures = pictures
        self._step = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    def __call__(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **arguments: Any
    ) -> tuple[torch.Tensor]:
        """As in diffusers; of `encoder_hidden_states` only the number format and the device count.

        `sample`: `[rows, 4, H / 8, W / 8]`, one row a picture, with guidance once more for the negative prompts.
        """
        self._step += 1
        guided = len(sample) > len(self._pictures)
        wanted = rows_of(self._pictures, guided=guided)
        arguments = {**arguments, "return_dict": False}
        told = arguments.pop("timestep_cond", None)  # the guidance, the same for all rows
        noise: dict[Row, torch.Tensor] = {}
        for start in range(0, len(wanted), len(sample)):
            asked = wanted[start : start + len(sample)]
            rows = sample if not start else sample[[picture for picture, _ in asked]]
            embeddings = torch.cat([self._embeddings(*one) for one in asked]).to(encoder_hidden_states)
            condition = told[: len(asked)] if told is not None else None
            if self._tell is not None:
                self._tell([part != NEGATIVE for _, part in asked])
            given = self._unet(rows, timestep, encoder_hidden_states=embeddings, timestep_cond=condition, **arguments)[
                0
            ]
            noise |= zip(asked, given.split(1), strict=True)
        composed = [self._composed(number, noise) for number in range(len(self._pictures))]
        negative = [noise[number, NEGATIVE] for number in range(len(self._pictures))] if guided else []
        return (torch.cat([*negative, *composed]),)

    def _embeddings(self, number: int, part: int) -> torch.Tensor:
        picture = self._pictures[number]
        return picture.negative(self._step) if part == NEGATIVE else picture.part(part, self._step)

    def _composed(self, number: int, noise: dict[Row, torch.Tensor]) -> torch.Tensor:
        """The noise of all parts of a picture together."""
        picture = self._pictures[number]
        parts = [noise[number, part] for part in range(picture.count)]
        return picture.composed(parts, noise.get((number, NEGATIVE)))


def rows_of(pictures: Sequence[PassPrompt], *, guided: bool) -> list[Row]:
    """What the UNet predicts noise for at each evaluation: first in the order of diffusers' rows, then what is beyond.

    Parts pull away from the negative prompt without guidance too.
    """
    numbers = range(len(pictures))
    first = [*([(number, NEGATIVE) for number in numbers] if guided else []), *((number, 0) for number in numbers)]
    beyond = []
    for number, picture in enumerate(pictures):
        if not guided and picture.is_opposed:
            beyond.append((number, NEGATIVE))
        beyond += [(number, part) for part in range(1, picture.count)]
    return [*first, *beyond]
