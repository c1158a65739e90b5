"""What each speed does to the passes of a picture. In: a speed, the noise levels of a pass. Out: what is computed when.

Every figure here was measured, see "Levers" in BENCHMARKS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_daemon.jobs.speed import Speed

SHALLOW: Final = 0.1
"""Time of an evaluation with a kept feature, by a whole one: 0.08 of Stable Diffusion 1.x at 512 px, more below."""

EVERYWHERE: Final = (0.0, math.inf)
"""All noise levels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Levers:
    """What is left out of the evaluations of the UNet."""

    whole_share: float = 1.0
    """Of a pass's evaluations, the share that computes the whole UNet; the others take the feature that was kept."""
    least_whole: int = 0
    """Evaluations of a pass that compute the whole UNet at least: with fewer the picture falls apart."""
    density: float = 1.0
    """How much denser the whole ones stand at the beginning; 1 spaces them evenly."""
    momentum: float = 0.0
    """How far a feature moves on along the line through the last two; 0 leaves it as it was."""
    guided: tuple[float, float] = EVERYWHERE
    """Noise levels above the first and up to the second are guided; the others compute the prompt alone."""

    def keeps_features(self, count: int) -> bool:
        """Whether some of so many evaluations take a kept feature."""
        return len(whole_evaluations(self, count)) < count

    @property
    def limits_guidance(self) -> bool:
        """Whether some noise levels are not guided."""
        return self.guided != EVERYWHERE


LEVERS: Final = {
    Speed.EXACT: Levers(),
    Speed.BALANCED: Levers(whole_share=0.40, least_whole=10, momentum=1.0),
    Speed.FAST: Levers(whole_share=0.28, least_whole=7, momentum=1.0, guided=(0.28, 5.42)),
    Speed.TURBO: Levers(),  # so few steps differ too much from each other
}
"""The interval is that of the paper for Stable Diffusion XL, which has the noise levels of Stable Diffusion 1.x."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PassPlan:
    """What the evaluations of one pass compute, by their numbers from 0."""

    count: int
    whole: frozenset[int]
    guided: frozenset[int]
    momentum: float = 0.0

    @property
    def costs(self) -> tuple[float, ...]:
        """Time of each evaluation, by a whole and guided one."""
        return tuple(
            (1.0 if number in self.whole else SHALLOW) * (1.0 if number in self.guided else 0.5)
            for number in range(self.count)
        )

    @property
    def words(self) -> tuple[str, ...]:
        """What is left out, as the sidecar says it."""
        kept, unguided = self.count - len(self.whole), self.count - len(self.guided)
        told = (
            (kept, f"features of the UNet carried on in {kept} of {self.count} evaluations"),
            (unguided, f"guidance left out in {unguided} of {self.count} evaluations"),
        )
        return tuple(text for number, text in told if number)


def pass_plan(levers: Levers, sigmas: Sequence[float], *, guided: bool, caches: bool) -> PassPlan:
    """The plan of one pass.

    `sigmas`: noise level of each evaluation, by that of the picture; `guided`: whether the request has guidance;
    `caches`: whether features can be kept. A feature of the prompt alone is none of both prompts: where guidance sets
    in, the evaluation is whole.
    """
    count = len(sigmas)
    lowest, highest = levers.guided
    inside = frozenset(number for number, sigma in enumerate(sigmas) if not guided or lowest < sigma <= highest)
    whole = whole_evaluations(levers, count) if caches else frozenset(range(count))
    sets_in = frozenset(number for number in inside if number and number - 1 not in inside)
    return PassPlan(count=count, whole=whole | sets_in, guided=inside, momentum=levers.momentum)


def mean_cost(levers: Levers, steps: int) -> float:
    """Time of a step on the average, by one that leaves nothing out; guidance counts as everywhere."""
    whole = len(whole_evaluations(levers, steps))
    return (whole + SHALLOW * (steps - whole)) / steps


def whole_evaluations(levers: Levers, count: int) -> frozenset[int]:
    """The numbers of the evaluations that compute the whole UNet; the first is always among them."""
    wanted = min(count, max(levers.least_whole, math.ceil(count * levers.whole_share), 1))
    numbers: list[int] = []
    for place in range(wanted):
        ideal = int(count * (place / wanted) ** levers.density + 1e-9)  # 22 * (15 / 22) is a little less than 15
        after = numbers[-1] + 1 if numbers else 0
        numbers.append(min(max(ideal, after), count - wanted + place))
    return frozenset(numbers)
