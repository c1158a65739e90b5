"""Pictures as prompts (IP-Adapter, Ye et al. 2023). In: nothing. Out: what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_PICTURE_PROMPTS: Final = 4
"""Of one picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PicturePrompt:
    """A picture that what is drawn is to be like."""

    image: str
    """The name of the image."""
    weight: float = 1.0
    model: str | None = None
    """One of the adapters that the configuration allows; None for the configured one."""
