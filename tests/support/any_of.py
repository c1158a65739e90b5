"""Any value of a type, for tests that try many: data classes, unions, tuples, choices."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63) + 1, 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(max_size=8),
    bool: st.booleans(),
    bytes: st.binary(max_size=8),
    NoneType: st.none(),
}


@cache  # what a strategy has found out about itself is kept with it
def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type that a report may hold."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return st.one_of(*map(any_of, inner))
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(any_of(inner[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(any_of, inner))
    if origin is Literal:
        return st.sampled_from(inner)
    if is_dataclass(kind):
        hints: dict[str, Any] = get_type_hints(kind)
        made: Any = kind
        return st.deferred(lambda: st.builds(made, **{one.name: any_of(hints[one.name]) for one in fields(kind)}))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    return SIMPLE[kind]
