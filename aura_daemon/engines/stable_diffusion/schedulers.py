"""Samplers by name. In: our name, a model's own configuration, steps. Out: diffusers' scheduler."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import diffusers
import numpy
import torch

from aura_daemon.jobs.sampling import Scheduler

_KARRAS: Final = {"use_karras_sigmas": True}
_PLAIN: Final = {"use_karras_sigmas": False}
_MULTISTEP: Final = {"algorithm_type": "dpmsolver++", "solver_order": 2}
_MULTISTEP_SDE: Final = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}
_SINGLESTEP_SDE: Final = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2, "lower_order_final": True}
_LATENTS: Final = {"clip_sample": False, "set_alpha_to_one": False}
"""As Stable Diffusion's own configuration says; where another kind of scheduler's does not, diffusers' default cuts
latents at 1, as if they were pixels, and what is drawn is noise."""


class _LinearMultistep(diffusers.LMSDiscreteScheduler):  # type: ignore[misc]
    """diffusers' own, which from an image takes the first step for the last of four: 0.42 counts the steps that were
    skipped (`step_index`), not those that it has seen, and what is drawn is spoilt."""

    def step(
        self,
        model_output: torch.Tensor,
        timestep: float,
        sample: torch.Tensor,
        order: int = 4,
        return_dict: bool = True,
    ) -> Any:
        """One step; the first four are of order 1 to 4. From noise these are diffusers' bits."""
        return super().step(model_output, timestep, sample, min(len(self.derivatives) + 1, order), return_dict)


_OURS: Final = {Scheduler.LMS: _LinearMultistep, Scheduler.LMS_KARRAS: _LinearMultistep}
"""Classes of our own in place of diffusers'."""

SCHEDULERS: Final[dict[Scheduler, tuple[str, dict[str, Any]]]] = {
    Scheduler.DPMPP_2M_KARRAS: ("DPMSolverMultistepScheduler", _MULTISTEP | _KARRAS),
    Scheduler.DPMPP_2M: ("DPMSolverMultistepScheduler", _MULTISTEP | _PLAIN),
    Scheduler.DPMPP_SDE_KARRAS: ("DPMSolverSinglestepScheduler", _SINGLESTEP_SDE | _KARRAS),
    Scheduler.DPMPP_SDE: ("DPMSolverSinglestepScheduler", _SINGLESTEP_SDE | _PLAIN),
    Scheduler.DPMPP_2M_SDE_KARRAS: ("DPMSolverMultistepScheduler", _MULTISTEP_SDE | _KARRAS),
    Scheduler.DPMPP_2M_SDE: ("DPMSolverMultistepScheduler", _MULTISTEP_SDE | _PLAIN),
    Scheduler.EULER: ("EulerDiscreteScheduler", _PLAIN),
    Scheduler.EULER_A: ("EulerAncestralDiscreteScheduler", {}),
    Scheduler.HEUN: ("HeunDiscreteScheduler", _PLAIN),
    Scheduler.LMS_KARRAS: ("LMSDiscreteScheduler", _KARRAS),
    Scheduler.LMS: ("LMSDiscreteScheduler", _PLAIN),
    Scheduler.DDIM: ("DDIMScheduler", _LATENTS),
    Scheduler.PNDM: ("PNDMScheduler", {"skip_prk_steps": True}),
    Scheduler.UNIPC: ("UniPCMultistepScheduler", _PLAIN),
    Scheduler.LCM: ("LCMScheduler", {}),
    Scheduler.ALIGN_YOUR_STEPS: ("DPMSolverMultistepScheduler", _MULTISTEP | _PLAIN),
}
"""Our names -> diffusers' class and what it is told beyond the model's own scheduler configuration."""

ALIGNED_SIGMAS: Final = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152)
"""Sabour et al. 2024, Align Your Steps: noise levels of ten steps, for Stable Diffusion 1.x."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenScheduler:
    """A scheduler for one picture, and what its pipeline is told of the steps."""

    scheduler: Any
    steps: dict[str, Any]


def scheduler_for(name: Scheduler, own_config: dict[str, Any], steps: int) -> ChosenScheduler:
    """A fresh scheduler: some keep what they saw from one picture to the next."""
    class_name, told = SCHEDULERS[name]
    if name is Scheduler.LCM:  # its schedule is a selection from so many steps
        told = {"original_inference_steps": max(50, steps)}
    scheduler_class: Any = _OURS.get(name) or getattr(diffusers, class_name)
    scheduler = scheduler_class.from_config(own_config, **told)
    if name is Scheduler.ALIGN_YOUR_STEPS:
        return ChosenScheduler(
            scheduler=scheduler, steps={"timesteps": aligned_timesteps(scheduler.alphas_cumprod, steps)}
        )
    return ChosenScheduler(scheduler=scheduler, steps={"num_inference_steps": steps})


def aligned_timesteps(alphas_cumprod: torch.Tensor, steps: int) -> list[int]:
    """Falling timesteps at which a model has the noise of Align Your Steps; other numbers than ten by interpolation.

    `alphas_cumprod`: `[T]`. The authors interpolate the logarithms of the noise levels.
    """
    own = (((1 - alphas_cumprod.double()) / alphas_cumprod.double()) ** 0.5).log().numpy()
    known = [math.log(sigma) for sigma in ALIGNED_SIGMAS]
    wanted = numpy.interp(numpy.linspace(0, 1, steps), numpy.linspace(0, 1, len(known)), known)
    timesteps = numpy.interp(wanted, own, numpy.arange(len(own))).round().astype(int)
    for index in range(1, steps):  # the schedule must fall, and two may round to the same
        timesteps[index] = min(timesteps[index], timesteps[index - 1] - 1)
    return [int(max(timestep, steps - 1 - index)) for index, timestep in enumerate(timesteps)]
