"""The image and the mask that a picture starts from. In: their bytes. Out: pictures of the job's size."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from PIL import Image, ImageOps

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import read_picture
from aura_daemon.engines.stable_diffusion.mask import (
    fitted_mask,
    nothing_selected,
    read_mask,
    selects_nothing,
    stretched,
)
from aura_daemon.file_names import escaped
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, Ingredient, IngredientKind


@dataclass(frozen=True, kw_only=True, slots=True)
class InitImage:
    """The image that a picture starts from, mode RGB, and the mask that is white where it is drawn anew, mode L."""

    picture: Image.Image
    mask: Image.Image | None = None
    ingredients: tuple[Ingredient, ...] = ()
    """The files that they come from."""
    warnings: tuple[str, ...] = ()
    """What was read otherwise than the owner of the files may expect."""

    def obstacle(self, width: int, height: int) -> Failure | None:
        """Why nothing can be drawn in this size: what the mask selects is cropped away."""
        if self.mask is None or not selects_nothing(fitted_mask(self.mask, self.picture.size, (width, height))):
            return None
        return nothing_selected("the mask", f" in the part of the image that {width}x{height} shows")

    def fitted(self, width: int, height: int) -> InitImage:
        """Cropped around the middle to this shape and scaled to this size."""
        size = width, height
        picture = ImageOps.fit(self.picture, size, Image.Resampling.LANCZOS)
        if self.mask is None:
            return InitImage(picture=picture)
        return InitImage(picture=picture, mask=fitted_mask(self.mask, self.picture.size, size))

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
    read = read_picture(image or b"", request.image, settings)
    if isinstance(read, Failure):
        return read
    ingredients = [_ingredient(IngredientKind.IMAGE, request.image, image or b"")]
    if request.mask is None:
        return InitImage(picture=read.image, ingredients=tuple(ingredients), warnings=read.warnings)
    masked = read_mask(mask or b"", request.mask, settings)
    if isinstance(masked, Failure):
        return masked
    ingredients.append(_ingredient(IngredientKind.MASK, request.mask, mask or b""))
    return InitImage(
        picture=read.image,
        mask=masked.picture,
        ingredients=tuple(ingredients),
        warnings=(*read.warnings, *masked.warnings, *stretched(request.mask, masked.picture, read.image.size)),
    )


def _ingredient(kind: IngredientKind, name: str, content: bytes) -> Ingredient:
    return Ingredient(kind=kind, name=escaped(name), sha256=hashlib.sha256(content).hexdigest())
