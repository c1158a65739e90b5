"""Guidance in an interval of noise levels only (Kynkäänniemi et al. 2024). In: a UNet, a plan. Out: a UNet.

Outside the interval only the rows of the prompts are computed. diffusers' loop gets their noise for both halves of its
batch, and its guidance `u + g (c - u)` leaves that as it is, to the bit, because `c - u` is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from aura_daemon.engines.stable_diffusion.levers.levers import PassPlan


class GuidanceIntervalUNet:
    """Stands where the UNet of a pipeline stands, for one pass with guidance."""

    def __init__(self, unet: Any, plan: Callable[[], PassPlan]) -> None:
        """`plan`: known when the first step begins."""
        self._unet = unet
        self._plan = plan
        self._evaluation = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    def __call__(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **arguments: Any
    ) -> tuple[torch.Tensor]:
        """As in diffusers: the rows of the negative prompts come first."""
        is_guided = self._evaluation in self._plan().guided
        self._evaluation += 1
        arguments = {**arguments, "return_dict": False}
        if is_guided:
            return (self._unet(sample, timestep, encoder_hidden_states=encoder_hidden_states, **arguments)[0],)
        half = len(sample) // 2
        noise = self._unet(sample[half:], timestep, encoder_hidden_states=encoder_hidden_states[half:], **arguments)[0]
        return (torch.cat([noise, noise]),)


def noise_levels(scheduler: Any, count: int) -> Sequence[float]:
    """Sigma of each of the last `count` timesteps that a scheduler of diffusers is set to."""
    kept = scheduler.alphas_cumprod.double().cpu()
    known = (((1 - kept) / kept).sqrt().log()).tolist()
    levels = []
    for timestep in scheduler.timesteps[-count:].double().cpu().tolist():
        below = min(max(int(timestep), 0), len(known) - 1)
        above = min(below + 1, len(known) - 1)
        levels.append(math.exp(known[below] + (known[above] - known[below]) * (timestep - below)))
    return levels
