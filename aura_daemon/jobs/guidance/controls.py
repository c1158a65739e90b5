"""Maps that guide where things stand in a picture (ControlNet, Zhang et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_CONTROLS: Final = 4
"""Of one picture; three are usual."""


CONTROLNETS: Final = {
    "canny": "lllyasviel/control_v11p_sd15_canny",
    "depth": "lllyasviel/control_v11f1p_sd15_depth",
    "openpose": "lllyasviel/control_v11p_sd15_openpose",
    "lineart": "lllyasviel/control_v11p_sd15_lineart",
    "scribble": "lllyasviel/control_v11p_sd15_scribble",
    "tile": "lllyasviel/control_v11f1e_sd15_tile",
}
"""Short names of ControlNets for Stable Diffusion 1.x on the hub, by the authors of ControlNet.

Their revisions are not pinned: nothing here says which is the newest one, and a newer one may mend something.
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
