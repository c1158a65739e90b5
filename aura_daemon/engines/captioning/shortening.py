"""Cuts captions that have too many words. In: a text, a number of words. Out: a text."""

from __future__ import annotations

from typing import Final

CLAUSE_ENDS: Final = ",;:.!?"

_ANNOUNCING: Final = (
    "a an the this that these those some of in on at with without and or but by to from for as is are was were has"
    " his her its their my your our into onto over under near behind beside between above below who which while"
)

_DANGLING: Final = frozenset(_ANNOUNCING.split())
"""Words that announce another one: no caption ends with one of them where it is cut."""


def shortened(text: str, most_words: int) -> str:
    """At most so many words, the first ones; a text that has no more, or 0, changes nothing.

    A cut text ends with the last clause that is whole, if that leaves at least half of the words, else with a word
    that does not announce another one.
    """
    words = text.split()
    if not most_words or len(words) <= most_words:
        return text
    kept = words[:most_words]
    clauses = [count for count, word in enumerate(kept, start=1) if word[-1] in CLAUSE_ENDS and 2 * count >= most_words]
    if clauses:
        kept = kept[: clauses[-1]]
    else:
        while len(kept) > 1 and kept[-1].casefold() in _DANGLING:
            kept.pop()
    return " ".join(kept).rstrip(",;: ")
