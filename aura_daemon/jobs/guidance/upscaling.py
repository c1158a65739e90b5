"""Pictures, enlarged by a model. In: nothing. Out: what is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Upscale:
    """How much larger a picture comes out, and by which model."""

    model: str | None = None
    """One of the upscalers that the configuration allows; None for the configured one."""
    scale: float | None = None
    """Times the width and height; None: as the model enlarges."""
    tile: int | None = None
    """Pixels of the side of a tile, before it is enlarged; None: what the memory that is there allows."""
