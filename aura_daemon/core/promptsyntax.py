"""How much each part of a prompt counts, written as A1111 understands it. In: a prompt. Out: pieces with weights.

`(word)` counts 1.1 times, `[word]` a 1.1th, `(word:1.3)` 1.3 times; nested ones multiply; `\\(` is a bracket; a bracket
that is never closed reaches to the end; `BREAK` ends a window; `<lora:NAME:0.8>` names a LoRA and is no text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aura_daemon.core.job import Lora

EMPHASIS: Final = 1.1
"""What a pair of brackets without a number multiplies or divides by."""

_TOKEN: Final = re.compile(
    r"\\(?P<escaped>[()\[\]\\])"
    r"|(?P<round>\()"
    r"|(?P<square>\[)"
    r"|:\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)"
    r"|(?P<round_end>\))"
    r"|(?P<square_end>\])"
    r"|(?P<text>[^\\()\[\]:]+|[:\\])"
)

_BREAK: Final = re.compile(r"\s*\bBREAK\b\s*")

_LORA: Final = re.compile(r"<lora:(?P<name>[^:<>]+)(?::(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+)))?(?::[^<>]*)?>")


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part of a prompt and how much it counts."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Break:
    """What follows begins a window of its own."""


def pieces_of(prompt: str) -> tuple[Piece | Break, ...]:
    """The parts of a prompt in their order; neighbours of one weight are one piece."""
    found: list[tuple[str, float] | None] = []
    rounds: list[int] = []
    squares: list[int] = []

    def weigh(start: int, factor: float) -> None:
        for index in range(start, len(found)):
            piece = found[index]
            if piece is not None:
                found[index] = piece[0], piece[1] * factor

    for token in _TOKEN.finditer(prompt):
        kind, text = token.lastgroup, token[0]
        if kind == "round":
            rounds.append(len(found))
        elif kind == "square":
            squares.append(len(found))
        elif kind == "weight" and rounds:
            weigh(rounds.pop(), float(token["weight"]))
        elif kind == "round_end" and rounds:
            weigh(rounds.pop(), EMPHASIS)
        elif kind == "square_end" and squares:
            weigh(squares.pop(), 1 / EMPHASIS)
        elif kind == "escaped":
            found.append((token["escaped"], 1.0))
        else:
            for number, part in enumerate(_BREAK.split(text)):
                found += [None] if number else []
                found.append((part, 1.0))
    for start in rounds:
        weigh(start, EMPHASIS)
    for start in squares:
        weigh(start, 1 / EMPHASIS)
    return _joined(found)


def plain_text(prompt: str) -> str:
    """The words alone."""
    words = "".join(piece.text if isinstance(piece, Piece) else " " for piece in pieces_of(prompt))
    return " ".join(words.split())


def loras_in(prompt: str) -> tuple[str, tuple[Lora, ...]]:
    """A prompt without the LoRAs it names, and those."""
    loras = tuple(Lora(name=tag["name"].strip(), weight=float(tag["weight"] or 1.0)) for tag in _LORA.finditer(prompt))
    return (" ".join(_LORA.sub(" ", prompt).split()) if loras else prompt), loras


def _joined(found: list[tuple[str, float] | None]) -> tuple[Piece | Break, ...]:
    pieces: list[Piece | Break] = []
    for part in found:
        last = pieces[-1] if pieces else None
        if part is None:
            pieces.append(Break())
        elif isinstance(last, Piece) and last.weight == part[1]:
            pieces[-1] = Piece(text=last.text + part[0], weight=part[1])
        elif part[0]:
            pieces.append(Piece(text=part[0], weight=part[1]))
    return tuple(pieces)
