"""Ages and sizes as people write them: `30d`, `10 GB`. In: a value of the configuration. Out: seconds, bytes."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

_UNITS_S: Final = {
    "s": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400,
    "w": 604_800, "week": 604_800, "y": 31_557_600, "year": 31_557_600,
}  # fmt: skip
"""Each may end in `s`."""
_UNITS_BYTES: Final = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_AMOUNT: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)

AGE: Final = "an age such as 30d (s, min, h, d, w or y), or null: for ever"
SIZE: Final = "a size such as 10 GB (kB, MB, GB, TB, KiB, MiB, GiB, TiB), or null: as much as there is"


def no_boolean(value: object) -> object:
    """Raises ValueError for `true`, which Python takes for the number 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def seconds_of(value: object) -> object:
    """An age in seconds; raises ValueError for what is none. A number without a unit is refused: it could be days."""
    if value is None:
        return None
    if not isinstance(value, str) or not (seconds := duration_s(value)):
        raise ValueError(f"must be {AGE}")
    return seconds


def duration_s(text: str) -> float | None:
    """Seconds of `30d`, `2 hours`, `1.5h`; None for any other text."""
    if (found := _AMOUNT.fullmatch(text)) is None:
        return None
    unit = found[2].lower()
    unit_s = _UNITS_S.get(unit) or _UNITS_S.get(unit.removesuffix("s"))
    return float(found[1]) * unit_s if unit_s else None


def bytes_of(value: object) -> object:
    """A size in bytes; raises ValueError for what is none."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2].lower() not in _UNITS_BYTES:
        raise ValueError(f"must be {SIZE}")
    return int(float(found[1]) * _UNITS_BYTES[found[2].lower()])


Number = Annotated[float, BeforeValidator(no_boolean)]
NumberOrNull = Annotated[float | None, BeforeValidator(no_boolean)]
Whole = Annotated[int, BeforeValidator(no_boolean)]
Age = Annotated[float | None, BeforeValidator(seconds_of), WithJsonSchema({"type": ["string", "null"]})]
"""Seconds; None: for ever."""
Size = Annotated[int | None, BeforeValidator(bytes_of), WithJsonSchema({"type": ["string", "integer", "null"]})]
"""Bytes; None: as much as there is."""
