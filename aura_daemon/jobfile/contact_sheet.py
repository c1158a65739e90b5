"""Where each picture of a document lies on its contact sheet, and the labels beside them. In: requests. Out: a layout.

The value that varies fastest runs from left to right. The label of a column or row names what sets it apart from the
others; of a prompt, the words that differ. Where a column or row has no value in common, each cell has its own label.
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
"""Pictures on one sheet."""

MOST_IN_A_ROW: Final = 10
"""Pictures in a row, where they differ in one value only; more pictures are laid out as a square."""

MOST_LABEL_CHARACTERS: Final = 60

_TEXTS: Final = frozenset({"prompt", "negative_prompt"})
_NO_LABEL: Final = frozenset({"output", "tags", "notes", "preview", "embedded"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactSheet:
    """The layout of the pictures of one document."""

    first: int
    """Index of the first job on the sheet among the jobs of the file, from 0."""
    cells: int
    columns: int
    column_labels: tuple[str, ...] = ()
    row_labels: tuple[str, ...] = ()
    cell_labels: tuple[str, ...] = ()
    """One label for each cell; then there are no labels of columns and rows."""


def sheet_of(requests: Sequence[GenerateRequest], *, first: int, in_a_row: int) -> ContactSheet:
    """Lays out the pictures of one document. `in_a_row`: how many values the part that varies fastest has."""
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
    """For each request, the values that set it apart from the others; empty where all requests are alike."""
    varying: list[tuple[str, ...]] = []
    for field in fields(GenerateRequest):
        values = [getattr(request, field.name) for request in requests]
        if field.name not in _NO_LABEL and len(set(values)) > 1:
            texts = [_shown(value) for value in values]
            if field.name in _TEXTS:
                texts = _differing(texts)
            varying.append(tuple(_label(field.name, text) for text in texts))
    return tuple(", ".join(parts) for parts in zip(*varying, strict=True))


def _differing(texts: Sequence[str]) -> list[str]:
    """Each text without the words that all texts begin or end with."""
    words = [text.split() for text in texts]
    before = _count_alike(words)
    rest = [text[before:] for text in words]
    behind = _count_alike([text[::-1] for text in rest])
    cut = [text[: len(text) - behind] for text in rest]
    return [" ".join(["…"] * (before > 0) + text + ["…"] * (behind > 0)) for text in cut]


def _count_alike(texts: Sequence[Sequence[str]]) -> int:
    """The number of words that all texts begin with."""
    return sum(1 for _ in takewhile(lambda words: len(set(words)) == 1, zip(*texts, strict=False)))


def _label(key: str, text: str) -> str:
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
