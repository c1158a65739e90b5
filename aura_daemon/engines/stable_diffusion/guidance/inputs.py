"""All pictures that a job draws with. In: a task. Out: decoded pictures, or why the job cannot be done."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from PIL import Image

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import read_picture
from aura_daemon.engines.stable_diffusion.guidance.regions.places import RegionMask, read_region_masks
from aura_daemon.engines.stable_diffusion.start_image import InitImage, read_start
from aura_daemon.file_names import escaped
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, Ingredient, IngredientKind
from aura_daemon.jobs.tasks import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class FurtherImage:
    """A picture beside image and mask, mode RGB."""

    picture: Image.Image
    name: str
    sha256: str
    """Of its file."""
    warnings: tuple[str, ...] = ()

    def ingredient(self, kind: IngredientKind) -> Ingredient:
        """The file, as the sidecar names it."""
        return Ingredient(kind=kind, name=escaped(self.name), sha256=self.sha256)


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureInputs:
    """What a picture is drawn from beside its prompt."""

    start: InitImage | None = None
    further: Mapping[str, FurtherImage] = field(default_factory=dict)
    """Maps and pictures, by the names that the request has for them."""
    region_masks: Mapping[str, RegionMask] = field(default_factory=dict)

    def warnings_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """What was read otherwise than the owners of these files may expect."""
        return tuple(text for name in dict.fromkeys(names) for text in self.further[name].warnings)


def read_inputs(task: Task, settings: EngineSettings) -> PictureInputs | Failure:
    """Decodes what the request names."""
    request = task.request
    assert isinstance(request, GenerateRequest)
    start = read_start(request, task.image, task.mask, settings)
    if isinstance(start, Failure):
        return start
    masks = read_region_masks(task, settings)
    if isinstance(masks, Failure):
        return masks
    further = {}
    maps, pictures = (one.image for one in request.control), (one.image for one in request.like)
    for name in dict.fromkeys((*maps, *pictures)):
        content = task.further_images.get(name, b"")
        read = read_picture(content, name, settings)
        if isinstance(read, Failure):
            return read
        sha256 = hashlib.sha256(content).hexdigest()
        further[name] = FurtherImage(picture=read.image, name=name, sha256=sha256, warnings=read.warnings)
    return PictureInputs(start=start, further=further, region_masks=masks)
