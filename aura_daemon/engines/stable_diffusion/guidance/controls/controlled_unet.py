"""A UNet that maps guide (ControlNet, Zhang et al. 2023), in the place of a pipeline's own.

In: calls as diffusers makes them. Out: noise. ControlNets see what the UNet sees, and their residuals are added up, as
diffusers' own ControlNet pipelines do, so the pixels are theirs; and text, image, mask, second pass and every scheduler
keep the plain pipelines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import torch

from aura_daemon.jobs.guidance.controls import Control, ControlMode

FADING: Final = 0.825
"""Share of a residual that the one next to it, nearer to the picture, has, where the prompt counts for more.

AUTOMATIC1111's figure. diffusers' `guess_mode` has 10 ** (-1 / 12) for twelve residuals and the middle one: the same.
"""

Residuals: TypeAlias = tuple[list[torch.Tensor], torch.Tensor]
"""Of the blocks on the way down, and of the block in the middle."""


@dataclass(kw_only=True, slots=True)
class MapInUse:
    """A map, the network that reads it, and whether it has guided a step of this pass."""

    control: Control
    net: Any
    """Called as diffusers' `ControlNetModel`."""
    pixels: torch.Tensor = field(repr=False)
    """float32 `[1, 3, H, W]` in [0, 1]."""
    has_guided: bool = False
    _shown: tuple[tuple[object, ...], torch.Tensor] | None = field(default=None, repr=False)

    def shown(self, pixels: torch.Tensor, like: torch.Tensor, rows: int) -> torch.Tensor:
        """`pixels`, all or a part of its own, for so many rows: in each step the tensor that the network knows."""
        what = (pixels.data_ptr(), pixels.shape, pixels.stride(), like.dtype, like.device, rows)
        if self._shown is None or self._shown[0] != what:
            self._shown = what, pixels.to(like).expand(rows, -1, -1, -1).contiguous()
        return self._shown[1]

    def guides(self, step: int, steps: int) -> bool:
        """Whether it guides a step, counted from 0; diffusers' `control_guidance_start` and `control_guidance_end`."""
        control = self.control
        return step / steps >= control.start and (step + 1) / steps <= control.end

    @property
    def guides_prompts_alone(self) -> bool:
        """Whether the rows of negative prompts are left alone."""
        return self.control.mode is ControlMode.CONTROL or bool(self.net.config.global_pool_conditions)


class GuidedSteps:
    """Where a pass is: the step, and which rows of the call that is computed now are of prompts."""

    def __init__(self, count: Callable[[], int]) -> None:
        """`count`: how many steps there are, known when the first begins."""
        self._count = count
        self.now = -1
        self.prompts: Sequence[bool] | None = None
        """None: as diffusers has them, those of negative prompts first."""
        self.view: Callable[[torch.Tensor], torch.Tensor] = lambda pixels: pixels
        """The part of the picture's pixels that is computed now."""

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count()

    def tell(self, prompts: Sequence[bool]) -> None:
        """Which rows of the next call are of prompts, where they are not as diffusers has them."""
        self.prompts = prompts


class SteppingUNet:
    """Counts the steps: it stands outside of all that calls the UNet several times in a step, or for fewer rows."""

    def __init__(self, unet: Any, steps: GuidedSteps) -> None:
        self._unet = unet
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """As in diffusers, once a step."""
        self._steps.now += 1
        return self._unet(*arguments, **named)


class ControlledUNet:
    """Stands where the UNet of a pipeline stands, for one pass."""

    def __init__(
        self,
        unet: Any,
        maps: Sequence[MapInUse],
        steps: GuidedSteps,
        *,
        pictures: int,
        row_by_row: bool = False,
        beside_texts: int = 0,
    ) -> None:
        """`pictures`: of the batch; all have the same maps. `row_by_row`: no more is in memory than one row takes."""
        self._unet = unet
        self._maps = maps
        self._steps = steps
        self._pictures = pictures
        self._row_by_row = row_by_row
        self._beside_texts = beside_texts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    def __call__(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **arguments: Any
    ) -> tuple[torch.Tensor]:
        """As in diffusers: `sample` `[rows, C, H / 8, W / 8]`, one row a picture, with guidance one more for each."""
        rows = len(sample)
        told = self._steps.prompts
        half = rows // 2 if rows > self._pictures else 0
        prompts = list(told) if told is not None else [number >= half for number in range(rows)]
        at_once = 1 if self._row_by_row else rows
        noise = []
        for start in range(0, rows, at_once):
            part = slice(start, start + at_once)
            of_part = {
                name: value[part] if name == "timestep_cond" and value is not None else value
                for name, value in arguments.items()
            }
            noise.append(self._computed(sample[part], timestep, encoder_hidden_states[part], prompts[part], of_part))
        return (torch.cat(noise) if len(noise) > 1 else noise[0],)

    def _computed(
        self,
        sample: torch.Tensor,
        timestep: Any,
        texts: torch.Tensor,
        prompts: Sequence[bool],
        arguments: dict[str, Any],
    ) -> torch.Tensor:
        residuals = None
        read = texts[:, : texts.shape[1] - self._beside_texts]
        for one in self._maps:
            if not one.guides(self._steps.now, self._steps.count):
                continue
            one.has_guided = True
            pixels = self._steps.view(one.pixels)
            residuals = _added(residuals, _residuals(one, pixels, sample, timestep, read, prompts))
        given = dict(arguments, return_dict=False)
        if residuals is not None:
            down, middle = residuals
            given |= {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        noise: torch.Tensor = self._unet(sample, timestep, encoder_hidden_states=texts, **given)[0]
        return noise


@contextmanager
def guided_by_maps(
    pipe: Any, maps: Sequence[MapInUse], *, pictures: int, row_by_row: bool, beside_texts: int = 0
) -> Iterator[GuidedSteps | None]:
    """Has maps guide a pipeline's UNet meanwhile; whoever wraps it then has to count the steps, where there are any.

    `beside_texts`: tokens behind each text that are for the UNet alone.
    """
    if not maps:
        yield None
        return
    whole, steps = pipe.unet, GuidedSteps(lambda: int(pipe.num_timesteps))
    pipe.unet = ControlledUNet(whole, maps, steps, pictures=pictures, row_by_row=row_by_row, beside_texts=beside_texts)
    try:
        yield steps
    finally:
        pipe.unet = whole


def _residuals(
    one: MapInUse,
    pixels: torch.Tensor,
    sample: torch.Tensor,
    timestep: Any,
    texts: torch.Tensor,
    prompts: Sequence[bool],
) -> Residuals | None:
    """What one network adds to the UNet's blocks; None where it leaves all of these rows alone."""
    chosen = [number for number, is_prompt in enumerate(prompts) if is_prompt or not one.guides_prompts_alone]
    if not chosen:
        return None
    control, is_whole = one.control, len(chosen) == len(sample)
    seen, read = (sample, texts) if is_whole else (sample[chosen], texts[chosen])
    fades = control.mode is ControlMode.PROMPT
    down, middle = one.net(
        seen[:, : one.net.config.in_channels],  # a UNet for inpainting is told the mask beside the latents
        timestep,
        encoder_hidden_states=read,
        controlnet_cond=one.shown(pixels, sample, len(seen)),
        conditioning_scale=1.0 if fades else control.weight,
        guess_mode=one.guides_prompts_alone,
        return_dict=False,
    )
    if fades:
        shares = [control.weight * FADING ** (len(down) - number) for number in range(len(down) + 1)]
        *down, middle = (tensor * share for tensor, share in zip((*down, middle), shares, strict=True))
    if is_whole:
        return list(down), middle
    places = torch.tensor(chosen, device=sample.device)
    return [_among(tensor, places, len(sample)) for tensor in down], _among(middle, places, len(sample))


def _among(tensor: torch.Tensor, places: torch.Tensor, rows: int) -> torch.Tensor:
    """These rows at their places among so many, zeros between them."""
    return tensor.new_zeros(rows, *tensor.shape[1:]).index_copy_(0, places, tensor)


def _added(before: Residuals | None, more: Residuals | None) -> Residuals | None:
    if before is None or more is None:
        return more if before is None else before
    return [one + another for one, another in zip(before[0], more[0], strict=True)], before[1] + more[1]
