"""The versions of the libraries that influence results. In: nothing. Out: versions; no library is imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from functools import cache
from typing import Final

PACKAGES: Final = (
    "aura-daemon",
    "torch",
    "diffusers",
    "transformers",
    "accelerate",
    "safetensors",
    "pillow",
    "pi-heif",
)
"""Distributions whose versions influence pixels."""


@cache
def versions() -> tuple[tuple[str, str], ...]:
    """Names and versions of everything that influences results, read from package metadata once."""
    found = [(name.replace("-", "_"), _version(name)) for name in PACKAGES]
    return (*found, ("python", platform.python_version()), ("platform", platform.platform()))


def is_installed(module: str) -> bool:
    """Whether a module can be imported; it is not imported."""
    return importlib.util.find_spec(module) is not None


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
