"""Measure aura-mini: `python -m aura_daemon.mini.evaluate [--prompts N] [--seed N] [--sheet FILE.png]`.

Prompt to picture to caption: what comes back must be what was asked. A third of the prompts are combinations that no
training has seen. Prints a table, writes `weights/quality.json`, and exits with 1 where a bound is missed.
"""

from dataclasses import dataclass
from typing import Final

WIDE_PX: Final = (64, 112)  # height, width

# Shares that must be reached, in [0, 1].
LEAST_CAPTIONS_EXACT: Final = 0.99
LEAST_SEEN: Final = 0.97
LEAST_HELD_OUT: Final = 0.90


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the table: how many of `count` came back, and the share that must (None: for information)."""

    what: str
    count: int
    right: int
    all_words: int
    least: float | None
    seconds: float

    @property
    def reached(self) -> bool:
        return self.least is None or self.right >= self.least * self.count
