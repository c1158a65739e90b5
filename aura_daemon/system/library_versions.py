"""Which libraries have a say in the result. In: nothing. Out: their versions; nothing is imported for them."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Final

PACKAGES: Final = ("aura-daemon", "torch", "diffusers", "transformers", "accelerate", "safetensors", "pillow")
"""Distributions whose versions decide about pixels."""


def versions() -> tuple[tuple[str, str], ...]:
    """Name and version of all that has a say in the result; read from metadata, nothing is imported."""
    found = [(name.replace("-", "_"), _version(name)) for name in PACKAGES]
    return (*found, ("python", platform.python_version()), ("platform", platform.platform()))


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
