"""Wrappers that stand for a part of a model in diffusers' pipelines; every other attribute is the part's own."""

from __future__ import annotations

from typing import Any, Final

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput

from aura_daemon.engines.placement.offload import OffloadedModule

BY_ROW: Final = ("timestep_cond", "down_block_additional_residuals", "mid_block_additional_residual")
"""What a UNet is told for each row: the guidance, where it is told of it, and the residuals of ControlNets."""


class SplitGuidanceUNet:
    """A UNet that computes one row at a time, where diffusers hands it prompt and negative prompt together.

    It is a `CachingUNet` where the UNet is one.
    """

    def __init__(self, unet: Any) -> None:
        self._unet = unet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    def __call__(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **arguments: Any
    ) -> tuple[torch.Tensor]:
        """`sample` `[rows, 4, H / 8, W / 8]`, `encoder_hidden_states` `[rows, 77 * windows, D]`, as in diffusers."""
        arguments = {**arguments, "return_dict": False}
        by_row = {name: arguments.pop(name) for name in BY_ROW if arguments.get(name) is not None}
        rows = [
            self._unet(
                sample[row : row + 1],
                timestep,
                encoder_hidden_states=encoder_hidden_states[row : row + 1],
                **arguments,
                **{name: _of_row(value, row) for name, value in by_row.items()},
            )[0]
            for row in range(len(sample))
        ]
        return (torch.cat(rows),)

    def full(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `CachingUNet`."""
        rows = zip(torch.split(sample, 1), torch.split(encoder_hidden_states, 1), strict=True)
        given = [self._unet.full(row, timestep, texts) for row, texts in rows]
        return torch.cat([noise for noise, _ in given]), torch.cat([feature for _, feature in given])

    def shallow(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, feature: torch.Tensor
    ) -> torch.Tensor:
        """See `CachingUNet`."""
        rows = zip(*(torch.split(one, 1) for one in (sample, encoder_hidden_states, feature)), strict=True)
        return torch.cat([self._unet.shallow(row, timestep, texts, kept) for row, texts, kept in rows])


def _of_row(value: Any, row: int) -> Any:
    """A tensor's one row; of several tensors, that of each."""
    return value[row : row + 1] if torch.is_tensor(value) else [tensor[row : row + 1] for tensor in value]


class OffloadProxy:
    """Stands for a part that is copied to the device at its first call and stays there until `offload`."""

    def __init__(self, part: Any, offloaded: OffloadedModule) -> None:
        """`part`: the offloaded module, or a wrapper of it."""
        self._part = part
        self._offloaded = offloaded
        self._is_onloaded = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """A forward pass."""
        self._onload()
        return self._part(*arguments, **named)

    def full(self, *arguments: Any) -> Any:
        """Of a `CachingUNet`."""
        self._onload()
        return self._part.full(*arguments)

    def shallow(self, *arguments: Any) -> Any:
        """Of a `CachingUNet`."""
        self._onload()
        return self._part.shallow(*arguments)

    def encode(self, *arguments: Any, **named: Any) -> Any:
        """Of a VAE, which does not stay on the device: the UNet computes next."""
        with self._offloaded.onloaded():
            return self._part.encode(*arguments, **named)

    def offload(self) -> None:
        """Drops the copy, to make room for the next part."""
        if self._is_onloaded:
            self._is_onloaded = False
            self._offloaded.offload()

    def _onload(self) -> None:
        if not self._is_onloaded:
            self._is_onloaded = True
            self._offloaded.onload()


class UpcastVae:
    """A VAE that computes in a wider number format than the UNet; its latents come out in the UNet's format."""

    def __init__(self, vae: Any, narrow: torch.dtype) -> None:
        self._vae = vae
        self._narrow = narrow

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vae, name)

    def encode(self, pictures: torch.Tensor, **arguments: Any) -> AutoencoderKLOutput:
        """`pictures` `[B, 3, H, W]`, as in diffusers."""
        given = self._vae.encode(pictures.to(self._vae.dtype), **arguments).latent_dist.parameters
        return AutoencoderKLOutput(latent_dist=DiagonalGaussianDistribution(given.to(self._narrow)))
