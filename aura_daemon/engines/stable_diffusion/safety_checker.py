"""What the model's own safety checker says of a picture, and what becomes of it. In: pictures. Out: pictures, flags."""

from __future__ import annotations

from typing import Any, Final

import torch
from PIL import Image, ImageFilter

from aura_daemon.config.engine import Safety
from aura_daemon.engines.placement.offload import OffloadedModule

FLAGGED: Final = {
    Safety.BLOCK: "the model's safety checker blocked this picture: it is black; another prompt or seed may pass",
    Safety.BLUR: "the model's safety checker flagged this picture: it is blurred; another prompt or seed may pass",
    Safety.MARK: "the model's safety checker flagged this picture",
}

BLUR: Final = 1 / 16
"""Radius, as a share of the shorter side: shapes are left, nothing can be made out."""


class SafetyGuard:
    """The checker of one model."""

    def __init__(self, checker: OffloadedModule | None, feature_extractor: Any, policy: Safety) -> None:
        self._checker = checker if policy is not Safety.OFF else None
        self._feature_extractor = feature_extractor
        self._policy = policy

    @property
    def checks(self) -> bool:
        """Whether there is a checker, and it is asked."""
        return self._checker is not None

    @property
    def hides(self) -> bool:
        """Whether nothing is left to be made out of what the checker flags."""
        return self._policy in (Safety.BLOCK, Safety.BLUR)

    def checked(self, picture: Image.Image) -> tuple[Image.Image, str]:
        """The picture as it may be shown, and what to say of it (nothing where it is as it was)."""
        if self._checker is None or not self._flags(self._checker, picture):
            return picture, ""
        if self._policy is Safety.BLOCK:
            picture = Image.new("RGB", picture.size)
        elif self._policy is Safety.BLUR:
            picture = picture.filter(ImageFilter.GaussianBlur(min(picture.size) * BLUR))
        return picture, FLAGGED[self._policy]

    def _flags(self, checker: OffloadedModule, picture: Image.Image) -> bool:
        model: Any = checker.module
        features = self._feature_extractor([picture], return_tensors="pt").pixel_values
        blank = torch.zeros(1, 1, 1, 3)  # the checker blackens what it is given here
        with checker.onloaded():
            _, flagged = model(images=blank, clip_input=features.to("cpu", model.dtype))
        return bool(flagged[0])
