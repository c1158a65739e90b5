r"""What the signs in a prompt mean to users of A1111's web UI. In: a prompt. Out: texts with weights, LoRAs.

`(word)` weighs 1.1, `[word]` 1/1.1, `(word:1.3)` 1.3; brackets in brackets multiply; one that is not closed reaches to
the end, one that was not opened is text. `\(` is a bracket as text; a backslash before anything else is dropped.
`BREAK` starts a new window. `<lora:NAME:WEIGHT>` names a LoRA and is no part of the text.

Unlike there, `BREAK` counts inside brackets too, and `(word:1.2.3)`, which has no number, is a bracket around text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from aura_daemon.jobs.requests import Lora

BRACKET_WEIGHT: Final = 1.1
MOST_WEIGHT: Final = 100.0
"""Of a text, either way: beyond it half precision ends, and no picture is made."""

MOST_LORAS: Final = 10
"""Of one job."""

MOST_LORA_WEIGHT: Final = 4
"""Either way."""

_NUMBER: Final = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_SIGNS: Final = re.compile(rf"\\[\\()\[\]]|\\|[()\[\]]|:\s*({_NUMBER})\s*\)|[^\\()\[\]:]+|:")
_BREAK: Final = re.compile(r"\s*\bBREAK\b\s*")
_LORA: Final = re.compile(r"<lora:([^<>]*)>", re.IGNORECASE)

_ELSEWHERE: Final = (
    (re.compile(r"\[[^\[\]]*:\s*[0-9.]+\s*\]"), "prompt editing (`[from:to:0.5]`)"),
    (re.compile(r"\[[^\[\]]*\|[^\[\]]*\]"), "alternation (`[one|other]`)"),
    (re.compile(r"\bAND\b"), "composition (`AND`)"),
)
"""What A1111 understands beyond all this, and we do not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightedText:
    """Text of one weight."""

    text: str
    weight: float = 1.0


Section: TypeAlias = tuple[WeightedText, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraTags:
    """The LoRAs that a prompt names."""

    rest: str
    """The prompt without them."""
    loras: tuple[Lora, ...]
    strange: tuple[str, ...]
    """What looks like one and has no name or no weight that is allowed; it is still in `rest`."""


def parse(prompt: str) -> tuple[Section, ...]:
    """The parts between `BREAK`s, at least one; no piece is empty, neighbours differ in weight."""
    pieces: list[tuple[str | None, float]] = []  # None: BREAK
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def close(bracket: str, weight: float) -> None:
        for index in range(opened[bracket].pop(), len(pieces)):
            pieces[index] = (pieces[index][0], pieces[index][1] * weight)

    for match in _SIGNS.finditer(prompt):
        sign, weight = match[0], match[1]
        if sign[0] == "\\":
            pieces.append((sign[1:], 1.0))
        elif sign in opened:
            opened[sign].append(len(pieces))
        elif weight is not None and opened["("]:
            close("(", float(weight))
        elif sign == ")" and opened["("]:
            close("(", BRACKET_WEIGHT)
        elif sign == "]" and opened["["]:
            close("[", 1 / BRACKET_WEIGHT)
        else:
            pieces += _broken(sign)
    for bracket, weight in (("(", BRACKET_WEIGHT), ("[", 1 / BRACKET_WEIGHT)):
        while opened[bracket]:
            close(bracket, weight)
    return tuple(_sections(pieces))


def plain_text(prompt: str) -> str:
    """What is said, without any sign."""
    return " ".join("".join(piece.text for piece in section) for section in parse(extract_loras(prompt).rest)).strip()


def extract_loras(prompt: str) -> LoraTags:
    """Takes `<lora:NAME>` and `<lora:NAME:WEIGHT>` out of a prompt."""
    loras: list[Lora] = []
    strange: list[str] = []

    def taken(match: re.Match[str]) -> str:
        name, _, weight = (part.strip() for part in match[1].partition(":"))
        value = float(weight) if re.fullmatch(_NUMBER, weight) else None
        if ":" not in match[1]:
            value = 1.0
        if not name or value is None or abs(value) > MOST_LORA_WEIGHT:
            strange.append(match[0])
            return match[0]
        loras.append(Lora(name=name, weight=value))
        return ""

    return LoraTags(rest=_LORA.sub(taken, prompt), loras=tuple(loras), strange=tuple(strange))


def not_understood(prompt: str) -> tuple[str, ...]:
    """What is read otherwise than a user of A1111 means it, one line each."""
    said = [f"{what} is not understood: it was read as text" for found, what in _ELSEWHERE if found.search(prompt)]
    if any(abs(piece.weight) >= MOST_WEIGHT for section in parse(prompt) for piece in section):
        said.append(f"a weight of {MOST_WEIGHT:.0f} or more was read as {MOST_WEIGHT:.0f}")
    return tuple(said)


def _broken(text: str) -> list[tuple[str | None, float]]:
    """Text with every `BREAK` a piece of its own."""
    found: list[tuple[str | None, float]] = []
    for index, part in enumerate(_BREAK.split(text)):
        found += [(None, 1.0), (part, 1.0)] if index else [(part, 1.0)]
    return found


def _sections(pieces: Iterable[tuple[str | None, float]]) -> Iterator[Section]:
    """Cut at every `BREAK`; neighbours of one weight are one piece."""
    section: list[WeightedText] = []
    for text, weight in pieces:
        if text is None:
            yield tuple(section)
            section = []
        elif text:
            bounded = _bounded(weight)
            if section and section[-1].weight == bounded:
                text = section.pop().text + text
            section.append(WeightedText(text=text, weight=bounded))
    yield tuple(section)


def _bounded(weight: float) -> float:
    """A weight that numbers can bear: many brackets make an endless one, and endless times nothing is nothing."""
    return 0.0 if math.isnan(weight) else max(-MOST_WEIGHT, min(MOST_WEIGHT, weight))
