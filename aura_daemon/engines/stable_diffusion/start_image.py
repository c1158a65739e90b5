"""The image and the mask that a picture starts from. In: their bytes. Out: pictures of the job's size."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import read_picture
from aura_daemon.file_names import escaped
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, Ingredient, IngredientKind

LEAST_WHITE: Final = 128
"""Values of a mask from here to 255 count as white."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InitImage:
    """The image that a picture starts from, mode RGB, and the mask that is white where it is drawn anew, mode L."""

    picture: Image.Image
    mask: Image.Image | None = None
    ingredients: tuple[Ingredient, ...] = ()
    """The files that they come from."""

    @property
    def remark(self) -> str:
        """A warning for the user; empty where there is none."""
        nothing = self.mask is not None and not any(self.mask.histogram()[LEAST_WHITE:])
        return "the mask is nowhere white, so nothing was drawn anew" if nothing else ""

    def fitted(self, width: int, height: int) -> InitImage:
        """Cropped around the middle to this shape and scaled to this size."""
        size = width, height
        picture = ImageOps.fit(self.picture, size, Image.Resampling.LANCZOS)
        if self.mask is None:
            return InitImage(picture=picture)
        mask = self.mask.resize(self.picture.size, Image.Resampling.BILINEAR)  # a mask covers the whole image
        mask = ImageOps.fit(mask, size, Image.Resampling.BILINEAR)
        return InitImage(picture=picture, mask=mask.point(lambda value: 255 if value >= LEAST_WHITE else 0))

    def around(self, drawn: Image.Image) -> Image.Image:
        """The drawn picture inside the mask, and the exact pixels of the image outside."""
        return drawn if self.mask is None else Image.composite(drawn, self.picture, self.mask)

    def holding(self, drawn: Image.Image) -> InitImage:
        """The start of a second pass over what was drawn, in the same size and with the same mask."""
        return InitImage(picture=self.around(drawn), mask=self.mask)


def read_start(
    request: GenerateRequest, image: bytes | None, mask: bytes | None, settings: EngineSettings
) -> InitImage | Failure | None:
    """The image and the mask that a request names, decoded; None where it names none."""
    if request.image is None:
        return None
    picture = read_picture(image or b"", request.image, settings)
    if isinstance(picture, Failure):
        return picture
    ingredients = [_ingredient(IngredientKind.IMAGE, request.image, image or b"")]
    if request.mask is None:
        return InitImage(picture=picture, ingredients=tuple(ingredients))
    masked = read_picture(mask or b"", request.mask, settings, ground="black")  # transparent is not white
    if isinstance(masked, Failure):
        return masked
    ingredients.append(_ingredient(IngredientKind.MASK, request.mask, mask or b""))
    return InitImage(picture=picture, mask=masked.convert("L"), ingredients=tuple(ingredients))


def _ingredient(kind: IngredientKind, name: str, content: bytes) -> Ingredient:
    return Ingredient(kind=kind, name=escaped(name), sha256=hashlib.sha256(content).hexdigest())
