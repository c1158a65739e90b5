"""A UNet that sees pictures beside texts, for one pass. In: the UNet, pictures. Out: the same UNet, after it as before.

The tokens of the pictures are handed over behind those of the text, row by row, so that whatever splits, orders or
keeps rows of texts does so with the pictures too, and each attention to texts takes them off again. The arithmetic is
that of diffusers' own attention for IP-Adapter. Nothing is added to the modules of the UNet: rungs place only those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0

from aura_daemon.engines.prompts.encoding import EncodedPass, PassPrompt
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapters import SeenPicture, attentions
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_prompt import RegionalPass


class PicturedPass:
    """The texts of a pass, with the tokens of pictures behind each."""

    def __init__(self, told: PassPrompt, pictures: Sequence[SeenPicture]) -> None:
        self._told = told
        self._tokens = [one.tokens for one in pictures]
        self._negative = [one.negative for one in pictures]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._told, name)

    def part(self, number: int, step: int) -> torch.Tensor:
        """See `EncodedPass`."""
        return _behind(self._told.part(number, step), self._tokens)

    def negative(self, step: int) -> torch.Tensor:
        """See `EncodedPass`; no picture is behind it."""
        return _behind(self._told.negative(step), self._negative)


class PictureAttention:
    """Stands for the processor of an attention to texts."""

    def __init__(self, attention: Any, place: str, pictures: Sequence[SeenPicture]) -> None:
        self._lengths = [one.tokens.shape[1] for one in pictures]
        layers = [one.adapter.layers[place] for one in pictures]
        with torch.device("meta"):
            self._processor = IPAdapterAttnProcessor2_0(
                hidden_size=attention.inner_kv_dim,
                cross_attention_dim=attention.cross_attention_dim,
                num_tokens=self._lengths,
                scale=[one.weight for one in pictures],
            )
        for number, (keys, values) in enumerate(layers):
            self._processor.to_k_ip[number].weight = torch.nn.Parameter(keys, requires_grad=False)
            self._processor.to_v_ip[number].weight = torch.nn.Parameter(values, requires_grad=False)

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As in diffusers; `encoder_hidden_states` `[rows, 77 * windows + tokens, D]`."""
        lengths = [encoder_hidden_states.shape[1] - sum(self._lengths), *self._lengths]
        texts, *tokens = torch.split_with_sizes(encoder_hidden_states, lengths, dim=1)
        both = texts.contiguous(), [one[:, None] for one in tokens]
        given: torch.Tensor = self._processor(attn, hidden_states, both, attention_mask, temb)
        return given


@contextmanager
def seeing(unet: Any, pictures: Sequence[SeenPicture]) -> Iterator[None]:
    """Has a UNet of diffusers attend to pictures meanwhile, where there are any."""
    before = {}
    try:
        for place in attentions(unet) if pictures else ():
            attention = unet.get_submodule(place)
            before[attention] = attention.processor
            attention.set_processor(PictureAttention(attention, place, pictures))
        yield
    finally:
        for attention, processor in before.items():
            attention.set_processor(processor)


def with_pictures(encoded: Sequence[PassPrompt], pictures: Sequence[SeenPicture]) -> Sequence[PassPrompt]:
    """What a pass is told, with the pictures."""
    if not pictures:
        return encoded

    def pictured(told: PassPrompt) -> EncodedPass:
        return cast("EncodedPass", PicturedPass(told, pictures))

    return [one.told(pictured) if isinstance(one, RegionalPass) else pictured(one) for one in encoded]


def token_count(pictures: Sequence[SeenPicture]) -> int:
    """How many stand behind each text."""
    return sum(one.tokens.shape[1] for one in pictures)


def _behind(texts: torch.Tensor, tokens: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([texts, *(one.to(texts) for one in tokens)], dim=1)
