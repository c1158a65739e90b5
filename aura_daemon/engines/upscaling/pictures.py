"""Pictures as upscalers take and give them. In: bytes, an enlarged picture. Out: a picture, a file with its texts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageChops

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.colours import Ground
from aura_daemon.engines.images.decode import read_picture
from aura_daemon.file_names import escaped
from aura_daemon.formats.picture_metadata import enlarged_texts
from aura_daemon.jobs.requests import ImageFormat, UpscaleRequest
from aura_daemon.jobs.results import Failure, FailureKind, Ingredient, IngredientKind
from aura_daemon.jobs.tasks import Task

MOST_SIDE_PX: Final = {ImageFormat.JPG: 65_500, ImageFormat.WEBP: 16_383, ImageFormat.AVIF: 65_536}
"""Of the formats that have a limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SmallPicture:
    """A picture that is to be enlarged."""

    image: Image.Image
    """Mode RGB; transparent parts are black, and others as dark as they are transparent."""
    alpha: Image.Image | None
    """Mode L; None where all is opaque."""
    texts: enlarged_texts.SourceTexts
    ingredient: Ingredient
    warnings: tuple[str, ...]


def read_small(task: Task, settings: EngineSettings) -> SmallPicture | Failure:
    """The picture of a task."""
    content = task.image or b""
    read = read_picture(content, task.image_name, settings, ground=Ground.BLACK)
    if isinstance(read, Failure):
        return read
    asked = task.request.image if isinstance(task.request, UpscaleRequest) else None
    # Without its folders, so that a sidecar that is dropped in elsewhere finds the same name.
    name, sha256 = escaped((asked or task.image_name).rpartition("/")[2]), hashlib.sha256(content).hexdigest()
    return SmallPicture(
        image=read.image,
        alpha=read.alpha,
        texts=enlarged_texts.read(content),
        ingredient=Ingredient(kind=IngredientKind.IMAGE, name=name, sha256=sha256),
        warnings=read.warnings,
    )


def with_opacity(
    enlarged: Image.Image, alpha: Image.Image | None, image_format: ImageFormat
) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture as opaque as it was, and what is to be said of that."""
    if alpha is None:
        return enlarged, ()
    alpha = alpha.resize(enlarged.size, Image.Resampling.LANCZOS)
    if image_format is ImageFormat.JPG:
        ground = Image.new("RGB", enlarged.size, "white")
        ground.paste("black", mask=alpha)
        return ImageChops.add(enlarged, ground), ("a JPEG has no transparent parts: they are white",)
    return Image.merge("RGBA", (*_undarkened(enlarged, alpha), alpha)), ()


def obstacle(size_px: tuple[int, int], image_format: ImageFormat, most_pixels: int) -> Failure | None:
    """Why a picture cannot become as large as this."""
    width, height = size_px
    most_side = MOST_SIDE_PX.get(image_format, max(size_px))
    if max(size_px) > most_side:
        message = f"it would be {width}x{height}, and {image_format} has room for {most_side:,} pixels a side"
        return Failure(kind=FailureKind.BAD_INPUT, message=message, mend="say format: png, or a smaller scale")
    if width * height > most_pixels:
        message = f"it would be {width}x{height}, more than the {most_pixels:,} pixels that are allowed"
        mend = "ask for a smaller scale, or raise limits.image_pixels"
        return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
    return None


def _undarkened(picture: Image.Image, alpha: Image.Image) -> tuple[Image.Image, ...]:
    """The channels of a picture that is as dark as it is transparent, in its own colours."""
    import numpy as np

    opacity = np.maximum(np.asarray(alpha, dtype=np.uint16), 1)
    channels = (np.asarray(channel, dtype=np.uint16) * 255 // opacity for channel in picture.split())
    return tuple(Image.fromarray(np.minimum(channel, 255).astype(np.uint8), "L") for channel in channels)
