"""The settings that a program wrote into its picture, as keys of a job. `infotext` and `comfyui_graph` read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureSettings:
    """The settings in a picture."""

    keys: Mapping[str, object]
    """Keys of a job, as in a job file; not checked yet."""
    model: str = ""
    model_hash: str = ""
    version: str = ""
    """Name and version of the program that made the picture, as it gives them."""
    lost: tuple[str, ...] = ()
    """What a job cannot ask for again, in words."""
