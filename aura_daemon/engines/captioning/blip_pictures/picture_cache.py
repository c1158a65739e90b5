"""Keys and values of pictures, as BLIP's decoder attends to them. Out: a cache for `generate`, computed once."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache


def picture_cache(model: Any, embedded: torch.Tensor, rows: int) -> EncoderDecoderCache:
    """`model`: a loaded BLIP; `embedded`: `[B, patches + 1, D]`, `rows`: captions of each picture."""
    text_config = model.config.text_config
    layers = model.text_decoder.bert.encoder.layer
    count, patches = embedded.shape[:2]
    heads, width = text_config.num_attention_heads, text_config.hidden_size // text_config.num_attention_heads
    kept = embedded.new_empty(2 * len(layers), count, rows, heads, patches, width)
    for number, layer in enumerate(layers):
        attention = layer.crossattention.self
        for place, states in zip(kept[2 * number : 2 * number + 2], (attention.key, attention.value), strict=True):
            place.copy_(states(embedded).view(count, 1, patches, heads, width).transpose(2, 3))
    return cache_of(text_config, kept)


def cache_of(text_config: Any, kept: torch.Tensor) -> EncoderDecoderCache:
    """`kept`: keys and values in turn, `[2 * layers, B, rows, heads, patches + 1, width]`, in one piece.

    It is given back whole: of many pieces, an allocator keeps the gaps between them.
    """
    cache = _PictureCache(DynamicCache(config=text_config), DynamicCache(config=text_config))
    for number in range(len(kept) // 2):
        keys, values = kept[2 * number : 2 * number + 2].flatten(1, 2)
        told = cache.cross_attention_cache.layers[number]
        told.lazy_initialization(keys, values)
        told.keys, told.values = keys, values
        cache.is_updated[number] = True
    return cache


class _PictureCache(EncoderDecoderCache):  # type: ignore[misc]
    """Leaves keys and values of a picture where they are: they are the same for all its beams, and large to copy."""

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        self.self_attention_cache.reorder_cache(beam_idx)
