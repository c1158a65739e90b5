"""A report as bytes, in the process that says it. In: a data class. Out: JSON, and the byte strings behind it.

Whoever opens strangers' pictures may be taken over by one: what it sends is read as data, never as objects that could
run code (`decoding`). A data class becomes an object of its fields and, under `is`, its name; bytes become a number,
and follow as they are.
"""

from __future__ import annotations

import json
import struct
from dataclasses import fields, is_dataclass
from functools import cache
from numbers import Integral, Real
from typing import Any, Final

KIND: Final = "is"
"""The key of a data class's name: no field can be called so."""

BLOB: Final = "bytes"
"""The only key of an object that stands for bytes: their number among those that follow."""

HEAD: Final = struct.Struct("!I")
"""Length of the JSON, before it."""


def encoded(report: object) -> list[bytes]:
    """The pieces of a frame, in their order; raises TypeError for what no report holds, ValueError for NaN."""
    blobs: list[bytes] = []

    def plain(thing: Any) -> Any:
        match thing:
            case bytes():
                blobs.append(thing)
                return {BLOB: len(blobs) - 1}
            case Integral():  # numpy's
                return int(thing)
            case Real():
                return float(thing)
            case _ if is_dataclass(thing):
                kind: Any = type(thing)
                return {KIND: kind.__name__, **{name: getattr(thing, name) for name in _names(kind)}}
            case _:
                raise TypeError(f"{type(thing).__name__} cannot be reported")

    content = json.dumps(report, default=plain, allow_nan=False, separators=(",", ":"))
    sizes = json.dumps([len(blob) for blob in blobs], separators=(",", ":"))
    told = f"[{sizes},{content}]".encode("ascii")
    return [HEAD.pack(len(told)) + told, *blobs]


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
