"""What a text with choices can become: every text, their number, the one that a seed draws. In: a template. Out: texts.

`{2$$a|b|c}` takes several alternatives: none of them twice, in every order. So its combinations are counted: for each
number of alternatives, its factorial times the elementary symmetric polynomial of the alternatives' own numbers.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, permutations, product
from math import perm
from operator import mul
from typing import Final

from aura_daemon.formats.prompts.prompt_tags import escape_comments

MOST_COUNTED: Final = 10**18
"""Combinations of a choice of several are counted exactly up to this number; above it they count as so many."""

_NEEDS_ESCAPES: Final = re.compile(r"[{\\#]|__")
_SPECIAL: Final = re.compile(r"[{|}]|__")


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A text with its choices."""

    parts: tuple[str | Alternatives, ...]
    combinations: int
    longest: int
    """Characters of the longest text that the template can become."""
    depth: int

    @property
    def is_plain(self) -> bool:
        """Whether the template holds no choice."""
        return self.depth == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Several:
    """How many alternatives of a choice are taken at once."""

    least: int
    most: int
    separator: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternatives:
    """A choice between several texts."""

    alternatives: tuple[str | Template, ...]
    weights: tuple[float, ...]
    """Empty where all weights are the same."""
    ends: tuple[float, ...]
    """Running sums of the weights."""
    several: Several | None = None
    """None: one alternative is taken."""
    combinations: int
    longest: int
    depth: int


def template_of(parts: Sequence[str | Alternatives]) -> Template:
    """The template of texts and choices that follow one another."""
    choices = [part for part in parts if isinstance(part, Alternatives)]
    return Template(
        parts=tuple(parts),
        combinations=reduce(mul, (choice.combinations for choice in choices), 1),
        longest=sum(len(part) if isinstance(part, str) else part.longest for part in parts),
        depth=max((choice.depth for choice in choices), default=0),
    )


def choice_of(
    alternatives: Sequence[str | Template], weights: Sequence[float], several: Several | None = None
) -> Alternatives:
    """A choice between alternatives, at least one of which has a weight above 0."""
    templates = [one for one in alternatives if not isinstance(one, str)]
    own = [1 if isinstance(one, str) else one.combinations for one in alternatives]
    lengths = [len(one) if isinstance(one, str) else one.longest for one in alternatives]
    if several is not None:
        most = min(several.most, len(alternatives))
        several = Several(least=min(several.least, most), most=most, separator=several.separator)
    are_equal = set(weights) == {1.0}
    return Alternatives(
        alternatives=tuple(alternatives),
        weights=() if are_equal else tuple(weights),
        ends=() if are_equal else tuple(accumulate(weights)),
        several=several,
        combinations=sum(own) if several is None else _combinations(own, several),
        longest=max(lengths) if several is None else _longest(lengths, several),
        depth=1 + max((template.depth for template in templates), default=0),
    )


def all_texts(template: Template) -> Iterator[str]:
    """Every text that a template can become, the last choice varying fastest; weights do not matter."""
    yield from map("".join, product(*(_texts_of(part) for part in template.parts)))


def draw_text(template: Template, seed: int, key: str) -> str:
    """The text that a seed draws: always the same for the same template and key. Each key has its own random stream.

    The first 4 bytes of the SHA-256 of `<seed>/<key>/<n>`, as a fraction, select the n-th choice by the weights. A
    choice of several takes a fraction for their number where that varies, then one for each alternative; the choices
    in an alternative come right after it.
    """
    return "".join(_drawn(template, _fractions(seed, key)))


def escape_choices(text: str) -> str:
    """Escapes a text, so that the template can become this text only."""
    if not _NEEDS_ESCAPES.search(text):
        return text
    return escape_comments(_SPECIAL.sub(lambda sign: "\\" + sign[0], text))


def _combinations(own: Sequence[int], several: Several) -> int:
    orders = 1
    for taken in range(several.most):
        orders *= len(own) - taken
        if orders > MOST_COUNTED:
            return MOST_COUNTED
    if max(own) == 1:
        return sum(perm(len(own), taken) for taken in range(several.least, several.most + 1))
    symmetric = [1] + [0] * several.most
    for number in own:
        for taken in range(several.most, 0, -1):
            symmetric[taken] += symmetric[taken - 1] * number
    return sum(perm(taken) * symmetric[taken] for taken in range(several.least, several.most + 1))


def _longest(lengths: Sequence[int], several: Several) -> int:
    taken = sorted(lengths, reverse=True)[: several.most]
    return sum(taken) + len(several.separator) * max(0, len(taken) - 1)


def _texts_of(part: str | Alternatives) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif part.several is None:
        for alternative in part.alternatives:
            yield from _texts_of_alternative(alternative)
    else:
        for number in range(part.several.least, part.several.most + 1):
            for taken in permutations(part.alternatives, number):
                yield from map(part.several.separator.join, product(*map(_texts_of_alternative, taken)))


def _texts_of_alternative(alternative: str | Template) -> Iterator[str]:
    return iter([alternative]) if isinstance(alternative, str) else all_texts(alternative)


def _drawn(template: Template, fractions: Iterator[float]) -> Iterator[str]:
    for part in template.parts:
        if isinstance(part, str):
            yield part
        elif part.several is not None:
            taken = _drawn_indices(part, part.several, fractions)
            yield part.several.separator.join(_drawn_alternative(part, index, fractions) for index in taken)
        elif part.ends:
            yield _drawn_alternative(part, bisect_right(part.ends, next(fractions) * part.ends[-1]), fractions)
        else:
            yield _drawn_alternative(part, int(next(fractions) * len(part.alternatives)), fractions)


def _drawn_alternative(choice: Alternatives, index: int, fractions: Iterator[float]) -> str:
    alternative = choice.alternatives[index]
    return alternative if isinstance(alternative, str) else "".join(_drawn(alternative, fractions))


def _drawn_indices(choice: Alternatives, several: Several, fractions: Iterator[float]) -> Iterator[int]:
    """Which alternatives are taken, none of them twice, and none with the weight 0."""
    weights = list(choice.weights)
    able = sum(weight > 0 for weight in weights) if weights else len(choice.alternatives)
    least, most = min(several.least, able), min(several.most, able)
    number = least + int(next(fractions) * (most - least + 1)) if most > least else least
    moved: dict[int, int] = {}
    for left in range(len(choice.alternatives), len(choice.alternatives) - number, -1):
        if weights:
            ends = list(accumulate(weights))
            index = bisect_right(ends, next(fractions) * ends[-1])
            weights[index] = 0.0
        else:  # the last one takes the place of the one that was taken
            place = int(next(fractions) * left)
            index = moved.get(place, place)
            moved[place] = moved.get(left - 1, left - 1)
        yield index


def _fractions(seed: int, key: str) -> Iterator[float]:
    """Endless pseudo-random numbers, at least 0 and less than 1."""
    number = 0
    while True:
        digest = hashlib.sha256(f"{seed}/{key}/{number}".encode()).digest()
        yield int.from_bytes(digest[:4], "big") / 2**32
        number += 1
