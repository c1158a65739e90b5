"""Which of the waiting jobs is next. In: the first of every queue, what is loaded. Out: one of them.

Higher priority first, then the oldest; but a job whose model is loaded may overtake one that would have it changed,
for a while: changing a model costs as much as several pictures.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

MOST_OVERTAKEN: Final = 20
"""How many jobs in a row may overtake one that waits for another model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueHead:
    """The first job of one queue: of those that need the same model."""

    id: str
    """Sorts by age."""
    priority: int
    model: str
    """As the worker names it; empty where none is needed."""


def chosen(heads: Sequence[QueueHead], *, loaded: Collection[str], overtaken: int) -> QueueHead | None:
    """The next one; `overtaken`: how many have run in a row since the oldest was passed over first."""
    highest = max((head.priority for head in heads), default=0)
    heads = sorted((head for head in heads if head.priority == highest), key=lambda head: head.id)
    oldest = heads[0] if heads else None
    if oldest is None or overtaken >= MOST_OVERTAKEN:
        return oldest
    return next((head for head in heads if head.model in loaded or not head.model), oldest)
