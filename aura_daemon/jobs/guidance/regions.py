"""Parts of a picture with a prompt of their own. In: nothing. Out: what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

MOST_REGIONS: Final = 8
"""Of one picture."""

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom, each from 0 to 1 of the picture's width or height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A part of a picture and what it shows: `box` or `mask` says which part."""

    prompt: str
    weight: float = 1.0
    box: Box | None = None
    mask: str | None = None
    """The name of an image that is white there."""
