"""Which pictures of a document lie where on one sheet, and what is written beside them. In: its jobs. Out: a sheet.

The part that varies fastest runs from left to right. A label says what its column, or row, has that others have not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from math import ceil, sqrt
from typing import Final

from aura_daemon.core.job import GenerateRequest, Hires, Lora
from aura_daemon.core.names import escaped

MOST_CELLS: Final = 100
"""Of one sheet."""

MOST_IN_A_ROW: Final = 10
"""Of pictures that differ in one way only; more of them are laid out as a square, without labels."""

MOST_LABEL_CHARACTERS: Final = 60

_NO_LABEL: Final = frozenset({"output", "tags", "notes", "preview", "embedded"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """The pictures of one document."""

    first: int
    """Which job of the file is the first on it, from 0."""
    cells: int
    columns: int
    column_labels: tuple[str, ...] = ()
    row_labels: tuple[str, ...] = ()


def sheet_of(requests: Sequence[GenerateRequest], *, first: int, in_a_row: int) -> Sheet:
    """`in_a_row`: how many values the part that varies fastest has."""
    count = len(requests)
    rows = count // in_a_row
    if rows == 1 and in_a_row > MOST_IN_A_ROW:
        return Sheet(first=first, cells=count, columns=ceil(sqrt(count)))
    across = _labels([requests[column] for column in range(in_a_row)])
    down = _labels([requests[row * in_a_row] for row in range(rows)]) if rows > 1 else ()
    return Sheet(first=first, cells=count, columns=in_a_row, column_labels=across, row_labels=down)


def _labels(requests: Sequence[GenerateRequest]) -> tuple[str, ...]:
    """What each of them has that the others have not; none where all are alike."""
    keys = [
        field.name
        for field in fields(GenerateRequest)
        if field.name not in _NO_LABEL and len({getattr(request, field.name) for request in requests}) > 1
    ]
    return tuple(", ".join(_said(key, getattr(request, key)) for key in keys) for request in requests) if keys else ()


def _said(key: str, value: object) -> str:
    text = _shown(value)
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
