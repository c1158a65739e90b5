"""One picture while the generator works on it: the resolved request, and the results of the phases so far."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.prompts.encoding import EncodedPrompt
from aura_daemon.engines.stable_diffusion.guidance.inputs import PictureInputs
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapter_files import AdapterFiles
from aura_daemon.engines.stable_diffusion.guidance.regions.places import Places
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_prompt import RegionalPrompt
from aura_daemon.engines.stable_diffusion.levers.levers import LEVERS, PassPlan
from aura_daemon.engines.stable_diffusion.start_image import InitImage
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import EngineTiming, Ingredient
from aura_daemon.jobs.tasks import Task

PHASES: Final = ("encoded_s", "denoised_s", "decoded_s", "checked_s", "filed_s")
"""Fields of `EngineTiming`."""


@dataclass(slots=True)
class _PhaseClock:
    """Measures the phases; a second pass adds to the first."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    since_s: float = field(default_factory=time.monotonic)
    first_step_s: float = 0.0
    """Of the first step, in which a GPU also chooses kernels: up to twenty times as long as a later step."""

    def restart(self) -> None:
        """Starts a phase of this picture: the time since its last phase belongs to another picture."""
        self.since_s = time.monotonic()

    def ended(self, phase: str) -> None:
        now = time.monotonic()
        self.seconds[phase] += now - self.since_s
        self.since_s = now

    def timing(self) -> EngineTiming:
        """The phases; decoding includes those that end with the file."""
        decoded_s = self.seconds["decoded_s"] + self.seconds["checked_s"] + self.seconds["filed_s"]
        return EngineTiming(**self.seconds | {"decoded_s": decoded_s})

    def first_step_ended(self) -> None:
        self.first_step_s = time.monotonic() - self.since_s


@dataclass(kw_only=True, slots=True)
class PictureTask:
    """One picture while it is drawn."""

    task: Task
    resolved: ResolvedGenerate
    inputs: PictureInputs = field(default_factory=PictureInputs)
    nets: tuple[ModelFiles, ...] = ()
    """The ControlNets that read its maps."""
    adapters: Mapping[str, AdapterFiles] = field(default_factory=dict)
    """Those that read the pictures that it is to be like, by name."""
    notes: tuple[str, ...] = ()
    loras: tuple[Ingredient, ...] = ()
    encoded: EncodedPrompt | RegionalPrompt | None = None
    levers: tuple[str, ...] = ()
    costs: tuple[float, ...] = ()
    """Time of each evaluation of the UNet so far, by one that leaves nothing out."""
    load: float = 1.0
    """What a step computes, by one of plain prompts: more with prompts joined by `AND`, with regions and maps."""
    clock: _PhaseClock = field(default_factory=_PhaseClock)

    def step_s(self, steps: int) -> float:
        """Seconds of one of `steps` steps of all passes with a plain prompt that leave nothing out.

        So pictures of different speeds are compared fairly. The first step counts only where there is no other.
        """
        denoised_s = self.clock.seconds["denoised_s"]
        step_s = (denoised_s - self.clock.first_step_s) / (steps - 1) if steps > 1 else denoised_s
        return step_s / self.load / fmean(self.costs[1:] or self.costs or (1.0,))

    def passed(self, plan: PassPlan) -> None:
        """A pass was computed by this plan."""
        self.costs += plan.costs
        self.levers += tuple(words for words in plan.words if words not in self.levers)

    @property
    def start(self) -> InitImage | None:
        """The image that it starts from, with its mask."""
        return self.inputs.start

    def places(self, native_px: int) -> Places:
        """Where its regions lie."""
        return Places(
            regions=self.resolved.regions,
            masks=self.inputs.region_masks,
            image_px=self.start.picture.size if self.start is not None else None,
            native_px=native_px,
        )

    @property
    def job_id(self) -> str:
        """Of the job that the picture is for."""
        return self.task.job_id

    @property
    def alike(self) -> tuple[int, bool]:
        """What pictures that are denoised together have in common: the windows, and whether features are kept.

        A picture has the same levers beside others as alone, so plain prompts are not drawn with others then.
        """
        keeps = LEVERS[self.resolved.speed].keeps_features(self.resolved.steps)
        return self.windows, keeps and self.encoded is not None and self.encoded.of_pass(0).is_plain

    @property
    def windows(self) -> int:
        """Windows of the prompt; 0 until the prompt is encoded."""
        return self.encoded.windows if self.encoded is not None else 0
