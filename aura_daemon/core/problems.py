"""What pydantic found wrong, in words a person can act on. In: its errors, the lines. Out: problems.

What is allowed is taken from the field's own description, so that schema, README and error never part.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from aura_daemon.errors import Problem

MOST_GIVEN: Final = 60
"""Characters of a wrong value that are shown."""


def problems_of(
    error: ValidationError, model: type[BaseModel], *, file: str, lines: Mapping[str, int]
) -> tuple[Problem, ...]:
    """Every fault, in the order of the file."""
    found = [_problem(dict(fault), model, file, lines) for fault in error.errors(include_url=False)]
    return tuple(sorted(found, key=lambda problem: problem.line or 0))


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name that a misspelt one is nearest to; empty where none is near."""
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else ""


def shown(value: object) -> str:
    """A wrong value, cut short."""
    text = repr(value)
    return text if len(text) <= MOST_GIVEN else text[: MOST_GIVEN - 1] + "…"


def _problem(fault: dict[str, Any], model: type[BaseModel], file: str, lines: Mapping[str, int]) -> Problem:
    place = tuple(str(part) for part in fault["loc"])
    key = ".".join(place)
    line = lines.get(key)
    owner = _owner(model, place[:-1])
    name = place[-1] if place else ""
    if fault["type"] == "extra_forbidden":
        known = list(owner.model_fields) if owner is not None else []
        message = "unknown key"
        suggestion = nearest(name, known)
        if not suggestion and known:
            message += f"; known are {', '.join(known)}"
        return Problem(file=file, line=line, key=key, message=message, suggestion=suggestion)
    if fault["type"] == "missing":
        return Problem(file=file, line=line, key=key, message="is missing")
    if fault["type"] == "value_error":
        message = str(fault["ctx"]["error"])
        given = "" if not place else shown(fault["input"])
        return Problem(file=file, line=line, key=key, message=message, given=given)
    field = _field(model, place)
    choices = _choices(fault)
    suggestion = nearest(str(fault["input"]), choices)
    allowed = field.description if field is not None and field.description else fault["msg"].lower()
    message = f"must be one of {', '.join(choices)}" if choices else f"must be {allowed}"
    return Problem(file=file, line=line, key=key, message=message, given=shown(fault["input"]), suggestion=suggestion)


def _choices(fault: Mapping[str, Any]) -> list[str]:
    """The allowed words of a closed choice."""
    if fault["type"] not in ("enum", "literal_error"):
        return []
    expected = str(fault["ctx"]["expected"]).replace(" or ", ", ")
    return [word.strip().strip("'") for word in expected.split(", ")]


def _owner(model: type[BaseModel], place: tuple[str, ...]) -> type[BaseModel] | None:
    """The model that holds a key."""
    current: type[BaseModel] | None = model
    for part in place:
        field = current.model_fields.get(part) if current is not None else None
        kind = field.annotation if field is not None else None
        current = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return current


def _field(model: type[BaseModel], place: tuple[str, ...]) -> FieldInfo | None:
    """The nearest field on the way to a place; items of a list are described by the list."""
    for length in range(len(place), 0, -1):
        owner = _owner(model, place[: length - 1])
        if owner is not None and place[length - 1] in owner.model_fields:
            return owner.model_fields[place[length - 1]]
    return None
