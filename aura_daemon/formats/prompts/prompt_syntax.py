r"""Parses the signs in a prompt as A1111's web UI does. In: a prompt. Out: texts with weights.

`(word)` has the weight 1.1, `[word]` 1/1.1, `(word:1.3)` 1.3; nested brackets multiply. A bracket that is not closed
reaches to the end; one that was not opened is text. `\(` is a bracket as text; a backslash before any other character
is dropped. `BREAK` starts a new window. `one AND other:0.5` are two parts, each with a weight of its own. `prompt_tags`
has taken LoRAs and comments out before, and `prompt_schedule` has read the brackets that change from step to step.

Unlike in A1111, `BREAK` works inside brackets too, and `(word:1.2.3)`, which holds no number, is a bracket around text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from aura_daemon.formats.prompts.prompt_tags import NUMBER, extract_loras

BRACKET_WEIGHT: Final = 1.1
MOST_WEIGHT: Final = 100.0
"""Bound of a text's weight, positive or negative: larger weights overflow half precision, and give no picture."""

_SIGNS: Final = re.compile(rf"\\[\\()\[\]]|\\|[()\[\]]|:\s*({NUMBER})\s*\)|[^\\()\[\]:]+|:")
_BREAK: Final = re.compile(r"\s*\bBREAK\b\s*")
_AND: Final = re.compile(r"\bAND\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightedText:
    """A text with one weight."""

    text: str
    weight: float = 1.0


Section: TypeAlias = tuple[WeightedText, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One of the texts that `AND` joins: it pulls the picture with its weight."""

    text: str
    weight: float = 1.0


def parse(prompt: str) -> tuple[Section, ...]:
    """The sections between `BREAK`s, at least one. No text is empty, and adjacent texts differ in weight."""
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


def parts(prompt: str) -> tuple[Part, ...]:
    """The texts between `AND`s, at least one; a number behind a colon at the end of a text is its weight.

    Unlike in A1111, a prompt without `AND` has no such weight: `portrait, 16:9` stays as it is.
    """
    texts = _AND.split(prompt)
    return tuple(map(_part, texts)) if len(texts) > 1 else (Part(text=prompt),)


def plain_text(prompt: str) -> str:
    """The text of a prompt, without any signs."""
    return " ".join("".join(piece.text for piece in section) for section in parse(extract_loras(prompt).rest)).strip()


def not_understood(prompt: str) -> tuple[str, ...]:
    """What a user of A1111 means and we read as something else, one line each."""
    of_words = (piece.weight for section in parse(prompt) for piece in section)
    of_parts = (part.weight for part in parts(prompt))
    if any(abs(weight) >= MOST_WEIGHT for weight in (*of_words, *of_parts)):
        return (f"a weight of {MOST_WEIGHT:.0f} or more was read as {MOST_WEIGHT:.0f}",)
    return ()


def _part(text: str) -> Part:
    before, colon, weight = text.strip().rpartition(":")
    weight = weight.strip()  # `float` leaves signs such as \x1c that are space, too
    if not colon or not re.fullmatch(NUMBER, weight):
        return Part(text=text.strip())
    return Part(text=before.rstrip(), weight=max(-MOST_WEIGHT, min(MOST_WEIGHT, float(weight))))


def _broken(text: str) -> list[tuple[str | None, float]]:
    """Splits a text so that every `BREAK` is a piece of its own."""
    pieces: list[tuple[str | None, float]] = []
    for index, part in enumerate(_BREAK.split(text)):
        pieces += [(None, 1.0), (part, 1.0)] if index else [(part, 1.0)]
    return pieces


def _sections(pieces: Iterable[tuple[str | None, float]]) -> Iterator[Section]:
    """Cuts the pieces at every `BREAK`; adjacent pieces of one weight become one."""
    section: list[WeightedText] = []
    for text, weight in pieces:
        if text is None:
            yield tuple(section)
            section = []
        elif text:
            # A finite weight: many brackets multiply to infinity, and infinity times 0 is no number.
            bounded = 0.0 if math.isnan(weight) else max(-MOST_WEIGHT, min(MOST_WEIGHT, weight))
            if section and section[-1].weight == bounded:
                text = section.pop().text + text
            section.append(WeightedText(text=text, weight=bounded))
    yield tuple(section)
