"""Reads prompts in JSON and JSON Lines. In: a text, or its beginning. Out: its rows, or whether it holds prompts.

A row is an object with a `prompt`, or a text. JSON holds one object, or a list of rows, alone or under `prompts`; JSON
Lines a row on each line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import dropwhile
from typing import Any, Final

from aura_daemon.formats.prompt_lists.setting_names import canonical, meaning
from aura_daemon.formats.prompt_lists.table_rows import Row, UnreadableTable, are_of_jobs, are_prompts

MOST_SIGNS: Final = 200_000
"""Commas and brackets of a text, those in strings included, so that no huge object is built."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[][{}:,]|[^][{}:,"\s]+', re.DOTALL)
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_WRAPPED: Final = re.compile(r'\s*\{\s*"prompts"\s*:\s*(?=\[)')


def holds_prompts(head: str) -> bool:
    """Whether JSON clearly holds prompts, by its first tokens; `head` may be cut anywhere."""
    wrapped = _WRAPPED.match(head)
    tokens = _TOKEN.findall(head[wrapped.end() if wrapped is not None else 0 :])
    if tokens[:1] == ["["]:
        behind_texts = list(dropwhile(lambda token: token == "," or token[0] == '"', tokens[1:]))
        tokens = behind_texts if behind_texts[:1] == ["{"] else tokens[1:]
    if tokens[:1] == ["{"]:
        values = dict(_first_object(tokens))
        is_text = any(meaning(canonical(name)) == "prompt" and value[:1] == '"' for name, value in values.items())
        return is_text and are_of_jobs(values)
    if any(token in ("{", "[", ":") for token in tokens):
        return False
    return are_prompts([_text_in(token) for token in tokens if token[0] == '"'])


def schema_of(head: str) -> str:
    """The text under `schema` at the top level of an object; empty where there is none. `head` may be cut anywhere."""
    return _text_in(dict(_first_object(_TOKEN.findall(head))).get("schema", ""))


def rows(text: str) -> Iterator[Row]:
    """The rows of JSON. Raises UnreadableTable."""
    cursor = _Cursor(text)
    wrapped = _WRAPPED.match(text)
    cursor.move(wrapped.end() if wrapped is not None else 0)
    if cursor.sign != "[":
        yield cursor.row()
        cursor.end()
        return
    cursor.move(cursor.at + 1)
    while cursor.sign != "]":
        yield cursor.row()
        if cursor.sign == ",":
            cursor.move(cursor.at + 1)
        elif cursor.sign != "]":
            raise UnreadableTable("this is no valid JSON: a comma or `]` is missing", cursor.line)
    cursor.move(cursor.at + 1)
    if wrapped is not None:
        if cursor.sign != "}":
            raise UnreadableTable("nothing may stand beside `prompts`: each job has its own settings", cursor.line)
        cursor.move(cursor.at + 1)
    cursor.end()


def rows_of_lines(text: str) -> Iterator[Row]:
    """The rows of JSON Lines. Raises UnreadableTable."""
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if line.strip():
            cursor = _Cursor(line, first_line=number)
            yield cursor.row()
            cursor.end()


def holds_too_much(text: str) -> bool:
    """Whether a text is too much for a list of jobs, whatever it holds."""
    return sum(map(text.count, ",{[")) > MOST_SIGNS


class _Cursor:
    """A place in a text of JSON, never on white space."""

    def __init__(self, text: str, *, first_line: int = 1) -> None:
        self._text = text
        self.at = 0
        self.line = first_line
        self.move(0)

    @property
    def sign(self) -> str:
        """The sign at this place; empty at the end."""
        return self._text[self.at : self.at + 1]

    def move(self, place: int) -> None:
        """Goes on to a place, and past the white space there."""
        found = _SPACE.match(self._text, place)
        place = found.end() if found is not None else place
        self.line += self._text.count("\n", self.at, place)
        self.at = place

    def row(self) -> Row:
        """Reads the value at this place, and goes past it."""
        line = self.line
        try:
            value, end = _DECODER.raw_decode(self._text, self.at)
        except json.JSONDecodeError as error:
            where = line + self._text.count("\n", self.at, error.pos)
            raise UnreadableTable(f"this is no valid JSON: {error.msg.lower()}", where) from None
        except RecursionError:
            raise UnreadableTable("brackets are nested too deep", line) from None
        except ValueError as error:
            raise UnreadableTable(f"this is no valid JSON: {error}", line) from None
        if not isinstance(value, dict) and not (isinstance(value, str) and value.strip()):
            raise UnreadableTable("a job must be a text or an object with `prompt` here", line)
        self.move(end)
        return Row(value=value.strip() if isinstance(value, str) else value, line=line)

    def end(self) -> None:
        """Raises UnreadableTable where more follows."""
        if self.sign:
            message = "more stands behind the end of the value: JSON with a value on each line is called .jsonl"
            raise UnreadableTable(message, self.line)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {json.dumps(name)} stands twice")
        found[name] = value
    return found


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is no number")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, strict=False)


def _first_object(tokens: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The keys of an object that begins with the first token, each with the first token of its value."""
    depth = 0
    for index, token in enumerate(tokens):
        if token in ("{", "["):
            depth += 1
        elif token in ("}", "]"):
            depth -= 1
            if depth == 0:
                return
        elif depth == 1 and token[0] == '"' and tokens[index + 1 : index + 2] == [":"]:
            yield _text_in(token), "".join(tokens[index + 2 : index + 3])


def _text_in(token: str) -> str:
    """The text of a string; of one that is cut off, what is there."""
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token.strip('"')
