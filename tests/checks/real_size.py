"""The models of real size with random weights, where the checks keep them."""

from __future__ import annotations

import os
from pathlib import Path

from aura_daemon.bench.children.random_models import captioner, generator, once, write_captioner, write_generator
from aura_daemon.bench.children.random_names import CAPTIONER, GENERATOR

__all__ = ["CAPTIONER", "GENERATOR", "cache", "captioner", "generator", "once", "write_captioner", "write_generator"]


def cache() -> Path:
    """Where the models lie from one check to the next."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "aura-daemon-checks"
