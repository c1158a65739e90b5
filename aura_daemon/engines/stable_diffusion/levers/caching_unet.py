"""What a UNet offers whose features can be kept from one step to the next (Ma et al. 2023, DeepCache)."""

from __future__ import annotations

from typing import Any, Protocol

import torch


class CachingUNet(Protocol):
    """A UNet in two parts: the last layers, and all before them, whose output changes little from step to step."""

    def full(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The noise `[rows, 4, H / 8, W / 8]`, and the feature that entered the last layers.

        `sample`: as the noise; `encoder_hidden_states`: `[rows, 77 * windows, D]`.
        """

    def shallow(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, feature: torch.Tensor
    ) -> torch.Tensor:
        """The noise from the last layers alone; with a feature of the same step it equals that of `full`."""
