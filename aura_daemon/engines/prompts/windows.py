"""How a long prompt is cut into the windows that a text encoder reads. In: tokens. Out: windows of them.

As A1111 does: 75 tokens a window, beside the two that mark begin and end; where a comma is near the end of a full
window, the cut is behind the comma, so that a phrase stays whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

ROOM: Final = 75
"""Tokens of a window of 77."""

COMMA_REACH: Final = 20
"""Tokens from the end of a window in which a comma is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One row of a textual inversion: a vector in place of a token's."""

    name: str
    version: tuple[int, int]
    """Of its file: size in bytes and time of change in nanoseconds."""
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One place in a window."""

    number: int
    weight: float = 1.0
    vector: Vector | None = None


Unit: TypeAlias = tuple[Token, ...]
"""Tokens that stay together: one, or all rows of a textual inversion; no more than a window has room for."""

Window: TypeAlias = tuple[Token, ...]


def windows(sections: Iterable[Sequence[Unit]], *, comma: int | None, room: int = ROOM) -> tuple[Window, ...]:
    """At least one window; every section starts a new one, which only the last may do without."""
    done: list[Window] = []
    for section in sections:
        done += _cut(section, comma, room)
    return tuple(done if done[-1] or len(done) == 1 else done[:-1])


def _cut(section: Sequence[Unit], comma: int | None, room: int) -> list[Window]:
    """The windows of one section, at least one."""
    done: list[Window] = []
    window: list[Token] = []
    last_comma: int | None = None

    def full(kept: int) -> None:
        nonlocal last_comma
        done.append(tuple(window[:kept]))
        del window[:kept]
        last_comma = None

    for unit in section:
        if unit[0].number == comma and unit[0].vector is None:
            last_comma = len(window)
        elif len(window) == room and last_comma is not None and room - last_comma <= COMMA_REACH:
            full(last_comma + 1)
        if len(window) + len(unit) > room:
            full(len(window))
        window += unit
    return [*done, tuple(window)]
