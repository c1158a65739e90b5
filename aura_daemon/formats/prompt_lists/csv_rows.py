"""Reads CSV tables of prompts. In: a text, or the beginning of one. Out: its rows, or whether it holds prompts.

The first line names the columns, parted by commas, semicolons, tabs or `|`. A table of one column needs no names, if
its cells are prompts.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Final

from aura_daemon.formats.prompt_lists.setting_names import canonical, meaning
from aura_daemon.formats.prompt_lists.table_rows import Row, UnreadableTable, are_of_jobs, are_prompts
from aura_daemon.problems import cut

_NO_DELIMITER: Final = "\x1f"
"""For the module `csv`, which needs one: a sign that no text may hold."""

_MOST_HEAD: Final = 4096
"""Characters of the line that names the columns."""

_EXCELS: Final = re.compile(r"\Asep=.\r?\n", re.IGNORECASE)
"""A first line by which Excel knows the sign between the columns."""


def holds_prompts(head: str) -> bool:
    """Whether a table clearly holds prompts; `head` may be cut anywhere."""
    names = columns(head)
    return are_of_jobs(names) if names is not None else _is_one_column(head)


def rows(text: str) -> Iterator[Row]:
    """The rows below the names of the columns, or every cell of a table without names. Raises UnreadableTable."""
    names = columns(text)
    if names is None:
        yield from _rows_of_one_column(text)
        return
    doubled = next((name for index, name in enumerate(names) if name and name in names[:index]), None)
    if doubled is not None:
        raise UnreadableTable(f"the column `{cut(doubled)}` stands twice in the first line", 1)
    table = _cells(text, _delimiter(text))
    next(table)
    for line, cells in table:
        filled = [(index, cell.strip()) for index, cell in enumerate(cells) if cell.strip()]
        if any(index >= len(names) or not names[index] for index, _ in filled):
            raise UnreadableTable(
                f"the row has {len(cells)} cells, but {sum(map(bool, names))} columns have names: a text that holds the"
                ' sign between the cells stands in double quotes (")',
                line,
            )
        if filled:
            yield Row(value={names[index]: cell for index, cell in filled}, line=line)


def _rows_of_one_column(text: str) -> Iterator[Row]:
    for line, cells in _cells(text, ","):
        if len(cells) > 1:
            message = 'the row has several cells, and no column has a name: a prompt with commas stands in quotes (")'
            raise UnreadableTable(f"{message}, and a first line `prompt` makes each line a prompt", line)
        if cells[0].strip():
            yield Row(value=cells[0].strip(), line=line)


def _cells(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank with the line on which it begins. Raises UnreadableTable where quotes are wrong."""
    lines = text.splitlines(keepends=True)
    begin = 1 if _EXCELS.match(text) else 0
    reader = csv.reader(lines[begin:], delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        line = begin + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            raise UnreadableTable(
                "a double quote is not closed, text stands behind it, or the cell is far too long", line
            ) from None
        if cells is None:
            return
        if cells:
            yield line, cells


def _first_line(text: str) -> str:
    return next((line[:_MOST_HEAD] for line in _EXCELS.sub("", text).splitlines() if line.strip()), "")


def _delimiter(text: str) -> str:
    """The sign between the columns that the first line names."""
    first = _first_line(text)
    best = max(",;\t|", key=lambda sign: len(_split(first, sign)))
    return best if len(_split(first, best)) > 1 else _NO_DELIMITER


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])


def columns(text: str) -> list[str] | None:
    """The names of the columns; None where the first line does not name a prompt."""
    names = [name.strip() for name in _split(_first_line(text), _delimiter(text))]
    return names if "prompt" in {meaning(canonical(name)) for name in names} else None


def _is_one_column(head: str) -> bool:
    """Whether the beginning of a table has one column, whose cells are prompts."""
    lines = head.splitlines()
    whole = lines[:-1] if len(lines) > 1 else lines
    table = [_split(line[:_MOST_HEAD], ",") for line in whole if line.strip()]
    if any(len(cells) != 1 or {";", "\t", "|"} & set(cells[0]) for cells in table):
        return False
    return are_prompts([cell for (cell,) in table])
