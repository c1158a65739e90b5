r"""Choices and word lists in texts: `a {red|{dark|pale} blue} __animals__`. In: text, lists. Out: every text, or one.

`{2::red|blue}` draws red twice as often. An alternative may be empty. `{word}` without `|` is plain text, and so are
`\{`, `\|`, `\}` and `\__`. The lines of a word list are its alternatives, and may hold choices and word lists too.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, product
from operator import mul
from typing import Final

from aura_daemon.jobfile.catalogue import Catalogue, listed
from aura_daemon.problems import cut, nearest

MOST_DEPTH: Final = 20
"""Levels of nesting, choices and word lists counted together."""

_NAME: Final = r"[^\W_](?:[\w./ -]{0,98}?[^\W_])?"
_TOKEN: Final = re.compile(rf"\\(?P<escaped>[{{|}}]|__)|(?P<sign>[{{|}}])|__(?P<name>{_NAME})__")
_WEIGHT: Final = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})\s*::")
_SEVERAL_AT_ONCE: Final = re.compile(r"\s*[0-9]*-?[0-9]*\$\$")
_NEEDS_ESCAPES: Final = re.compile(r"[{\\]|__")
_SPECIAL: Final = re.compile(r"[{|}]|__")


@dataclass(frozen=True, kw_only=True, slots=True)
class WildcardFault:
    """Why a text cannot be expanded."""

    message: str
    suggestion: str = ""


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
class Alternatives:
    """A choice between several texts."""

    alternatives: tuple[str | Template, ...]
    ends: tuple[float, ...]
    """Running sums of the alternatives' weights; empty where all weights are the same."""
    combinations: int
    longest: int
    depth: int


class _Wrong(Exception):
    """Carries a fault out of nested calls."""

    def __init__(self, message: str, suggestion: str = "", place: str = "") -> None:
        super().__init__(message)
        self.fault = WildcardFault(message=place + message, suggestion=suggestion)
        self.has_place = bool(place)


class _Open:
    """A brace that has not been closed yet."""

    def __init__(self) -> None:
        self.alternatives: list[list[str | Alternatives]] = [[]]

    def add(self, part: str | Alternatives) -> None:
        """Adds a part; adjacent texts become one."""
        parts = self.alternatives[-1]
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        elif part != "":
            parts.append(part)


class WildcardParser:
    """Parses texts; each word list is parsed once."""

    def __init__(self, catalogue: Catalogue | None) -> None:
        """Without a catalogue the names of word lists stay in the text as they are written."""
        self._catalogue = catalogue
        self._lists: dict[str, Alternatives] = {}

    def read(self, text: str) -> Template | WildcardFault:
        """The choices of a text, with those of all word lists that it names, directly or not."""
        try:
            return self._template(text, ())
        except _Wrong as wrong:
            return wrong.fault

    def _template(self, text: str, above: tuple[str, ...]) -> Template:
        opened, end = [_Open()], 0
        for token in _TOKEN.finditer(text):
            opened[-1].add(text[end : token.start()])
            end = token.end()
            if token["escaped"]:
                opened[-1].add(token["escaped"])
            elif token["name"]:
                opened[-1].add(self._list(token["name"], above) if self._catalogue is not None else token[0])
            elif token["sign"] == "{":
                opened.append(_Open())
                if len(opened) > MOST_DEPTH + 1:
                    raise _Wrong(_TOO_DEEP)
            elif len(opened) == 1:
                opened[-1].add(token[0])
            elif token["sign"] == "|":
                opened[-1].alternatives.append([])
            else:
                _close(opened)
        opened[-1].add(text[end:])
        while len(opened) > 1:
            if len(opened[-1].alternatives) > 1:
                raise _Wrong(r"a choice is opened with `{` and never closed; `\{` is a brace that stands as it is")
            _keep(opened, "")
        return _template_of(opened[0].alternatives[0])

    def _list(self, name: str, above: tuple[str, ...]) -> Alternatives:
        assert self._catalogue is not None
        if name in self._lists:
            return self._lists[name]
        if name in above:
            circle = " leads to ".join(f"`__{cut(one)}__`" for one in (*above[above.index(name) :], name))
            raise _Wrong(f"word lists lead back to themselves: {circle}")
        if len(above) == MOST_DEPTH:
            raise _Wrong(_TOO_DEEP)
        lines = self._catalogue.wildcards.get(name)
        if not lines:
            raise _unknown(name, self._catalogue)
        alternatives: list[tuple[str | Template, float]] = []
        try:
            for line in lines:
                is_plain = not _NEEDS_ESCAPES.search(line) and "::" not in line
                alternatives.append((line, 1.0) if is_plain else _weighed(self._template(line, (*above, name))))
            self._lists[name] = _choice(alternatives)
        except _Wrong as wrong:
            if wrong.has_place:
                raise
            place = f"in the word list `{cut(name)}`: "
            raise _Wrong(wrong.fault.message, wrong.fault.suggestion, place) from None
        return self._lists[name]


_TOO_DEEP: Final = f"choices and word lists are nested more than {MOST_DEPTH} deep"


def all_texts(template: Template) -> Iterator[str]:
    """Every text that a template can become, the last choice varying fastest; weights do not matter."""
    yield from map("".join, product(*(_texts_of(part) for part in template.parts)))


def draw_text(template: Template, seed: int, key: str) -> str:
    """The text that a seed draws: always the same for the same template and key. Each key has its own random stream.

    The first 4 bytes of the SHA-256 of `<seed>/<key>/<n>`, as a fraction, select the n-th choice by the weights.
    """
    return "".join(_drawn(template, _fractions(seed, key)))


def escape_choices(text: str) -> str:
    """Escapes a text, so that the template can become this text only."""
    return _SPECIAL.sub(lambda sign: "\\" + sign[0], text) if _NEEDS_ESCAPES.search(text) else text


def _texts_of(part: str | Alternatives) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    else:
        for alternative in part.alternatives:
            yield from [alternative] if isinstance(alternative, str) else all_texts(alternative)


def _drawn(template: Template, fractions: Iterator[float]) -> Iterator[str]:
    for part in template.parts:
        if isinstance(part, str):
            yield part
            continue
        if part.ends:
            index = bisect_right(part.ends, next(fractions) * part.ends[-1])
        else:
            index = int(next(fractions) * len(part.alternatives))
        alternative = part.alternatives[index]
        yield from [alternative] if isinstance(alternative, str) else _drawn(alternative, fractions)


def _fractions(seed: int, key: str) -> Iterator[float]:
    """Endless pseudo-random numbers, at least 0 and less than 1."""
    number = 0
    while True:
        digest = hashlib.sha256(f"{seed}/{key}/{number}".encode()).digest()
        yield int.from_bytes(digest[:4], "big") / 2**32
        number += 1


def _close(opened: list[_Open]) -> None:
    """Closes the innermost brace: it becomes a choice, or plain text where it holds no `|`."""
    if len(opened[-1].alternatives) == 1:
        _keep(opened, "}")
        return
    alternatives = opened.pop().alternatives
    first = alternatives[0][0] if alternatives[0] else ""
    if isinstance(first, str) and _SEVERAL_AT_ONCE.match(first):
        raise _Wrong("`$$` (several alternatives at once) is not known here; write one choice for each of them")
    opened[-1].add(_choice([_weighed(_template_of(parts)) for parts in alternatives]))


def _keep(opened: list[_Open], end: str) -> None:
    """Adds a brace without `|` as plain text."""
    (parts,) = opened.pop().alternatives
    for part in ("{", *parts, end):
        opened[-1].add(part)


def _template_of(parts: list[str | Alternatives]) -> Template:
    choices = [part for part in parts if isinstance(part, Alternatives)]
    return Template(
        parts=tuple(parts),
        combinations=reduce(mul, (choice.combinations for choice in choices), 1),
        longest=sum(len(part) if isinstance(part, str) else part.longest for part in parts),
        depth=max((choice.depth for choice in choices), default=0),
    )


def _weighed(template: Template) -> tuple[str | Template, float]:
    """Splits an alternative into its text without the weight, and the weight."""
    parts = list(template.parts)
    weight = 1.0
    first = parts[0] if parts else ""
    match = _WEIGHT.match(first) if isinstance(first, str) else None
    if match is not None:
        weight = float(match[1])
        parts[0] = match.string[match.end() :]
        template = _template_of(parts)
    return (str(template.parts[0]) if parts else "") if len(parts) < 2 and template.is_plain else template, weight


def _choice(weighed: list[tuple[str | Template, float]]) -> Alternatives:
    alternatives = tuple(alternative for alternative, _ in weighed)
    weights = [weight for _, weight in weighed]
    if not any(weights):
        raise _Wrong("the weights of a choice are all 0: nothing could be drawn")
    templates = [one for one in alternatives if not isinstance(one, str)]
    depth = 1 + max((template.depth for template in templates), default=0)
    if depth > MOST_DEPTH:
        raise _Wrong(_TOO_DEEP)
    return Alternatives(
        alternatives=alternatives,
        ends=() if set(weights) == {1.0} else tuple(accumulate(weights)),
        combinations=len(alternatives) - len(templates) + sum(template.combinations for template in templates),
        longest=max(len(one) if isinstance(one, str) else one.longest for one in alternatives),
        depth=depth,
    )


def _unknown(name: str, catalogue: Catalogue) -> _Wrong:
    """The fault of a word list that does not exist or cannot be used."""
    reason = catalogue.unusable.get(name) or ("it holds no line" if name in catalogue.wildcards else "")
    if reason:
        return _Wrong(f"the word list `__{cut(name)}__` cannot be used: {reason}")
    known = listed(catalogue.wildcards)
    allowed = f"known are {known}" if known else "no folder of them is configured, or it holds none"
    near = nearest(name, catalogue.wildcards)
    message = f"`__{cut(name)}__` is no word list ({allowed}); `\\__{cut(name)}__` is text that stands as it is"
    return _Wrong(message, f"__{near}__" if near else "")
