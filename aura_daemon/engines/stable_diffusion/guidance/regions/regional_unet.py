"""A UNet that draws the regions of a picture. In: calls as diffusers makes them. Out: the noise of all together.

Each region's prompt sees a view of the latents: the region, and around it what makes up the size that the model was
trained at, where the picture has so much (Bar-Tal et al. 2023, MultiDiffusion).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from aura_daemon.engines.prompts.encoding import PassPrompt
from aura_daemon.engines.stable_diffusion.guidance.controls.controlled_unet import GuidedSteps
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_prompt import RegionalPass
from aura_daemon.engines.stable_diffusion.prompted_unet import PromptedUNet, rows_of


class RegionalUNet:
    """Stands where a UNet stands, for one pass of one picture."""

    def __init__(self, unet: Any, told: RegionalPass, steps: GuidedSteps | None = None) -> None:
        """`steps`: of a pass that maps guide, which are told of each view."""
        self._unet = unet
        self._steps = steps
        tell = steps.tell if steps is not None else None
        self._views = [(view, part.share, PromptedUNet(unet, [part], tell)) for view, part in told.views.items()]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    def __call__(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **arguments: Any
    ) -> tuple[torch.Tensor]:
        """As in diffusers: one row, with guidance before it one more for the negative prompt.

        A view's prompt has its share already; the negative prompt has the same.
        """
        together: torch.Tensor | None = None
        for view, share, prompted in self._views:
            if self._steps is not None:
                self._steps.view = view.of_pixels
            (noise,) = prompted(view.of(sample), timestep, encoder_hidden_states=encoder_hidden_states, **arguments)
            if together is None:
                size = (*noise.shape[:2], *sample.shape[-2:])
                together = torch.zeros(size, dtype=torch.float32, device=noise.device)
            weights = torch.ones(len(noise), *share.shape[1:], device=noise.device)
            weights[:-1] = share.to(noise.device)
            view.of(together).add_(weights * noise.float())
        assert together is not None
        return (together.to(sample.dtype),)


def computed_rows(pictures: Sequence[PassPrompt], *, guided: bool) -> float:
    """Rows that the UNet computes at each evaluation, counted in whole pictures: a view is a part of one.

    Each view has rows of its own, also for the negative prompt.
    """
    regional = [told for told in pictures if isinstance(told, RegionalPass)]
    if not regional:
        return len(rows_of(pictures, guided=guided))
    return sum(
        len(rows_of([part], guided=guided)) * part.share.numel() / told.share.numel()
        for told in regional
        for part in told.views.values()
    )
