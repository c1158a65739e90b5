"""What stands for a part of a model in diffusers' pipelines. In: a part. Out: the same with one habit more.

Everything that is not said here is the part's own.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput

from aura_daemon.engines.placement.offload import OffloadedModule


class SplitGuidanceUNet:
    """A UNet that computes one row at a time, where diffusers hands it prompt and negative prompt together."""

    def __init__(self, unet: Any) -> None:
        self._unet = unet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    def __call__(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **told: Any
    ) -> tuple[torch.Tensor]:
        """`sample` `[rows, 4, H / 8, W / 8]`, `encoder_hidden_states` `[rows, 77 * windows, D]`, as in diffusers."""
        told = {**told, "return_dict": False}
        rows = [
            self._unet(
                sample[row : row + 1],
                timestep,
                encoder_hidden_states=encoder_hidden_states[row : row + 1],
                **told,
            )[0]
            for row in range(len(sample))
        ]
        return (torch.cat(rows),)


class OffloadProxy:
    """A part as a pipeline sees it that comes to the device when it is called, and stays until it is sent away."""

    def __init__(self, part: Any, parked: OffloadedModule) -> None:
        """`part`: the parked module, or what stands for it."""
        self._part = part
        self._parked = parked
        self._is_there = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def __call__(self, *told: Any, **named: Any) -> Any:
        """A forward pass."""
        self._come()
        return self._part(*told, **named)

    def encode(self, *told: Any, **named: Any) -> Any:
        """Of a VAE; it does not stay, as the UNet comes next."""
        with self._parked.visiting():
            return self._part.encode(*told, **named)

    def go(self) -> None:
        """Makes room for the next part."""
        if self._is_there:
            self._is_there = False
            self._parked.leave()

    def _come(self) -> None:
        if not self._is_there:
            self._is_there = True
            self._parked.arrive()


class UpcastVae:
    """A VAE that computes in a wider number format than the UNet: pictures go in as they are, latents come out in the
    UNet's."""

    def __init__(self, vae: Any, narrow: torch.dtype) -> None:
        self._vae = vae
        self._narrow = narrow

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vae, name)

    def encode(self, pictures: torch.Tensor, **told: Any) -> AutoencoderKLOutput:
        """`pictures` `[B, 3, H, W]`, as in diffusers."""
        given = self._vae.encode(pictures.to(self._vae.dtype), **told).latent_dist.parameters
        return AutoencoderKLOutput(latent_dist=DiagonalGaussianDistribution(given.to(self._narrow)))
