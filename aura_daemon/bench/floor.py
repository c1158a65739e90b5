"""How fast a step could be at best: its work counted, over what the machine was measured to do. In: figures. Out: same.

A roof of two slopes (Williams et al. 2009): no step is faster than its multiplications at the machine's best rate, nor
than its bytes at the machine's bandwidth. What is published of a card stands in for a measurement in a prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What one call has to do."""

    flops: int
    """A multiplication and an addition are two."""
    weights: int
    """Numbers that are read once."""
    activations: int
    """Numbers that matrix products, convolutions and attention take and give, each written once and read once."""

    def bytes(self, number_bytes: int) -> int:
        """All that is moved, in a number format of so many bytes."""
        return (self.weights + self.activations) * number_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceiling:
    """The best of a machine in one number format."""

    dtype: str
    flops_per_s: float
    bytes_per_s: float
    number_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """The work of a model at one size, and the machine's ceilings."""

    width: int
    height: int
    step: Work
    """A guided step: the UNet with a batch of two."""
    decode: Work
    ceilings: tuple[Ceiling, ...]

    def ceiling(self, dtype: str) -> Ceiling | None:
        """In a number format; None where it was not measured."""
        return next((one for one in self.ceilings if one.dtype == dtype), None)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Counted:
        """From the dict that `asdict` makes."""
        return cls(
            width=values["width"],
            height=values["height"],
            step=Work(**values["step"]),
            decode=Work(**values["decode"]),
            ceilings=tuple(Ceiling(**one) for one in values["ceilings"]),
        )

    @property
    def best(self) -> Ceiling:
        """In the number format in which this machine computes fastest."""
        return max(self.ceilings, key=lambda one: one.flops_per_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A GPU as its maker publishes it."""

    name: str
    tensor_flops_per_s: float
    """float16 with sums in float32, dense."""
    bytes_per_s: float


CARDS: Final = (
    Card(name="GeForce RTX 3050 4 GB", tensor_flops_per_s=16.0e12, bytes_per_s=224e9),
    Card(name="GeForce RTX 3050 Laptop 4 GB", tensor_flops_per_s=14.3e12, bytes_per_s=192e9),
)
"""Small cards that we have none of: 2,304 units at 1.74 GHz, and 2,048 at 1.74 GHz (80 W)."""

REACHED: Final = (0.2, 0.5)
"""The share of a card's tensor cores that plain and that joined kernels reach, by published rates of larger cards."""


def floor_s(work: Work, ceiling: Ceiling) -> float:
    """Seconds that the work takes at least."""
    return max(work.flops / ceiling.flops_per_s, work.bytes(ceiling.number_bytes) / ceiling.bytes_per_s)


def predicted_s(work: Work, card: Card) -> tuple[float, float, float]:
    """Seconds of the work on a card in float16: the floor, and what to expect with fast and with plain kernels."""
    least_s = floor_s(
        work,
        Ceiling(dtype="float16", flops_per_s=card.tensor_flops_per_s, bytes_per_s=card.bytes_per_s, number_bytes=2),
    )
    slow, fast = REACHED
    return least_s, least_s / fast, least_s / slow


def picture_s(counted: Counted, ceiling: Ceiling, *, steps: int) -> float:
    """Seconds of a whole picture at the floor; its prompt counts for nothing."""
    return steps * floor_s(counted.step, ceiling) + floor_s(counted.decode, ceiling)
