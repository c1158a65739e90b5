"""The libraries themselves: their versions and their chatter.

In: nothing. Out: versions; logging without bars.
"""

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


def quiet_libraries() -> None:
    """No progress bars; what the libraries have to say goes to `logging`, and only that."""
    import transformers.utils.logging as transformers_logging

    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()
    transformers_logging.disable_progress_bar()
    import diffusers.utils.logging as diffusers_logging

    diffusers_logging.disable_default_handler()
    diffusers_logging.enable_propagation()
    diffusers_logging.disable_progress_bar()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
