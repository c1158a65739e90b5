"""Maps that guide where things stand in a picture (ControlNet, Zhang et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_CONTROLS: Final = 4
"""Of one picture; three are usual."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetOnHub:
    """A ControlNet with a short name."""

    repository: str
    revision: str
    file: str = ""
    """Its own, of a repository of several; empty: the repository is a folder in diffusers format."""

    @property
    def model(self) -> str:
        """Its whole name."""
        return f"{self.repository}/{self.file}" if self.file else self.repository

    @property
    def published(self) -> str:
        """Its name in other programs, as its authors gave it."""
        return self.model.rpartition("/")[2].removesuffix("_fp16.safetensors")


_SAFETENSORS: Final = {
    "repository": "comfyanonymous/ControlNet-v1-1_fp16_safetensors",
    "revision": "ab830a51c5c573a5b85bfdbaa3ae0ab7e1baf5f7",
}
"""All of them, in half precision."""

CONTROLNETS: Final = {
    "canny": NetOnHub(
        repository="lllyasviel/control_v11p_sd15_canny", revision="115a470d547982438f70198e353a921996e2e819"
    ),
    "depth": NetOnHub(
        repository="lllyasviel/control_v11f1p_sd15_depth", revision="539f99181d33db39cf1af2e517cd8056785f0a87"
    ),
    "openpose": NetOnHub(
        repository="lllyasviel/control_v11p_sd15_openpose", revision="9ae9f970358db89e211b87c915f9535c6686d5ba"
    ),
    "lineart": NetOnHub(
        repository="lllyasviel/control_v11p_sd15_lineart", revision="8a158f547e031c5b8fbca19ead09a74767ff4db0"
    ),
    "scribble": NetOnHub(file="control_v11p_sd15_scribble_fp16.safetensors", **_SAFETENSORS),
    "tile": NetOnHub(file="control_v11f1e_sd15_tile_fp16.safetensors", **_SAFETENSORS),
}
"""Short names of the ControlNets for Stable Diffusion 1.x, by the authors of ControlNet.

Their own repository of `tile` has a pickle alone, and no revision of that of `scribble` is known here.
"""

EMBEDDED_READS: Final = ("canny", "lineart", "scribble")
"""Short names that mean the embedded model's own ControlNet, where that model draws: it reads edges and silhouettes."""


class ControlMode(StrEnum):
    """What counts where prompt and map contradict each other."""

    BALANCED = "balanced"
    PROMPT = "prompt"
    """The map counts less and less towards the middle of the UNet, as in AUTOMATIC1111."""
    CONTROL = "control"
    """The map guides the prompt alone, so that guidance pulls towards it too."""


class Preparation(StrEnum):
    """What makes a map of a picture; those that need no weights of their own."""

    NONE = "none"
    """The picture is the map."""
    CANNY = "canny"
    SCRIBBLE = "scribble"
    GREY = "grey"
    TILE = "tile"
    BLUR = "blur"


class ControlledPass(StrEnum):
    """Which passes of a picture with a second pass a map guides."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """A map, and the ControlNet that reads it."""

    image: str
    """The name of the image."""
    model: str
    """One of the ControlNets that the configuration allows."""
    weight: float = 1.0
    start: float = 0.0
    """Share of the steps after which it begins to guide."""
    end: float = 1.0
    """Share of the steps after which it guides no more."""
    mode: ControlMode = ControlMode.BALANCED
    prepare: Preparation = Preparation.NONE
    hires: ControlledPass = ControlledPass.BOTH
