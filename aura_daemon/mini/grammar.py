"""The one kind of sentence that aura-mini was trained on: "a {size} {colour} {shape} on a {colour} background".

Pure: words, sentences, parsing of text, and the combinations that training must not see. This module imports neither
torch nor an engine.
"""

import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final, TypeAlias

SIZES: Final = ("small", "large")
COLOURS: Final = ("red", "green", "blue", "yellow", "purple", "orange", "white", "black")
SHAPES: Final = ("circle", "square", "triangle", "star", "ring", "cross")
GLUE: Final = ("a", "an", "on", "background")
WORDS: Final = (*SIZES, *COLOURS, *SHAPES, *GLUE)

# sRGB, 0 to 255: far enough apart that no two are mistaken after the autoencoder.
PALETTE: Final[dict[str, tuple[int, int, int]]] = {
    "red": (214, 34, 38),
    "green": (30, 158, 62),
    "blue": (38, 72, 216),
    "yellow": (250, 222, 40),
    "purple": (136, 44, 168),
    "orange": (246, 136, 20),
    "white": (248, 248, 248),
    "black": (14, 14, 16),
}

HELD_OUT_SEED: Final = 20_260
HELD_OUT_COUNT: Final = 40  # of 336 combinations: each colour and each background is held out exactly five times

Combination: TypeAlias = tuple[str, str, str]  # shape, colour, background; both sizes share its fate


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """One drawing in words; `str()` gives the prompt."""

    size: str
    colour: str
    shape: str
    background: str

    def __str__(self) -> str:
        article = "an" if self.background == "orange" else "a"
        return f"a {self.size} {self.colour} {self.shape} on {article} {self.background} background"

    @property
    def combination(self) -> Combination:
        return (self.shape, self.colour, self.background)


@cache
def every_sentence() -> tuple[Sentence, ...]:
    """All 672 sentences, in a fixed order."""
    return tuple(
        Sentence(size=size, colour=colour, shape=shape, background=background)
        for shape, colour, background in every_combination()
        for size in SIZES
    )


@cache
def every_combination() -> tuple[Combination, ...]:
    """All 336 combinations of shape, colour and a different background, in a fixed order."""
    return tuple(row for row in product(SHAPES, COLOURS, COLOURS) if row[1] != row[2])


@cache
def held_out() -> frozenset[Combination]:
    """The `HELD_OUT_COUNT` combinations training never sees; no two share a pair of words: it sees each pair often."""
    dice = random.Random(HELD_OUT_SEED)
    while True:
        chosen = _one_balanced_draw(dice)
        if len(chosen) == HELD_OUT_COUNT:
            return chosen


def seen_sentences() -> tuple[Sentence, ...]:
    """The sentences of the training data."""
    return tuple(sentence for sentence in every_sentence() if sentence.combination not in held_out())


def held_out_sentences() -> tuple[Sentence, ...]:
    """The sentences of the evaluation alone."""
    return tuple(sentence for sentence in every_sentence() if sentence.combination in held_out())


_PATTERN = re.compile(
    r"(?:an? |the )?"
    rf"(?:(?P<size>{'|'.join(SIZES)}) )?"
    rf"(?P<colour>{'|'.join(COLOURS)}) (?P<shape>{'|'.join(SHAPES)}) "
    rf"on (?:an? |the )?(?P<background>{'|'.join(COLOURS)}) background"
)


def parse(text: str) -> Sentence | None:
    """The sentence in a text, or None. Lenient as the model: capitals, spaces, last dot, articles, no size (large)."""
    plain = " ".join(text.lower().replace(",", " ").split()).rstrip(" .!")
    match = _PATTERN.fullmatch(plain)
    if match is None or match["colour"] == match["background"]:
        return None
    return Sentence(
        size=match["size"] or "large", colour=match["colour"], shape=match["shape"], background=match["background"]
    )


def _one_balanced_draw(dice: random.Random) -> frozenset[Combination]:
    """One shuffled greedy pass; it may get stuck below `HELD_OUT_COUNT`."""
    shuffled = list(every_combination())
    dice.shuffle(shuffled)
    per_colour = HELD_OUT_COUNT // len(COLOURS)
    per_shape = -(-HELD_OUT_COUNT // len(SHAPES))
    chosen: list[Combination] = []
    for shape, colour, background in shuffled:
        shares_a_pair = any(
            (shape == other[0]) + (colour == other[1]) + (background == other[2]) >= 2 for other in chosen
        )
        is_full = (
            sum(shape == other[0] for other in chosen) >= per_shape
            or sum(colour == other[1] for other in chosen) >= per_colour
            or sum(background == other[2] for other in chosen) >= per_colour
        )
        if not shares_a_pair and not is_full:
            chosen.append((shape, colour, background))
    return frozenset(chosen)
