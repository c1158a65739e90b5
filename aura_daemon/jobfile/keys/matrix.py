"""The key `matrix`: lists of values for a job's other keys. In: a document, the known keys. Out: lists, or problems.

The values are checked like those of the keys themselves (`jobfile.expansion` puts them into the job), and the schema
says the same.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from aura_daemon.errors import Problem
from aura_daemon.jobfile.keys.neighbours import with_meaning
from aura_daemon.jobfile.keys.seeds import ONE_SEED_SCHEMA, is_random, seeds_of
from aura_daemon.problems import cut, nearest, shown

ABOUT_ALL: Final = frozenset({"task", "count", "matrix", "grid", "output", "tags", "notes", "priority", "pick"})
"""Keys that have one value for all combinations."""

MOST_IN_LIST: Final = 500
"""Values of one list; each of them is at least one job."""

MATRIX_DESCRIPTION: Final = (
    "keys of the job, each with a list of values, as `steps: [10, 20]`; every combination is drawn"
)


def lists_of(mapping: Mapping[str, object], can_vary: Iterable[str]) -> dict[str, list[object]]:
    """The valid lists of a job's matrix: key -> values, in the order of the file."""
    matrix = mapping.get("matrix")
    lists = matrix if isinstance(matrix, Mapping) else {}
    keys = frozenset(can_vary)
    return {key: values for key, values in lists.items() if key in keys and isinstance(values, list) and values}


def problems_of_matrix(
    mapping: Mapping[str, object], can_vary: Sequence[str], *, file: str, lines: Mapping[str, int]
) -> Iterator[Problem]:
    """Everything that is wrong with a matrix, except for the values in its lists."""
    matrix = mapping.get("matrix")
    for key, values in matrix.items() if isinstance(matrix, Mapping) else ():
        path = f"matrix.{key}"
        message, given, suggestion = "", "", ""
        if key in ABOUT_ALL:
            message = "is the same for all combinations: say it beside `matrix`"
        elif key not in can_vary:
            suggestion = nearest(key, can_vary)
            message = "unknown key" + ("" if suggestion else f"; known are {', '.join(can_vary)}")
            meant = with_meaning(Problem(key=key, message=message, suggestion=suggestion), can_vary)
            message, suggestion = meant.message, meant.suggestion
        elif values is None:
            continue
        elif not isinstance(values, list) or not 1 <= len(values) <= MOST_IN_LIST:
            message, given = f"must be a list of 1 to {MOST_IN_LIST} values of `{key}`", shown(values)
        elif mapping.get(key) is not None:
            message = f"`{key}` stands beside `matrix` too: say it in one place"
        elif key == "seed" and mapping.get("count") is not None:
            message = "`count` numbers the seeds itself: leave it out, or name one `seed` beside it"
        elif key == "seed":
            for index, value in enumerate(values):
                is_random_seed = is_random(value)
                if is_random_seed or (isinstance(value, str | list) and _is_seeds(value)):
                    line = lines.get(path)
                    message = "must be one seed; a list of them, or a range, stands beside `matrix`"
                    if is_random_seed:
                        message = "is a random seed, which stands beside `matrix`: one is drawn for all combinations"
                    yield Problem(file=file, line=line, key=f"{path}.{index}", message=message, given=shown(value))
            continue
        if message:
            line = lines.get(path, lines.get("matrix"))
            yield Problem(file=file, line=line, key=cut(path), message=message, given=given, suggestion=suggestion)


def _is_seeds(value: object) -> bool:
    """Whether a value is valid as `seed` itself; if not, checking the value reports why."""
    try:
        seeds_of(value)
    except ValueError:
        return False
    return True


def add_matrix(schema: dict[str, Any]) -> None:
    """Adds the matrix to the schema of the job, with the rules between the matrix and the other keys."""
    keys = schema["properties"]
    values = {key: copy.deepcopy(rule) for key, rule in keys.items() if key not in ABOUT_ALL}
    values["seed"] = ONE_SEED_SCHEMA
    values["image"]["pattern"] = keys["mask"]["pattern"]  # one image
    for rule in values.values():
        rule.pop("default", None)
        rule.pop("description", None)
    one_list = {"type": "array", "minItems": 1, "maxItems": MOST_IN_LIST}
    keys["matrix"] = {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    key: {"anyOf": [{**one_list, "items": rule}, {"type": "null"}]} for key, rule in values.items()
                },
                "additionalProperties": False,
            },
            {"type": "null"},
        ],
        "description": MATRIX_DESCRIPTION,
    }
    keys["prompt"]["type"].append("null")
    schema["required"].remove("prompt")
    several = {"properties": {"seed": {"type": ["array", "string"]}}, "required": ["seed"]}
    schema["allOf"] = [
        {"anyOf": [_given("prompt"), _varied("prompt")]},
        _goes_with("mask", image={"type": "string"}),
        _goes_with("strength", image={"type": "string"}),
        _goes_with("tries", verify={"type": "number", "exclusiveMinimum": 0}),
        {"not": {"allOf": [_given("count"), {"anyOf": [several, _varied("seed")]}]}},
        *({"not": {"allOf": [_given(key), _varied(key)]}} for key in values),
    ]


def _given(key: str) -> dict[str, Any]:
    return {"properties": {key: {"not": {"type": "null"}}}, "required": [key]}


def _varied(key: str, **rule: Any) -> dict[str, Any]:
    lists = {"type": "object", "properties": {key: {"type": "array", **rule}}, "required": [key]}
    return {"properties": {"matrix": lists}, "required": ["matrix"]}


def _goes_with(key: str, **needed: Mapping[str, object]) -> dict[str, Any]:
    """The rule that a key, alone or in the matrix, needs another of some kind."""
    ((other, rule),) = needed.items()
    given = {"properties": {other: rule}, "required": [other]}
    return {
        "if": {"anyOf": [_given(key), _varied(key, contains={"not": {"type": "null"}})]},
        "then": {"anyOf": [given, _varied(other, items=rule)]},
    }
