"""Prompts that hold in parts of a picture. In: encoded prompts, places. Out: what each pass of the picture is told.

The noise of every region's prompt is predicted for the whole picture, and each latent takes that of its region
(Liu et al. 2022, with weights that differ from place to place). All that the UNet is asked is a text and latents, so
every engine and every rung does it, and it takes no more memory than a plain prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Protocol, TypeVar

import torch

from aura_daemon.engines.prompts.encoding import EncodedPass, EncodedPrompt, PassPrompt
from aura_daemon.engines.stable_diffusion.guidance.regions.places import Places, View, view_around
from aura_daemon.jobs.results import Failure, Ingredient

Found = TypeVar("Found", bound=Hashable)


class Encode(Protocol):
    """Encodes a prompt, with the negative prompt that all have in common."""

    def __call__(self, prompt: str, *, least_windows: int) -> EncodedPrompt | Failure:
        """`least_windows`: so many windows at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A prompt, and how much of each latent follows it, float32 `[1, 1, H / 8, W / 8]` in [0, 1]."""

    told: EncodedPass
    share: torch.Tensor
    view: View
    """Where its prompt is all that the UNet sees."""


class RegionalPass:
    """A pass with several layers, whose parts follow one another."""

    is_plain = False

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        ends = accumulate((layer.told.count for layer in layers), initial=0)
        self._places = [slice(*bounds) for bounds in pairwise(ends)]

    def told(self, change: Callable[[EncodedPass], EncodedPass]) -> RegionalPass:
        """The same layers, each told something else."""
        return RegionalPass([replace(layer, told=change(layer.told)) for layer in self._layers])

    @property
    def views(self) -> dict[View, RegionalPass]:
        """The layers of each view, with their shares there."""
        by_view: dict[View, list[Layer]] = {}
        for layer in self._layers:
            by_view.setdefault(layer.view, []).append(replace(layer, share=layer.view.of(layer.share)))
        return {view: RegionalPass(layers) for view, layers in by_view.items()}

    @property
    def share(self) -> torch.Tensor:
        """What all layers have together."""
        return torch.stack([layer.share for layer in self._layers]).sum(0)

    @property
    def count(self) -> int:
        """The parts of all layers."""
        return self._places[-1].stop

    @property
    def is_opposed(self) -> bool:
        """Whether the prompt of any layer is."""
        return any(layer.told.is_opposed for layer in self._layers)

    def part(self, number: int, step: int) -> torch.Tensor:
        """The embeddings of a part at a step, from 1."""
        place, layer = next(
            (place, layer) for place, layer in zip(self._places, self._layers, strict=True) if number < place.stop
        )
        return layer.told.part(number - place.start, step)

    def negative(self, step: int) -> torch.Tensor:
        """Those of the negative prompt, which is the same everywhere."""
        opposed = next(layer.told for layer in self._layers if layer.told.texts.negative is not None)
        return opposed.negative(step)

    def composed(self, parts: Sequence[torch.Tensor], negative: torch.Tensor | None) -> torch.Tensor:
        """What each layer composes, where it has a share."""
        blended = torch.zeros_like(parts[0], dtype=torch.float32)
        for place, layer in zip(self._places, self._layers, strict=True):
            noise = layer.told.composed(parts[place], negative)
            blended += layer.share.to(noise.device) * noise.float()
        return blended.to(parts[0].dtype)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionalPrompt:
    """The prompts of a picture with regions; it stands where an `EncodedPrompt` does."""

    passes: tuple[PassPrompt, ...]
    said: tuple[str, ...]
    """The different texts of all prompts that are drawn."""
    windows: int
    inversions: tuple[Ingredient, ...]
    warnings: tuple[str, ...]

    def of_pass(self, number: int) -> PassPrompt:
        """What a pass is told, from 0."""
        return self.passes[number]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """A prompt with its share in each pass."""

    text: str
    shares: Sequence[torch.Tensor]
    is_main: bool = False

    @property
    def is_drawn(self) -> bool:
        return any(bool(share.any()) for share in self.shares)


def regional_prompt(
    prompt: str, places: Places, sizes_px: Sequence[tuple[int, int]], encode: Encode
) -> RegionalPrompt | Failure:
    """What is drawn where, in passes of these sizes (width and height).

    A prompt that has no share anywhere is not encoded.
    """
    shares = [places.shares(*size) for size in sizes_px]
    everywhere = _Asked(text=prompt, shares=[one.main for one in shares], is_main=True)
    of_regions = (
        _Asked(text=region.prompt, shares=[one.regions[at] for one in shares])
        for at, region in enumerate(places.regions)
    )
    drawn = [one for one in (everywhere, *of_regions) if one.is_drawn]
    encoded = _encoded([one.text for one in drawn], encode)
    if isinstance(encoded, Failure):
        return encoded
    passes = []
    for number, size_px in enumerate(sizes_px):
        asked = [(one, told) for one, told in zip(drawn, encoded, strict=True) if bool(one.shares[number].any())]
        layers = [
            Layer(
                told=told.of_pass(number),
                share=one.shares[number],
                view=view_around(one.shares[number], max(size_px) if one.is_main else places.least_view(*size_px)),
            )
            for one, told in asked
        ]
        # A prompt that holds everywhere is told as a prompt without regions is.
        passes.append(layers[0].told if len(layers) == 1 else RegionalPass(layers))
    return RegionalPrompt(
        passes=tuple(passes),
        said=_different(text for one in encoded for text in one.said),
        windows=max(one.windows for one in encoded),
        inversions=_different(file for one in encoded for file in one.inversions),
        warnings=_different(line for one in encoded for line in one.warnings),
    )


def _encoded(texts: Sequence[str], encode: Encode) -> list[EncodedPrompt] | Failure:
    """The prompts, all with as many windows as the longest."""
    windows = 1
    while True:
        encoded = []
        for text in texts:
            if isinstance(one := encode(text, least_windows=windows), Failure):
                return one
            encoded.append(one)
        if all(one.windows == windows for one in encoded):
            return encoded
        windows = max(one.windows for one in encoded)


def _different(found: Iterable[Found]) -> tuple[Found, ...]:
    return tuple(dict.fromkeys(found))
