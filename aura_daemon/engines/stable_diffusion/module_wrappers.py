"""Wrappers that stand for a part of a model in diffusers' pipelines; every other attribute is the part's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput

from aura_daemon.engines.placement.offload import OffloadedModule
from aura_daemon.engines.prompts.encoding import EncodedPass

NEGATIVE: Final = -1
"""Stands for the negative prompt, where a part of the prompt has its number."""


class SplitGuidanceUNet:
    """A UNet that computes one row at a time, where diffusers hands it prompt and negative prompt together."""

    def __init__(self, unet: Any) -> None:
        self._unet = unet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    def __call__(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **arguments: Any
    ) -> tuple[torch.Tensor]:
        """`sample` `[rows, 4, H / 8, W / 8]`, `encoder_hidden_states` `[rows, 77 * windows, D]`, as in diffusers."""
        arguments = {**arguments, "return_dict": False}
        rows = [
            self._unet(
                sample[row : row + 1],
                timestep,
                encoder_hidden_states=encoder_hidden_states[row : row + 1],
                **arguments,
            )[0]
            for row in range(len(sample))
        ]
        return (torch.cat(rows),)


class PromptedUNet:
    """A UNet that is told other texts at each evaluation, and that composes the parts of a prompt.

    Liu et al. 2022, eq. 11: u + sum of w_i * (c_i - u), where u is the noise of the negative prompt and c_i that of
    part i with weight w_i. diffusers' guidance then multiplies the sum. No more rows are computed at once than
    diffusers hands over, so that a prompt of many parts takes no more memory than a plain one.
    """

    def __init__(self, unet: Any, pictures: Sequence[EncodedPass]) -> None:
        self._unet = unet
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
        wanted = self._wanted(guided)
        arguments = {**arguments, "return_dict": False}
        noise: dict[tuple[int, int], torch.Tensor] = {}
        for start in range(0, len(wanted), len(sample)):
            asked = wanted[start : start + len(sample)]
            rows = sample if not start else sample[[picture for picture, _ in asked]]
            embeddings = torch.cat([self._embeddings(*one) for one in asked]).to(encoder_hidden_states)
            given = self._unet(rows, timestep, encoder_hidden_states=embeddings, **arguments)[0]
            noise |= zip(asked, given.split(1), strict=True)
        composed = [self._composed(number, noise) for number in range(len(self._pictures))]
        negative = [noise[number, NEGATIVE] for number in range(len(self._pictures))] if guided else []
        return (torch.cat([*negative, *composed]),)

    def _wanted(self, guided: bool) -> list[tuple[int, int]]:
        """Pictures and their parts, in the order of diffusers' rows; then the parts beyond these."""
        numbers = range(len(self._pictures))
        first = [*([(number, NEGATIVE) for number in numbers] if guided else []), *((number, 0) for number in numbers)]
        beyond = []
        for number, picture in enumerate(self._pictures):
            if not guided and picture.texts.composes:
                beyond.append((number, NEGATIVE))
            beyond += [(number, part) for part in range(1, len(picture.texts.parts))]
        return [*first, *beyond]

    def _embeddings(self, number: int, part: int) -> torch.Tensor:
        picture = self._pictures[number]
        return picture.negative(self._step) if part == NEGATIVE else picture.part(part, self._step)

    def _composed(self, number: int, noise: dict[tuple[int, int], torch.Tensor]) -> torch.Tensor:
        """The noise of all parts of a picture together."""
        texts = self._pictures[number].texts
        if not texts.composes:
            return noise[number, 0]
        negative = noise[number, NEGATIVE].float()
        pulls = [part.weight * (noise[number, place].float() - negative) for place, part in enumerate(texts.parts)]
        return (negative + sum(pulls)).to(noise[number, 0].dtype)


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
