"""How a figure changes over time, whatever single samples say: the median of all slopes (Theil 1950, Sen 1968)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf
from statistics import median
from typing import Final

HOUR_S: Final = 3600.0

WARM_UP: Final = 0.25
"""The share of a run in which caches fill and models load; it does not count."""

_MOST_SAMPLES: Final = 1000
"""Of more, every second, third, … counts: half a million pairs are enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """Something that must not grow."""

    name: str
    unit: str
    noise: float
    """What it may grow by in a whole run, however short."""
    an_hour: float
    """What it may grow by in an hour; infinite: it grows with the results."""
    scale: float = 1.0
    """By what samples are divided to be in `unit`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slope:
    """What became of one figure over a run."""

    figure: Figure
    first: float
    """The median of the first tenth of what counts; `last` that of the last tenth."""
    last: float
    least: float
    most: float
    per_hour: float
    span_s: float

    @property
    def verdict(self) -> str:
        """In words, for the table."""
        if self.figure.an_hour == inf:
            return "with the results"
        return "flat" if self.is_flat else "**grows**"

    @property
    def is_flat(self) -> bool:
        hours = self.span_s / HOUR_S
        return self.per_hour * hours <= max(self.figure.noise, self.figure.an_hour * hours)


def slope_of(figure: Figure, samples: Sequence[tuple[float, float]]) -> Slope:
    """The slope of a figure over samples (seconds, value), of which the first `WARM_UP` does not count."""
    began_s, ended_s = samples[0][0], samples[-1][0]
    counted = [one for one in samples if one[0] >= began_s + WARM_UP * (ended_s - began_s)]
    counted = [(at_s, value / figure.scale) for at_s, value in counted[:: 1 + len(counted) // _MOST_SAMPLES]]
    values = [value for _, value in counted]
    tenth = max(1, len(values) // 10)
    return Slope(
        figure=figure,
        first=median(values[:tenth]),
        last=median(values[-tenth:]),
        least=min(values),
        most=max(values),
        per_hour=theil_sen(counted) * HOUR_S,
        span_s=counted[-1][0] - counted[0][0],
    )


def theil_sen(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes through all pairs of points; 0 of a single one."""
    slopes = [(later[1] - sooner[1]) / (later[0] - sooner[0]) for sooner, later in combinations(points, 2)]
    return median(slopes) if slopes else 0.0
