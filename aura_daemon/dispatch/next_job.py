"""Chooses the next job. In: the first job of every queue, the loaded models. Out: one of the jobs.

Higher priority first, then the oldest. A job whose model is loaded may overtake an older one that needs another
model, for a while: changing the model takes as long as several pictures.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

MOST_OVERTAKEN: Final = 20
"""Number of jobs in a row that may overtake a job that needs another model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueHead:
    """The first job of one queue, which holds the jobs that need the same model."""

    id: str
    """Sorts by age."""
    priority: int
    model: str
    """The model's name, as workers report it; empty where the job needs none."""


def chosen(heads: Sequence[QueueHead], *, loaded: Collection[str], overtaken: int) -> QueueHead | None:
    """The next job; `overtaken`: number of jobs in a row that have overtaken the oldest one."""
    highest = max((head.priority for head in heads), default=0)
    heads = sorted((head for head in heads if head.priority == highest), key=lambda head: head.id)
    oldest = heads[0] if heads else None
    if oldest is None or overtaken >= MOST_OVERTAKEN:
        return oldest
    return next((head for head in heads if head.model in loaded or not head.model), oldest)
