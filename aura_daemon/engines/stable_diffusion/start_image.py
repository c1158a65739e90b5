"""The image and the mask that a picture starts from. In: their bytes. Out: pictures of the job's size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import read_picture
from aura_daemon.engines.stable_diffusion.mask import LEAST_WHITE, nothing_selected, read_mask, selects_nothing
from aura_daemon.file_names import escaped
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, Ingredient, IngredientKind

STRETCHED: Final = 0.01
"""The difference in shape between a mask and its image of which the user is told."""


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
        if self.mask is None or not selects_nothing(self._fitted_mask(self.mask, width, height)):
            return None
        return nothing_selected("the mask", f" in the part of the image that {width}x{height} shows")

    def fitted(self, width: int, height: int) -> InitImage:
        """Cropped around the middle to this shape and scaled to this size."""
        size = width, height
        picture = ImageOps.fit(self.picture, size, Image.Resampling.LANCZOS)
        if self.mask is None:
            return InitImage(picture=picture)
        return InitImage(picture=picture, mask=self._fitted_mask(self.mask, width, height))

    def around(self, drawn: Image.Image) -> Image.Image:
        """The drawn picture inside the mask, and the exact pixels of the image outside."""
        return drawn if self.mask is None else Image.composite(drawn, self.picture, self.mask)

    def holding(self, drawn: Image.Image) -> InitImage:
        """The start of a second pass over what was drawn, in the same size and with the same mask."""
        return InitImage(picture=self.around(drawn), mask=self.mask)

    def _fitted_mask(self, mask: Image.Image, width: int, height: int) -> Image.Image:
        """Stretched over the whole image, then cropped and scaled with it; black and white."""
        mask = mask.resize(self.picture.size, Image.Resampling.BILINEAR)
        mask = ImageOps.fit(mask, (width, height), Image.Resampling.BILINEAR)
        return mask.point(lambda value: 255 if value >= LEAST_WHITE else 0)


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
        warnings=(*read.warnings, *masked.warnings, *_stretched(request.mask, masked.picture, read.image)),
    )


def _stretched(name: str, mask: Image.Image, image: Image.Image) -> Iterator[str]:
    """What is told where a mask has not the shape of its image."""
    if abs(mask.width * image.height / (mask.height * image.width) - 1) > STRETCHED:
        (width, height), (across, down) = mask.size, image.size
        yield f"{name}: it is {width}x{height}, and the image {across}x{down}: it is stretched over the whole image"


def _ingredient(kind: IngredientKind, name: str, content: bytes) -> Ingredient:
    return Ingredient(kind=kind, name=escaped(name), sha256=hashlib.sha256(content).hexdigest())
