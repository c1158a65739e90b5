"""The maps of one picture: what guides its passes, and what is told of them. In: a request, its images, networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aura_daemon.engines.stable_diffusion.guidance.controls.controlled_unet import MapInUse
from aura_daemon.engines.stable_diffusion.guidance.controls.maps import fitted, numbers_of, oddities, prepared
from aura_daemon.engines.stable_diffusion.guidance.controls.nets import ControlNets
from aura_daemon.engines.stable_diffusion.guidance.inputs import PictureInputs
from aura_daemon.file_names import escaped
from aura_daemon.jobs.guidance.controls import Control, ControlledPass, ControlMode
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import Ingredient, IngredientKind

NET_WORK: Final = 0.35
"""Operations of a ControlNet by those of the UNet: of Stable Diffusion 1.x 0.353 at 512 px and 0.360 at 768, as
torch's `FlopCounterMode` counts them."""


class ControlMaps:
    """Those of a request: all pictures of a batch have the same."""

    def __init__(self, resolved: ResolvedGenerate, inputs: PictureInputs, nets: ControlNets) -> None:
        self._controls = resolved.control
        self._has_second = resolved.hires is not None
        self._images = inputs.further
        self._nets = nets
        self._told: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the images, and of the passes so far, is other than the owner may expect."""
        return tuple(self._told)

    @property
    def ingredients(self) -> tuple[Ingredient, ...]:
        """Images and networks."""
        names = dict.fromkeys(control.image for control in self._controls)
        images = (self._images[name].ingredient(IngredientKind.CONTROL_IMAGE) for name in names)
        return (*images, *(self._nets.ingredients if self._controls else ()))

    def of_pass(self, number: int, width: int, height: int) -> list[MapInUse]:
        """What guides a pass of this size; `number`: 0 for the first."""
        return [self._in_use(one, width, height) for one in self._controls if one.weight and self._guides(one, number)]

    def work(self, number: int, *, guided: bool) -> float:
        """What the networks compute in a step of a pass, on the average, by what the UNet computes."""
        guiding = (one for one in self._controls if one.weight and self._guides(one, number))
        return sum(
            NET_WORK * (one.end - one.start) * (0.5 if guided and one.mode is ControlMode.CONTROL else 1.0)
            for one in guiding
        )

    def pass_ended(self, maps: Sequence[MapInUse]) -> None:
        """Tells of maps that guided nothing."""
        for one in maps:
            if one.has_guided:
                continue
            control = one.control
            self._tell(
                f"{escaped(control.image)}: it guided no step: there is none from {control.start:g} to {control.end:g}"
            )

    def _guides(self, control: Control, number: int) -> bool:
        """Where there is one pass alone, every map guides it."""
        wanted = ControlledPass.SECOND if number else ControlledPass.FIRST
        return not self._has_second or control.hires in (ControlledPass.BOTH, wanted)

    def _in_use(self, control: Control, width: int, height: int) -> MapInUse:
        image = self._images[control.image]
        drawn = prepared(fitted(image.picture, width, height), control.prepare)
        for text in (*image.warnings, *oddities(escaped(control.image), image.picture, drawn, width, height)):
            self._tell(text)
        return MapInUse(control=control, net=self._nets.named(control.model), pixels=numbers_of(drawn))

    def _tell(self, text: str) -> None:
        self._told[text] = None
