"""What every part of the GPU's check is told in: targets, tables, amounts. In: figures. Out: Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GIB: Final = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Something that must be so."""

    what: str
    wanted: str
    measured: str
    met: bool


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown; nothing where there is no row."""
    if not rows:
        return ""
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def gib(amount_bytes: int) -> str:
    """Bytes in GiB."""
    return f"{amount_bytes / GIB:.2f} GiB"
