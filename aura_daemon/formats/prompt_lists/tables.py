"""Tables of prompts by the extension of their file: CSV, JSON, JSON Lines. In: name, text. Out: rows or a problem."""

from __future__ import annotations

from itertools import islice
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.file_types import extension_of
from aura_daemon.formats.prompt_lists import csv_rows, json_rows
from aura_daemon.formats.prompt_lists.table_rows import Row, UnreadableTable

_SEPARATED: Final = (".csv", ".tsv")
_LINES: Final = (".jsonl", ".ndjson")


def holds_prompts(name: str, head: str) -> bool:
    """Whether a file clearly is a table of prompts; `head`: the beginning of its text, cut anywhere."""
    return csv_rows.holds_prompts(head) if extension_of(name) in _SEPARATED else json_rows.holds_prompts(head)


def rows_of(name: str, text: str, *, most: int) -> tuple[Row, ...] | Problem:
    """The first `most` rows of a table, at least one; or why it cannot be read."""
    extension = extension_of(name)
    if extension not in _SEPARATED and json_rows.holds_too_much(text):
        return Problem(file=name, message="the file holds too much for a list of jobs: split it")
    if extension in _SEPARATED:
        rows = csv_rows.rows(text)
    else:
        rows = json_rows.rows_of_lines(text) if extension in _LINES else json_rows.rows(text)
    try:
        return tuple(islice(rows, most)) or Problem(file=name, message="the file holds no prompt")
    except UnreadableTable as error:
        return Problem(file=name, line=error.line, message=str(error))
