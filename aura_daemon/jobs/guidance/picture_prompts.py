"""Pictures as prompts (IP-Adapter, Ye et al. 2023). In: nothing. Out: what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_PICTURE_PROMPTS: Final = 4
"""Of one picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterOnHub:
    """An adapter with a short name."""

    name: str
    repository: str
    revision: str
    adapter: str
    encoder: str
    """Names of files in the repository."""


ADAPTER_ON_HUB: Final = AdapterOnHub(
    name="ip-adapter",
    repository="h94/IP-Adapter",
    revision="018e402774aeeddd60609b4ecdb7e298259dc729",
    adapter="models/ip-adapter_sd15.safetensors",
    encoder="models/image_encoder/model.safetensors",
)
"""That of the authors of IP-Adapter for Stable Diffusion 1.5, with the CLIP ViT-H that looks for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PicturePrompt:
    """A picture that what is drawn is to be like."""

    image: str
    """The name of the image."""
    weight: float = 1.0
    model: str | None = None
    """One of the adapters that the configuration allows; None for the configured one."""
