r"""How far a caption says what a prompt asks for, by their words. In: a prompt, a caption. Out: a score from 0 to 1.

It is the F1 of their content words, each counted as often as it stands there: twice the words that both have, by the
words of both. "a large (red:1.2) circle on a white background" has five, "a red circle on a black background" four, and
they share three: 2 * 3 / 9 = 0.67. Letter case, order and the words of `STOP` do not count.

Of a prompt only what is to be seen counts: no LoRA's tag, no weight or sign of its syntax, and no text of a weight of 0
or less. A text that changes from step to step counts with all of its words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Final

STOP: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "its",
        "it",
        "is",
        "are",
        "was",
        "were",
        "be",
        "being",
        "there",
        "of",
        "on",
        "in",
        "at",
        "to",
        "by",
        "for",
        "from",
        "with",
        "and",
        "or",
        "as",
        "onto",
        "into",
        "over",
    ]
)
"""Words that say nothing of what is to be seen."""

_LORA: Final = re.compile(r"<(?:lora|lyco):[^<>]*>", re.IGNORECASE)
_AND: Final = re.compile(r"\bAND\b")
_BREAK: Final = re.compile(r"\bBREAK\b")
_SIGNS: Final = re.compile(r"\\.|[()\[\]]|[^\\()\[\]]+|\\", re.DOTALL)
_WEIGHTED: Final = re.compile(r"(.*):\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*", re.DOTALL)
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

_CLOSED_BY: Final = {")": "(", "]": "["}


def overlap(prompt: str, caption: str) -> float:
    """The F1 of the content words of both; 1 where neither has any."""
    asked, said = Counter(_words(shown_text(prompt))), Counter(_words(caption))
    words = asked.total() + said.total()
    return 2 * (asked & said).total() / words if words else 1.0


def shown_text(prompt: str) -> str:
    """What a prompt asks to be seen, without any sign of its syntax: for a model that compares it with the picture."""
    texts = [_BREAK.sub(" ", part) for part in _AND.split(_LORA.sub(" ", prompt))]
    parts = texts if len(texts) < 2 else [_weighted(text) for text in texts]
    return " ".join(" ".join(map(_without_brackets, parts)).split())


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(unicodedata.normalize("NFC", text).casefold()):
        if word not in STOP:
            yield word


def _without_brackets(prompt: str) -> str:
    """The text in all brackets and outside of them; a bracket that is not closed or not opened is left out."""
    opened: list[tuple[str, list[str]]] = [("", [])]
    for sign in _SIGNS.findall(prompt):
        if sign in ("(", "["):
            opened.append((sign, []))
        elif sign not in _CLOSED_BY:
            opened[-1][1].append(sign[1:] if sign[0] == "\\" else sign)
        elif opened[-1][0] == _CLOSED_BY[sign]:
            _, pieces = opened.pop()
            text = "".join(pieces)
            opened[-1][1].append(_weighted(text) if sign == ")" else _in_turn(text))
    return "".join(piece for _, pieces in opened for piece in pieces)


def _weighted(text: str) -> str:
    """A text without the weight at its end; nothing where that is 0 or less."""
    found = _WEIGHTED.fullmatch(text)
    if found is None:
        return text
    return found[1] if float(found[2]) > 0 else ""


def _in_turn(text: str) -> str:
    """All texts of `[from:to:when]` or `[one|other]`, one after the other, and any other text as it is."""
    found = _WEIGHTED.fullmatch(text)
    return re.sub(r"[:|]", " ", found[1]) if found is not None else text.replace("|", " ")
