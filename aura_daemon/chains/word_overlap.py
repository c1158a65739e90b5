"""How far a caption says what a prompt asks for, by their words. In: a prompt, a caption. Out: a score from 0 to 1.

It is the F1 of their content words, each counted as often as it stands there: twice the words that both have, by the
words of both. "a large (red:1.2) circle on a white background" has five, "a red circle on a black background" four, and
they share three: 2 * 3 / 9 = 0.67. Letter case, order and the words of `STOP` do not count.

Of a prompt only what is to be seen counts: no LoRA's tag, no weight or sign of its syntax, and no text of a weight of 0
or less; of a text that changes from step to step, what it is at last.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Final

from aura_daemon.formats.prompts.prompt_schedule import PassSteps, schedule
from aura_daemon.formats.prompts.prompt_syntax import parse, parts
from aura_daemon.formats.prompts.prompt_tags import extract_loras

STOP: Final = frozenset(
    (
        *("a", "an", "the", "this", "that", "these", "those", "its", "it", "there", "is", "are", "was", "were", "be"),
        *(
            "of",
            "on",
            "in",
            "at",
            "to",
            "by",
            "for",
            "from",
            "with",
            "onto",
            "into",
            "over",
            "and",
            "or",
            "as",
            "being",
        ),
    )
)
"""Words that say nothing of what is to be seen."""

_WHOLE: Final = PassSteps(steps=150, taken=150)
"""As many steps as there can be: every change of a text comes within them."""

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def overlap(prompt: str, caption: str) -> float:
    """The F1 of the content words of both; 1 where neither has any."""
    asked, said = Counter(_words(shown_text(prompt))), Counter(_words(caption))
    words = asked.total() + said.total()
    return 2 * (asked & said).total() / words if words else 1.0


def shown_text(prompt: str) -> str:
    """What a prompt asks to be seen, without any sign of its syntax: for a model that compares it with the picture."""
    texts = [part.text for part in parts(extract_loras(prompt).rest) if part.weight > 0]
    told = [section for text in texts for section in parse(schedule(text, _WHOLE)[-1].text)]
    return " ".join(" ".join("".join(piece.text for piece in one if piece.weight > 0) for one in told).split())


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(unicodedata.normalize("NFC", text).casefold()):
        if word not in STOP:
            yield word
