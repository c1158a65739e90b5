"""Variables that override keys of the configuration. In: an environment. Out: keys and values, as a file gives them.

`AURA_SETTLE` is the key `settle`, `AURA_GENERATE__MODEL` the key `model` of the section `generate`. Names are in
capitals, so that no two variables mean the same. An empty variable is none; `null` is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aura_daemon.config.settings import PREFIX, Settings

NULL: Final = "null"

_OPENINGS: Final[Mapping[Any, str]] = {tuple: "[", dict: "{"}
"""Type of a value that JSON may hold -> how its text begins then."""


def variables(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> Iterator[str]:
    """The names of all variables that are keys."""
    for key, field in model.model_fields.items():
        yield prefix + key.upper()
        if (section := _section(field)) is not None:
            yield from variables(section, f"{prefix}{key.upper()}__")


def merged(values: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, object]:
    """The values of a file, overridden by variables."""
    return _merged(values, environment, Settings, PREFIX)


def _merged(
    values: Mapping[str, object], environment: Mapping[str, str], model: type[BaseModel], prefix: str
) -> dict[str, object]:
    merged = dict(values)
    for key, field in model.model_fields.items():
        variable = prefix + key.upper()
        if text := environment.get(variable):
            merged[key] = _value(text, field)
        elif (section := _section(field)) is not None and not isinstance(given := merged.get(key, {}), str | list):
            inner = _merged(given if isinstance(given, Mapping) else {}, environment, section, f"{variable}__")
            if inner:
                merged[key] = inner
    return merged


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a section; None for a key that holds a value."""
    annotation: Any = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _value(text: str, field: FieldInfo) -> object:
    if text == NULL:
        return None
    opening = _OPENINGS.get(get_origin(field.annotation))
    if opening is not None and text.startswith(opening):
        try:
            return json.loads(text)
        except ValueError:
            return text  # `[image, prompt]`, which the key itself may read
    return text
