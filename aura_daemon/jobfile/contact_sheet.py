"""Which pictures of a document lie where on one sheet, and what is written beside them. In: its jobs. Out: a sheet.

The part that varies fastest runs from left to right. A label says what its column, or row, has that others have not;
of texts the words that differ. Where columns or rows have nothing in common, each cell has a label of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import takewhile
from math import ceil, sqrt
from typing import Final

from aura_daemon.file_names import escaped
from aura_daemon.jobs.requests import GenerateRequest, Hires, Lora

MOST_CELLS: Final = 100
"""Of one sheet."""

MOST_IN_A_ROW: Final = 10
"""Of pictures that differ in one way only; more of them are laid out as a square."""

MOST_LABEL_CHARACTERS: Final = 60

_TEXTS: Final = frozenset({"prompt", "negative_prompt"})
_NO_LABEL: Final = frozenset({"output", "tags", "notes", "preview", "embedded"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactSheet:
    """The pictures of one document."""

    first: int
    """Which job of the file is the first on it, from 0."""
    cells: int
    columns: int
    column_labels: tuple[str, ...] = ()
    row_labels: tuple[str, ...] = ()
    cell_labels: tuple[str, ...] = ()
    """Instead of the others."""


def sheet_of(requests: Sequence[GenerateRequest], *, first: int, in_a_row: int) -> ContactSheet:
    """`in_a_row`: how many values the part that varies fastest has."""
    count = len(requests)
    lines = [requests[start : start + in_a_row] for start in range(0, count, in_a_row)]
    is_a_square = len(lines) == 1 and in_a_row > MOST_IN_A_ROW
    if not is_a_square and len(lines[-1]) == in_a_row:
        across = {_labels(line) for line in lines}
        down = {_labels(column) for column in zip(*lines, strict=True)}
        if len(across) == len(down) == 1:
            return ContactSheet(
                first=first, cells=count, columns=in_a_row, column_labels=across.pop(), row_labels=down.pop()
            )
    columns = min(in_a_row, MOST_IN_A_ROW) if len(lines) > 1 else ceil(sqrt(count))
    return ContactSheet(first=first, cells=count, columns=columns, cell_labels=_labels(requests))


def _labels(requests: Sequence[GenerateRequest]) -> tuple[str, ...]:
    """What each of them has that the others have not; none where all are alike."""
    said: list[tuple[str, ...]] = []
    for field in fields(GenerateRequest):
        values = [getattr(request, field.name) for request in requests]
        if field.name not in _NO_LABEL and len(set(values)) > 1:
            shown = _differing([_shown(value) for value in values]) if field.name in _TEXTS else map(_shown, values)
            said.append(tuple(_said(field.name, text) for text in shown))
    return tuple(", ".join(parts) for parts in zip(*said, strict=True))


def _differing(texts: Sequence[str]) -> list[str]:
    """The words of each that not all of them begin or end with."""
    words = [text.split() for text in texts]
    before = _alike(words)
    rest = [one[before:] for one in words]
    behind = _alike([one[::-1] for one in rest])
    cut = [one[: len(one) - behind] for one in rest]
    return [" ".join(["…"] * (before > 0) + one + ["…"] * (behind > 0)) for one in cut]


def _alike(texts: Sequence[Sequence[str]]) -> int:
    """With how many words all of them begin."""
    return sum(1 for _ in takewhile(lambda words: len(set(words)) == 1, zip(*texts, strict=False)))


def _said(key: str, text: str) -> str:
    if len(text) > MOST_LABEL_CHARACTERS:
        text = text[: MOST_LABEL_CHARACTERS - 1] + "…"
    return escaped(text if key == "prompt" else f"{key.replace('_', ' ')} {text}")


def _shown(value: object) -> str:
    match value:
        case None | () | "":
            return "none"
        case tuple():
            return " + ".join(map(_shown, value))
        case Lora() | Hires():
            return ":".join(map(_shown, astuple(value)))
        case float():
            return f"{value:g}"
        case _:
            return str(value)
