"""The passes of a picture and their steps: their sizes, their numbers, and reports on how far they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.reporter import Reporter
from aura_daemon.engines.stable_diffusion.picture_task import PictureTask
from aura_daemon.engines.stable_diffusion.schedulers import evaluations
from aura_daemon.formats.prompts.prompt_schedule import PassSteps
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.sampling import Scheduler, round_px


class AllCancelled(Exception):
    """All pictures of a batch were cancelled."""


class StepReporter:
    """Reports how far pictures are, over both passes, with previews where a request wants them."""

    def __init__(
        self,
        tasks: Sequence[PictureTask],
        reporter: Reporter,
        peak: PeakMemory,
        preview: Callable[[torch.Tensor], bytes],
        wait: Callable[[], None],
    ) -> None:
        """`preview` makes a small JPEG of one picture's latents; `wait` returns when the device has finished."""
        self._tasks = tasks
        self._reporter = reporter
        self._peak = peak
        self._preview = preview
        self._wait = wait
        self._is_first = True
        self._passes = _steps_of_passes(tasks[0].resolved)
        self._before = 0
        self._shown = [0] * len(tasks)

    def stepped(self, evaluation: int, evaluations: int, latents: torch.Tensor) -> None:
        """After each evaluation of the model; a step of some samplers takes two. Raises AllCancelled."""
        self._peak.sample()
        steps = self._passes[0]
        if self._is_first and evaluation * steps >= evaluations:
            self._is_first = False
            self._wait()
            for task in self._tasks:
                task.clock.first_step_ended()
        done = self._before + min(-(-evaluation * steps // evaluations), steps)
        in_all = self._before + sum(self._passes)
        is_wanted = False
        for number, task in enumerate(self._tasks):
            if self._reporter.is_cancelled(task.job_id):
                continue
            is_wanted = True
            every, preview = task.resolved.preview, b""
            if every and done // every > self._shown[number] and evaluation != evaluations:
                self._shown[number] = done // every
                preview = self._preview(latents[number : number + 1])
            self._reporter.stepped(task.job_id, done, in_all, preview)
        if not is_wanted:
            raise AllCancelled

    def pass_ended(self) -> None:
        """Counts the steps of the next pass from here."""
        self._before += self._passes.pop(0)


def second_px(resolved: ResolvedGenerate) -> tuple[int, int]:
    """Width and height of the last pass in pixels."""
    scale = resolved.hires.scale if resolved.hires is not None else 1.0
    return round_px(resolved.width * scale), round_px(resolved.height * scale)


def sizes_px(resolved: ResolvedGenerate) -> tuple[tuple[int, int], ...]:
    """Width and height of each pass."""
    first = resolved.width, resolved.height
    return (first, second_px(resolved)) if resolved.hires is not None else (first,)


def steps_of(resolved: ResolvedGenerate) -> int:
    """Steps of all passes together."""
    return sum(_steps_of_passes(resolved))


def counted_passes(resolved: ResolvedGenerate) -> tuple[PassSteps, ...]:
    """The passes as prompts count them.

    As in A1111, the first is counted in the steps that were asked for, the second in those that its strength leaves.
    """
    scheduler = Scheduler(resolved.scheduler)
    whole, _ = evaluations(scheduler, resolved.steps)
    taken = [evaluations(scheduler, steps)[1] for steps in _steps_of_passes(resolved)]
    first = PassSteps(steps=whole, taken=taken[0])
    if resolved.hires is None:
        return (first,)
    second, _ = evaluations(scheduler, _steps_of_passes(resolved)[1])
    return first, PassSteps(steps=second, taken=taken[1], before=whole)


def standstill(resolved: ResolvedGenerate) -> Failure | None:
    """A Failure where no step is left: diffusers takes `steps * strength` steps, rounded down."""
    if min(_steps_of_passes(resolved)) >= 1:
        return None
    least = -(-1000 // resolved.steps) / 1000
    return Failure(
        kind=FailureKind.BAD_INPUT,
        message=f"so small a strength leaves less than one of the {resolved.steps} steps: nothing would be drawn",
        mend=f"set strength to {least:g} at least, or more steps",
    )


def _steps_of_passes(resolved: ResolvedGenerate) -> list[int]:
    """How many steps each pass takes; from an image only those that the strength leaves."""
    strengths = [resolved.strength if resolved.strength is not None else 1.0]
    strengths += [resolved.hires.strength] if resolved.hires is not None else []
    return [min(int(resolved.steps * strength), resolved.steps) for strength in strengths]
