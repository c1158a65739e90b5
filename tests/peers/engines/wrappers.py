"""Parts of a pipeline as modules of plain tensors, for those who convert them."""

from __future__ import annotations

from typing import Any

import torch


class Unet(torch.nn.Module):
    """Its noise alone."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: Any, moment: Any, words: Any) -> Any:
        return self.unet(sample, moment, encoder_hidden_states=words, return_dict=False)[0]


class Decoder(torch.nn.Module):
    """Its pixels alone."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latents: Any) -> Any:
        return self.vae.decode(latents, return_dict=False)[0]
