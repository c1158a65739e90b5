"""Whether the numbers of a configuration can be those of a model. In: a configuration, bytes. Out: what is wrong.

Libraries make what a configuration describes before they look at the files, and fill with random numbers what these do
not hold: a configuration alone could take all memory, or a day. So what is described, reckoned roughly, must stand in
proportion to the files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

MOST_LAYERS: Final = 512
"""Of all parts that a configuration describes; the deepest known model of these kinds has 48."""

ROOM: Final = 80_000_000
"""Numbers that a small model may lack: 320 MB."""

PER_BYTE: Final = 2
"""Numbers described for each byte of the weights; of known models 0.2 to 1."""

MOST_SIZE: Final = 100_000
"""Of steps or pixels in the configuration of a scheduler or processor; known are 1,000 and 768."""

_MORE_THAN_ANY: Final = 10**12
"""What a larger number counts as."""

_WIDTH: Final = re.compile(r"hidden_size|d_model|dim_embed|(?!\w*(ffn|mlp|projection)_dim)\w*_dim|\w*channels|\w*width")
_INNER: Final = re.compile(r"intermediate_size|\w*(ffn|mlp)_dim")
_PROJECTION: Final = re.compile(r"\w*projection_dim")
"""One matrix behind all layers, as wide as the widest of them."""
_LAYERS: Final = re.compile(r"\w*layers|\w*depths?|num_\w*blocks")
_PER_BLOCK: Final = re.compile(r"\w*layers_per_block")
_SIZES: Final = frozenset(
    {"hidden_size", "d_model", "block_out_channels", "image_size", "patch_size", "num_attention_heads"}
)
"""Keys without which nothing can be reckoned, where they are there."""
_PARTS: Final = ("text_config", "vision_config")
_BLOCKS: Final = "block_out_channels"
_USUAL_BLOCKS: Final = 4
_USUAL_LAYERS: Final = 12
"""What libraries take for what a configuration leaves out."""


def numbers_problem(config: Mapping[str, Any], weights_bytes: int) -> str:
    """What is wrong with the numbers of a `config.json`; empty for nothing."""
    for level in _levels(config):
        for key, value in level.items():
            if key in _SIZES and not _is_size(value):
                return f"says {key}: {str(value)[:40]!r}, which is no size"
    if any(not isinstance(config.get(part) or {}, dict) for part in _PARTS):
        return f"has no keys under {' or '.join(_PARTS)}"
    layers = sum(map(_layers, _levels(config)))
    if layers > MOST_LAYERS:
        return f"describes {layers:,} layers, and no such model has more than {MOST_LAYERS}"
    widest = max(map(_width, _levels(config)))
    described = sum(_described(level, widest) for level in _levels(config))
    if described > PER_BYTE * weights_bytes + ROOM:
        return f"describes a model of {described:,} numbers; its weights have {weights_bytes:,} bytes"
    return ""


def sizes_problem(config: Mapping[str, Any]) -> str:
    """The first size in another configuration that is none; empty for nothing."""
    for level in _levels(config):
        for key, value in level.items():
            if max(_numbers(value), default=0) > MOST_SIZE:
                return f"says {str(key)[:40]}: {max(_numbers(value)):,}; the most that is known is {MOST_SIZE:,}"
    return ""


def _levels(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The configuration and those of its parts."""
    open_levels: list[Mapping[str, Any]] = [config]
    while open_levels:
        level = open_levels.pop()
        yield level
        open_levels += [value for value in level.values() if isinstance(value, dict)]


def _numbers(value: object) -> list[int]:
    """The whole numbers of a value: of itself, or of a list; signs do not count."""
    values: list[Any] = value if isinstance(value, list) else [value]
    return [min(abs(int(one)), _MORE_THAN_ANY) for one in values if type(one) is int or _is_finite(one)]


def _is_size(value: object) -> bool:
    """Whether a value is a size, several, or left open."""
    values = value if isinstance(value, list) else [value]
    return value is None or (bool(values) and all(type(one) is int and one > 0 for one in values))


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _matching(level: Mapping[str, Any], pattern: re.Pattern[str]) -> list[int]:
    return [number for key, value in level.items() if pattern.fullmatch(key) for number in _numbers(value)]


def _layers(level: Mapping[str, Any]) -> int:
    """How many layers one level describes."""
    per_block = [max(_numbers(value), default=1) for key, value in level.items() if _PER_BLOCK.fullmatch(key)]
    blocks = len(level[_BLOCKS]) if isinstance(level.get(_BLOCKS), list) else _USUAL_BLOCKS * bool(per_block)
    others = (sum(_numbers(value)) for key, value in level.items() if _is_layers(key))
    return blocks * math.prod(max(1, number) for number in per_block) + sum(others)


def _is_layers(key: str) -> bool:
    return bool(_LAYERS.fullmatch(key)) and not _PER_BLOCK.fullmatch(key)


def _width(level: Mapping[str, Any]) -> int:
    return max(_matching(level, _WIDTH), default=1)


def _described(level: Mapping[str, Any], widest: int) -> int:
    """How many numbers one level describes: its layers, its projection, and a row of its width for all that is counted.

    Args:
        level: the keys of one level.
        widest: the largest width of all levels, which a projection may have.
    """
    width = _width(level)
    inner = max(_matching(level, _INNER), default=0)
    counted = sum(
        sum(_numbers(value))
        for key, value in level.items()
        if not any(pattern.fullmatch(key) for pattern in (_WIDTH, _INNER, _PROJECTION, _LAYERS))
    )
    image, patch = (max(_numbers(level.get(key)), default=0) for key in ("image_size", "patch_size"))
    patches = (image // max(patch, 1)) ** 2
    layers = _layers(level) or _USUAL_LAYERS
    projected = sum(_matching(level, _PROJECTION)) * widest
    return layers * width * (4 * width + 2 * inner) + (counted + patches) * width + projected
