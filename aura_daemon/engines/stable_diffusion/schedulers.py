"""Samplers by name. In: our name, a model's own configuration, steps. Out: a scheduler of diffusers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import diffusers
import numpy
import torch

from aura_daemon.engines.library_imports import show_scipy
from aura_daemon.jobs.sampling import Scheduler

_KARRAS: Final = {"use_karras_sigmas": True}
_PLAIN: Final = {"use_karras_sigmas": False}
_MULTISTEP: Final = {"algorithm_type": "dpmsolver++", "solver_order": 2}
_MULTISTEP_SDE: Final = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}
_SINGLESTEP_SDE: Final = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2, "lower_order_final": True}
_LATENTS: Final = {"clip_sample": False, "set_alpha_to_one": False}
"""As in Stable Diffusion's own configuration. A configuration of another scheduler lacks these, and diffusers' default
clips latents at 1, as if they were pixels, which draws noise."""


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
    Scheduler.DDIM_TRAILING: ("DDIMScheduler", _LATENTS | {"timestep_spacing": "trailing"}),
    Scheduler.PNDM: ("PNDMScheduler", {"skip_prk_steps": True}),
    Scheduler.UNIPC: ("UniPCMultistepScheduler", _PLAIN),
    Scheduler.LCM: ("LCMScheduler", {}),
    Scheduler.TCD: ("TCDScheduler", {}),
    Scheduler.ALIGN_YOUR_STEPS: ("DPMSolverMultistepScheduler", _MULTISTEP | _PLAIN),
}
"""Our names -> diffusers' class, and options beyond the model's own scheduler configuration."""

TCD_NOISE: Final = 0.3
"""Zheng et al. 2024, Trajectory Consistency Distillation: their default of gamma, the share of new noise."""

ALIGNED_SIGMAS: Final = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152)
"""Sabour et al. 2024, Align Your Steps: noise levels of ten steps, for Stable Diffusion 1.x."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenScheduler:
    """A scheduler for one picture, and the arguments of its pipeline that set the steps."""

    scheduler: Any
    steps: dict[str, Any]
    noise: dict[str, float] = field(default_factory=dict)
    """Arguments that set how much fresh noise each step adds."""


def scheduler_for(name: Scheduler, own_config: dict[str, Any], steps: int) -> ChosenScheduler:
    """A new scheduler for every picture: some keep state from one picture to the next."""
    class_name, options = SCHEDULERS[name]
    if name in (Scheduler.LCM, Scheduler.TCD):  # its schedule is a selection from this many steps
        options = {"original_inference_steps": max(50, steps)}
    scheduler_class = _class_of(class_name)
    if own_config.get("use_beta_sigmas"):
        show_scipy()
    scheduler = scheduler_class.from_config(own_config, **options)
    if name is Scheduler.ALIGN_YOUR_STEPS:
        return ChosenScheduler(
            scheduler=scheduler, steps={"timesteps": aligned_timesteps(scheduler.alphas_cumprod, steps)}
        )
    noise = {"eta": TCD_NOISE} if name is Scheduler.TCD else {}
    return ChosenScheduler(scheduler=scheduler, steps={"num_inference_steps": steps}, noise=noise)


def _class_of(name: str) -> Any:
    """diffusers' class, or ours in its place."""
    return _linear_multistep() if name == "LMSDiscreteScheduler" else getattr(diffusers, name)


@cache
def _linear_multistep() -> Any:
    """Made at its first use, for it needs scipy."""
    show_scipy()
    from diffusers.schedulers.scheduling_lms_discrete import LMSDiscreteScheduler

    class LinearMultistep(LMSDiscreteScheduler):  # type: ignore[misc]
        """diffusers' scheduler with a repair.

        From an image, diffusers 0.42 counts skipped steps (`step_index`) as taken. So it uses the wrong order in the
        first steps and spoils the picture.
        """

        def step(
            self,
            model_output: torch.Tensor,
            timestep: float,
            sample: torch.Tensor,
            order: int = 4,
            return_dict: bool = True,
        ) -> Any:
            """One step; the first four are of order 1 to 4. From noise the result is bit-identical to diffusers'."""
            return super().step(model_output, timestep, sample, min(len(self.derivatives) + 1, order), return_dict)

    return LinearMultistep


def evaluations(name: Scheduler, steps: int) -> tuple[int, int]:
    """How prompts count the steps of a sampler, as in A1111: the number that is spoken of, and the number that is done.

    Heun's method evaluates the model twice a step, but once in the last.
    """
    return (2 * steps, 2 * steps - 1) if name is Scheduler.HEUN else (steps, steps)


def aligned_timesteps(alphas_cumprod: torch.Tensor, steps: int) -> list[int]:
    """Falling timesteps at which a model has the noise of Align Your Steps; interpolated for numbers other than ten.

    `alphas_cumprod`: `[T]`. The authors interpolate the logarithms of the noise levels.
    """
    own = (((1 - alphas_cumprod.double()) / alphas_cumprod.double()) ** 0.5).log().numpy()
    aligned = [math.log(sigma) for sigma in ALIGNED_SIGMAS]
    levels = numpy.interp(numpy.linspace(0, 1, steps), numpy.linspace(0, 1, len(aligned)), aligned)
    timesteps = numpy.interp(levels, own, numpy.arange(len(own))).round().astype(int)
    for index in range(1, steps):  # the schedule must fall, and two may round to the same
        timesteps[index] = min(timesteps[index], timesteps[index - 1] - 1)
    return [int(max(timestep, steps - 1 - index)) for index, timestep in enumerate(timesteps)]
