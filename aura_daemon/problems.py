"""Turns the errors of pydantic into problems that a user can correct. In: errors, lines of keys. Out: problems.

A message takes what is allowed from the field's own description, so that schema, documentation and error agree.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args

from aura_daemon.errors import Problem
from aura_daemon.file_names import escaped

if TYPE_CHECKING:  # workers need `nearest` and `cut` alone
    from pydantic import BaseModel, ValidationError
    from pydantic.fields import FieldInfo

MISSING: Final = "is missing"

MOST_GIVEN: Final = 60
"""Most characters of a wrong value that are shown."""

MOST_PROBLEMS: Final = 100
"""Most problems that are listed for one file; of the others only the number is shown."""

MOST_LETTERS: Final = 3
"""By how many letters the lengths of a misspelt name and the right one differ at most."""

MOST_COMPARED: Final = 5_000
"""Most names that a misspelt one is compared with, as a comparison takes some microseconds."""

_DIGITS: Final = re.compile(r"[0-9]+")
_QUOTED_NUMBER: Final = re.compile(r"""(["'])[-+]?[0-9]+(\.[0-9]*)?\1""")


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    *,
    file: str,
    lines: Mapping[str, int],
    written: Mapping[str, str],
) -> tuple[Problem, ...]:
    """Every problem, in the order of the file; `lines` and `written` come from a `yaml_reader.Document`, or are empty.

    Of more problems than `capped` shows, the rest are returned to be counted only.
    """
    faults = error.errors(include_url=False)
    found = [_problem(dict(fault), model, file, lines, written) for fault in faults[:MOST_PROBLEMS]]
    named = {problem.suggestion for problem in found}
    found = [problem for problem in found if not (problem.message == MISSING and problem.key in named)]
    more = [Problem(file=file, message=fault["msg"]) for fault in faults[MOST_PROBLEMS:]]
    return (*sorted(found, key=lambda problem: problem.line or 0), *more)


def capped(problems: Sequence[Problem], *, file: str, are_all: bool = True) -> tuple[Problem, ...]:
    """At most `MOST_PROBLEMS` problems, then a line with the number of the others, or "many" unless `are_all`."""
    if len(problems) <= MOST_PROBLEMS:
        return tuple(problems)
    more = f"{len(problems) - MOST_PROBLEMS:,}" if are_all else "many"
    return (*problems[:MOST_PROBLEMS], Problem(file=file, message=f"… and {more} more problems"))


_INVISIBLE: Final = {
    "\xa0": "a no-break space",
    "\u202f": "a narrow no-break space",
    "\u3000": "an ideographic space",
    "\u200b": "a zero-width space",
    "\u200c": "a zero-width non-joiner",
    "\u200d": "a zero-width joiner",
    "\u200e": "a left-to-right mark",
    "\u200f": "a right-to-left mark",
    "\u2060": "a word joiner",
    "\ufeff": "a byte order mark",
    "\xad": "a soft hyphen",
    "\u1680": "an ogham space",
    "\u205f": "a mathematical space",
    **{chr(number): "a typographic space" for number in range(0x2000, 0x200B)},
}
"""Characters that look like a space, or like nothing -> their names."""


def invisible_in(text: str) -> str:
    """The first character that no one sees and that is no plain space, by its name; empty where there is none."""
    found = next((character for character in text if character in _INVISIBLE), "")
    return f"{_INVISIBLE[found]} (U+{ord(found):04X})" if found else ""


def without_invisible(text: str) -> str:
    """A word without the characters that no one sees."""
    return "".join(character for character in text if character not in _INVISIBLE).strip()


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name nearest to a misspelt one; empty where none is near."""
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word[:MOST_GIVEN].casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else ""


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The known name of a file that differs from another in a letter or two; empty where none does.

    The numbers in both must be equal: `img_12` is no misspelt `img_13`, both are files of a series.
    """
    numbers = _numbers(name)
    fit = [other for other in known if abs(len(other) - len(name)) <= MOST_LETTERS and _numbers(other) == numbers]
    return next(iter(difflib.get_close_matches(name, fit[:MOST_COMPARED], n=1, cutoff=0.65)), "")


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in _DIGITS.findall(name)]


def shown(value: object) -> str:
    """A wrong value as in YAML, on one line and shortened, with quotes around text only."""
    return cut(json.dumps(value, ensure_ascii=False, default=str))


def cut(text: str, most: int = MOST_GIVEN) -> str:
    """Text of the user's, shortened and escaped for display."""
    return escaped(text if len(text) <= most else text[: most - 1] + "…")


def _line_of(key: str, lines: Mapping[str, int]) -> int | None:
    """The line of a key, else of the nearest key that contains it, else of the document."""
    while key and key not in lines:
        key = key.rpartition(".")[0]
    return lines.get(key)


def _problem(
    fault: dict[str, Any], model: type[BaseModel], file: str, lines: Mapping[str, int], written: Mapping[str, str]
) -> Problem:
    place = tuple(str(part) for part in fault["loc"])
    path = ".".join(place)
    line, key = _line_of(path, lines), cut(path)
    given = written.get(path) or shown(fault["input"])
    owner = _owner(model, place[:-1])
    name = place[-1] if place else ""
    if fault["type"] == "extra_forbidden":
        known = list(owner.model_fields) if owner is not None else []
        invisible = invisible_in(name)
        message = "unknown key" + (f": it holds {invisible}, which no one sees" if invisible else "")
        suggestion = nearest(without_invisible(name), known)
        if not suggestion and known:
            message += f"; known are {', '.join(known)}"
        return Problem(file=file, line=line, key=key, message=message, suggestion=suggestion)
    if fault["type"] == "missing":
        return Problem(file=file, line=line, key=key, message=MISSING)
    invisible = invisible_in(fault["input"]) if isinstance(fault["input"], str) else ""
    if fault["type"] == "value_error":
        message = str(fault["ctx"]["error"]) + (f"; this holds {invisible}, which no one sees" if invisible else "")
        return Problem(file=file, line=line, key=key, message=message, given=given if place else "")
    field = _field(model, place)
    choices = _choices(fault)
    suggestion = nearest(str(fault["input"]), choices)
    message = f"must be {field.description}" if field is not None and field.description else fault["msg"].lower()
    if fault["type"] in _NUMBER_FAULTS and _QUOTED_NUMBER.fullmatch(given):
        message += ", without quotes"
    elif invisible and fault["type"] in _WORD_FAULTS:
        message += f"; this holds {invisible}, which no one sees"
    elif fault["type"] == "string_type" and given[:1] in "{[":
        message += f"; a text that begins with `{given[:1]}` needs quotes around it"
    return Problem(file=file, line=line, key=key, message=message, given=given, suggestion=suggestion)


_NUMBER_FAULTS: Final = ("int_type", "float_type")
_WORD_FAULTS: Final = (*_NUMBER_FAULTS, "bool_type", "enum", "literal_error")
"""Of values that are no free text."""


def _choices(fault: Mapping[str, Any]) -> list[str]:
    """The allowed words, where the error is about a closed choice."""
    if fault["type"] not in ("enum", "literal_error"):
        return []
    expected = str(fault["ctx"]["expected"]).replace(" or ", ", ")
    return [word.strip().strip("'") for word in expected.split(", ")]


def _owner(model: type[BaseModel], place: tuple[str, ...]) -> type[BaseModel] | None:
    """The model that holds a key; the model may be optional, or an item of a list."""
    current: type[BaseModel] | None = model
    for part in place:
        if part.isdecimal():
            continue
        field = current.model_fields.get(part) if current is not None else None
        current = _model_in(field.annotation) if field is not None else None
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model in an annotation."""
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part)) is not None), None)


def _field(model: type[BaseModel], place: tuple[str, ...]) -> FieldInfo | None:
    """The field of a place, or the nearest field that contains it: the items of a list are described by the list."""
    for length in range(len(place), 0, -1):
        owner = _owner(model, place[: length - 1])
        if owner is not None and place[length - 1] in owner.model_fields:
            return owner.model_fields[place[length - 1]]
    return None
