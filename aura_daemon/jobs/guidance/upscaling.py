"""Pictures, enlarged by a model. In: nothing. Out: what is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aura_daemon.jobs.prompts.lora_names import EXTENSION, names_meant

MOST_SCALE: Final = 8
"""Times the width and height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upscale:
    """How much larger a picture comes out, and by which model."""

    model: str | None = None
    """One of the upscalers that the configuration allows; None for the configured one."""
    scale: float | None = None
    """Times the width and height; None: as the model enlarges."""
    tile: int | None = None
    """Pixels of the side of a tile, before it is enlarged; None: what the memory that is there allows."""


def upscalers_meant(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The upscalers that a name may mean: one, none, or several that it does not tell apart; as names of LoRAs."""
    return names_meant(name, known)


def upscaler_label(name: str) -> str:
    """What jobs call an upscaler that the configuration names by a path, or by its file on the hub."""
    return name.rstrip("/").rpartition("/")[2].removesuffix(EXTENSION) if EXTENSION in name else name
